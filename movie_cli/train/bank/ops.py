"""Picture operations that the edits share. All take and return float tensors `(N, C, H, W)`.

Every operation is deterministic and continuous in its input; borders are extended by reflection or replication,
so that a mask does not end before the picture does.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

LUMA = (0.2126, 0.7152, 0.0722)
"""BT.709 luma weights, used on sRGB-encoded values."""


def luma(image: Tensor) -> Tensor:
    """Brightness `(N, 1, H, W)` of sRGB-encoded `(N, 3, H, W)`."""
    return (image * image.new_tensor(LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def colour(values: Sequence[float], like: Tensor) -> Tensor:
    """A colour of three numbers in [0, 1] as `(1, 3, 1, 1)`, on the device and in the dtype of `like`."""
    return like.new_tensor(values).view(1, 3, 1, 1)


def mix(a: Tensor, b: Tensor, amount: Tensor | float) -> Tensor:
    """`a` where `amount` is 0, `b` where it is 1."""
    return a + (b - a) * amount


def smoothstep(low: float, high: float, value: Tensor) -> Tensor:
    """0 below `low`, 1 above `high`, with a smooth cubic between; `high < low` falls instead of rising."""
    t = ((value - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def saturation(image: Tensor) -> Tensor:
    """HSV saturation `(N, 1, H, W)`, damped in the dark where it means nothing."""
    high, low = image.amax(dim=1, keepdim=True), image.amin(dim=1, keepdim=True)
    return (high - low) / (high + 0.08)


def saturate(image: Tensor, factor: Tensor | float) -> Tensor:
    """Scale the distance from grey by `factor` (0 is grey, 1 leaves it)."""
    return mix(luma(image).expand_as(image), image, factor)


def hue_weight(image: Tensor, centre: float, width: float) -> Tensor:
    """How near each pixel's hue is to `centre` (degrees: 0 red, 120 green, 240 blue), `(N, 1, H, W)` in [0, 1].

    Falls to 0 at `width` degrees away and is multiplied by saturation, so that greys have no hue.
    """
    red, green, blue = image.unbind(dim=1)
    a = red - 0.5 * (green + blue)
    b = (math.sqrt(3) / 2) * (green - blue)
    length = torch.sqrt(a * a + b * b + 1e-6)
    angle = math.radians(centre)
    cosine = (a * math.cos(angle) + b * math.sin(angle)) / length
    near = smoothstep(math.cos(math.radians(width)), 1.0, cosine)
    return near.unsqueeze(1) * smoothstep(0.02, 0.12, length.unsqueeze(1))


def blur(image: Tensor, sigma: float) -> Tensor:
    """Gaussian blur, `sigma` in pixels, separable, reflected borders; wide ones run on a smaller picture."""
    if sigma > 6 and min(image.shape[-2:]) >= 32:
        small = F.avg_pool2d(image, 2, ceil_mode=True)
        return F.interpolate(blur(small, sigma / 2), size=image.shape[-2:], mode="bilinear", align_corners=False)
    radius = max(1, math.ceil(3 * sigma))
    steps = torch.arange(-radius, radius + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-0.5 * (steps / sigma) ** 2)
    kernel = kernel / kernel.sum()
    channels = image.shape[1]
    mode = "reflect" if radius < min(image.shape[-2:]) else "replicate"
    out = F.pad(image, (radius, radius, 0, 0), mode=mode)
    out = F.conv2d(out, kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
    out = F.pad(out, (0, 0, radius, radius), mode=mode)
    return F.conv2d(out, kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)


def box(image: Tensor, radius: int) -> Tensor:
    """Mean over a square of `2 * radius + 1` pixels, borders replicated."""
    padded = F.pad(image, (radius, radius, radius, radius), mode="replicate")
    return F.avg_pool2d(padded, 2 * radius + 1, stride=1)


def guided(guide: Tensor, target: Tensor, radius: int, eps: float) -> Tensor:
    """Guided filter (He, Sun, Tang 2010): `target` smoothed, with the edges of the one-channel `guide`.

    With `guide` equal to `target` this smooths texture and keeps edges. `eps` is a variance: 0.01 is strong.
    """
    slope, offset = guided_maps(guide, target, radius, eps)
    return slope * guide + offset


def guided_maps(guide: Tensor, target: Tensor, radius: int, eps: float) -> tuple[Tensor, Tensor]:
    """Slope and offset of `guide` that make of it what `guided` gives."""
    mean_g, mean_t = box(guide, radius), box(target, radius)
    covariance = box(guide * target, radius) - mean_g * mean_t
    slope = covariance / (box(guide * guide, radius) - mean_g * mean_g + eps)
    return box(slope, radius), box(mean_t - slope * mean_g, radius)


def gradient(plane: Tensor) -> tuple[Tensor, Tensor]:
    """Horizontal and vertical Scharr derivative of `(N, C, H, W)`, in units of value a pixel."""
    kernel = plane.new_tensor([[-3.0, 0.0, 3.0], [-10.0, 0.0, 10.0], [-3.0, 0.0, 3.0]]) / 32.0
    channels = plane.shape[1]
    padded = F.pad(plane, (1, 1, 1, 1), mode="replicate")
    weight = kernel.expand(channels, 1, 3, 3)
    return F.conv2d(padded, weight, groups=channels), F.conv2d(padded, weight.transpose(2, 3), groups=channels)


def edges(plane: Tensor, sigma: float = 1.0) -> Tensor:
    """Length of the gradient of a blurred one-channel picture, in value a pixel; a strong edge is about 0.2."""
    dx, dy = gradient(blur(plane, sigma))
    return torch.sqrt((dx * dx + dy * dy).sum(dim=1, keepdim=True) + 1e-8)


def local_contrast(plane: Tensor, sigma: float = 4.0) -> Tensor:
    """Standard deviation under a Gaussian window: about 0.02 in sky, 0.15 in foliage."""
    mean = blur(plane, sigma)
    return torch.sqrt((blur(plane * plane, sigma) - mean * mean).clamp_min(0) + 1e-6)


def height(image: Tensor) -> Tensor:
    """How high up each row is: 1 at the top, 0 at the bottom, `(1, 1, H, 1)`."""
    return torch.linspace(1, 0, image.shape[-2], device=image.device, dtype=image.dtype).view(1, 1, -1, 1)


def tone_curve(plane: Tensor, points: Sequence[tuple[float, float]]) -> Tensor:
    """A piecewise linear curve through `points` (input, output), inputs rising from 0 to 1."""
    out = torch.full_like(plane, points[0][1])
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        out = out + (y1 - y0) * ((plane - x0) / (x1 - x0)).clamp(0, 1)
    return out


def gradient_map(plane: Tensor, stops: Sequence[tuple[float, Sequence[float]]]) -> Tensor:
    """Colour a one-channel picture through `stops` of (value, colour); returns `(N, 3, H, W)`."""
    channels = [tone_curve(plane, [(value, stop[k]) for value, stop in stops]) for k in range(3)]
    return torch.cat(channels, dim=1)


def screen(a: Tensor, b: Tensor) -> Tensor:
    """The photographer's screen blend: light added to light."""
    return 1 - (1 - a) * (1 - b)
