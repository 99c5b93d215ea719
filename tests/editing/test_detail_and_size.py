import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d, interpolate, pad

from movie_cli.editing.editor import working_size
from movie_cli.models.detail import transfer


def picture(height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 6, 8, generator=generator)
    smooth = interpolate(coarse, size=(height, width), mode="bicubic")
    texture = interpolate(torch.rand(1, 1, height // 2, width // 2, generator=generator), size=(height, width))
    image = (0.75 * smooth + 0.25 * texture).clamp(0, 1)
    return (image[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def shrink(pixels, height, width):
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    small = interpolate(image, size=(height, width), mode="bicubic", antialias=True).round().clamp(0, 255)
    return small[0].to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def psnr(a, b):
    return 10 * np.log10(255**2 / np.square(a.astype(float) - b).mean())


def test_no_edit_brings_the_source_back():
    full = picture(192, 256)
    small = shrink(full, 96, 128)
    plain = transfer(full, small, small, (256, 192), 0.0)
    carried = transfer(full, small, small, (256, 192), 1.0)
    assert carried.shape == full.shape
    assert psnr(carried, full) > psnr(plain, full) + 6


def test_an_inverted_edit_gets_inverted_detail():
    full = picture(192, 256)
    small = shrink(full, 96, 128)
    carried = transfer(full, small, 255 - small, (256, 192), 1.0)
    assert psnr(carried, 255 - full) > psnr(transfer(full, small, 255 - small, (256, 192), 0.0), 255 - full) + 4


def test_a_flat_edit_stays_flat():
    full = picture(192, 256)
    small = shrink(full, 96, 128)
    flat = np.full_like(small, 200)
    assert np.abs(transfer(full, small, flat, (256, 192), 1.0).astype(int) - 200).max() <= 1


def test_the_amount_scales_the_detail():
    full = picture(192, 256)
    small = shrink(full, 96, 128)
    errors = [psnr(transfer(full, small, small, (256, 192), amount), full) for amount in (0.0, 0.5, 1.0)]
    assert errors == sorted(errors)


def test_another_output_size_than_the_sources():
    full = picture(192, 256)
    small = shrink(full, 96, 128)
    assert transfer(full, small, small, (320, 240), 1.0).shape == (240, 320, 3)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ((512, 384), (512, 384)),
        ((640, 480), (512, 384)),
        ((1920, 1080), (592, 336)),
        ((1080, 1920), (336, 592)),
        ((161, 121), (320, 240)),
    ],
)
def test_working_size(source, expected):
    assert working_size(*source, 512 * 384, 16) == expected


@pytest.mark.parametrize("source", [(1, 1), (2, 2), (10000, 2), (3, 5000), (7680, 4320)])
def test_working_size_of_extremes_is_bounded(source):
    width, height = working_size(*source, 512 * 384, 16)
    assert width % 16 == height % 16 == 0
    assert min(width, height) >= 64
    assert width * height <= 1.1 * 512 * 384


@pytest.mark.parametrize(("size", "amount"), [((256, 192), 1.0), ((200, 150), 0.7), ((320, 240), 0.0)])
def test_it_is_the_guided_filter_at_full_size(size, amount):
    full = picture(192, 256)
    small = shrink(full, 96, 128)
    edited = (255 - small // 2).astype(np.uint8)
    found = transfer(full, small, edited, size, amount)
    wanted = by_the_formula(full, small, edited, size, amount)
    assert np.abs(wanted.astype(int) - found).mean() < 0.5
    assert psnr(wanted, found) > 50


def by_the_formula(full, small, edited, size, amount):
    """Enlarged edit, and on it the enlarged slope times the luma that the working size lost."""

    def planes(pixels):
        return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255

    def luma(image):
        return (image * torch.tensor([0.2126, 0.7152, 0.0722]).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)

    def box(image):
        return avg_pool2d(pad(image, (4, 4, 4, 4), mode="replicate"), 9, stride=1)

    def enlarged(image):
        return interpolate(image, size=size[::-1], mode="bicubic")

    guide, result = luma(planes(small)), planes(edited)
    covariance = box(guide * result) - box(guide) * box(result)
    slope = box(covariance / (box(guide * guide) - box(guide) ** 2 + 1e-4))
    lost = interpolate(luma(planes(full)), size[::-1], mode="bicubic", antialias=True) - enlarged(guide)
    image = enlarged(result) + amount * enlarged(slope) * lost
    return (image[0].clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
