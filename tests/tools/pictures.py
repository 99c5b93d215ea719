"""A made-up picture to measure on."""

import torch


def picture(seed: int, height: int = 64, width: int = 96) -> torch.Tensor:
    """Something with colours, shapes and texture, `(1, 3, height, width)`."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 6, 8, generator=generator)
    image = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")
    return (image + 0.08 * torch.rand(1, 3, height, width, generator=generator)).clamp(0, 1)
