"""Measures of an edited clip that need no weights, and the pictures they are taken of.

Clips are frames `(N, H, W, 3)`, uint8 RGB, in one number and size; pictures float tensors `(N, 3, H, W)` or
`(3, H, W)`, sRGB-encoded in [0, 1]. Colour drift needs OpenCV (see `movie_cli.models.flow`); the rest is arithmetic.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from movie_cli.models.flow import require_cv2

LUMA = (0.2126, 0.7152, 0.0722)
"""BT.709 luma weights, on sRGB-encoded values."""
ROUNDING_ERROR = (1 / 255) ** 2 / 12
"""Mean squared error of rounding to 8 bits: no picture can be told to be nearer than that, which is 58.9 dB."""


def to_float(frames: NDArray[np.uint8]) -> Tensor:
    """Frames `(N, H, W, 3)`, uint8, as pictures `(N, 3, H, W)`."""
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 255


def to_frames(pictures: Tensor) -> NDArray[np.uint8]:
    """Pictures `(N, 3, H, W)` as frames `(N, H, W, 3)`, uint8."""
    pixels = (pictures.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
    frames: NDArray[np.uint8] = np.ascontiguousarray(pixels.numpy())
    return frames


def mse(first: Tensor, second: Tensor) -> float:
    """Mean squared error over all values."""
    return float((first - second).square().mean())


def psnr(first: Tensor, second: Tensor) -> float:
    """Peak signal-to-noise ratio in dB, at most 58.9 (`ROUNDING_ERROR`)."""
    return -10 * math.log10(max(mse(first, second), ROUNDING_ERROR))


Frames = NDArray[np.uint8]
HIGH = 0.25
"""Cycles a frame above which a change of brightness counts as flicker: it turns round within two frames."""
CELLS = 8
"""Brightness is followed in a grid of this many cells a side."""
SSIM_WINDOW, SSIM_SIGMA = 11, 1.5
SSIM_K = (0.01, 0.03)


def edit_strength(source: Frames, edited: Frames) -> float:
    """Root of the mean squared difference to the source, in [0, 1] of sRGB values."""
    return math.sqrt(_mse(source, edited))


def video_psnr(edited: Frames, reference: Frames) -> float:
    """Mean over frames of the peak signal-to-noise ratio, dB; at most 58.9, see `ROUNDING_ERROR`."""
    return _over_frames([psnr(to_float(a[None]), to_float(b[None])) for a, b in zip(edited, reference, strict=True)])


def video_ssim(edited: Frames, reference: Frames) -> float:
    """Mean over frames of the structural similarity of luma (Wang et al. 2004), in [-1, 1]; 1 for equal frames.

    Gaussian window of 11 pixels with deviation 1.5, where it lies inside the picture, as in the authors' program.
    """
    return _over_frames([_ssim(_luma(a), _luma(b)) for a, b in zip(edited, reference, strict=True)])


def background_psnr(source: Frames, edited: Frames, mask: NDArray[np.bool_]) -> float:
    """PSNR against the source, dB, of the pixels outside the mask `(H, W)`, which is true where edits may change.

    Not a number if the mask leaves nothing.
    """
    outside = ~mask
    if not outside.any():
        return math.nan
    pairs = zip(source[:, outside], edited[:, outside], strict=True)
    return _over_frames([psnr(torch.from_numpy(a) / 255, torch.from_numpy(b) / 255) for a, b in pairs])


def colour_drift(source: Frames, edited: Frames) -> list[float]:
    """How far the edit's colour has moved since the first frame, a number a frame, in units of CIELAB (CIE 1976).

    The edit's colour is the mean over the picture of edited less source: what the camera does counts for nothing.
    """
    shift = _mean_lab(edited) - _mean_lab(source)
    return [float(value) for value in np.linalg.norm(shift - shift[0], axis=-1)]


def flicker_spectrum(source: Frames, edited: Frames) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequencies in cycles a frame, 0 to 0.5, and the power of the edit's brightness there, in squares of [0, 1].

    The edit's brightness is luma of edited less source, the mean of each cell of a grid, its own mean taken off; the
    powers of all frequencies add up to its variance (Parseval), mean over the cells.
    """
    brightness = _cells(edited) - _cells(source)
    count = len(brightness)
    spectrum = np.fft.rfft(brightness - brightness.mean(axis=0), axis=0) / count
    power = np.square(np.abs(spectrum)).mean(axis=1)
    # Every frequency but 0 and, for even counts, the highest one stands for itself and its negative.
    power[1 : (count + 1) // 2] *= 2
    return np.asarray(np.fft.rfftfreq(count), dtype=np.float64), np.asarray(power, dtype=np.float64)


def flicker(source: Frames, edited: Frames) -> float:
    """Root of the power above `HIGH`: how much brightness goes up and down from frame to frame, in [0, 1]."""
    frequencies, power = flicker_spectrum(source, edited)
    return float(np.sqrt(power[frequencies > HIGH].sum()))


def _mse(a: Frames, b: Frames) -> float:
    return _over_frames([float(np.square(x.astype(np.float32) - y).mean()) / 255**2 for x, y in zip(a, b, strict=True)])


def _over_frames(values: list[float]) -> float:
    return sum(values) / len(values)


def _luma(frame: Frames) -> torch.Tensor:
    weights = torch.tensor(LUMA).view(3, 1, 1)
    return (to_float(frame[None])[0] * weights).sum(dim=0).double()


def _ssim(a: torch.Tensor, b: torch.Tensor) -> float:
    places = torch.arange(SSIM_WINDOW, dtype=torch.float64) - SSIM_WINDOW // 2
    row = torch.exp(-places.square() / (2 * SSIM_SIGMA**2))
    row = row / row.sum()
    across = F.conv2d(torch.stack([a, b, a * a, b * b, a * b])[:, None], row.view(1, 1, 1, -1))
    mean_a, mean_b, square_a, square_b, product = F.conv2d(across, row.view(1, 1, -1, 1))[:, 0]
    first, second = SSIM_K[0] ** 2, SSIM_K[1] ** 2
    variance_a, variance_b = square_a - mean_a.square(), square_b - mean_b.square()
    covariance = product - mean_a * mean_b
    similarity = ((2 * mean_a * mean_b + first) * (2 * covariance + second)) / (
        (mean_a.square() + mean_b.square() + first) * (variance_a + variance_b + second)
    )
    return float(similarity.mean())


def _mean_lab(frames: Frames) -> NDArray[np.float64]:
    cv2 = require_cv2()
    means = [cv2.cvtColor(frame.astype(np.float32) / 255, cv2.COLOR_RGB2LAB).mean(axis=(0, 1)) for frame in frames]
    return np.array(means, dtype=np.float64)


def _cells(frames: Frames) -> NDArray[np.float64]:
    """Mean luma of each cell of the grid, `(N, cells)`, in [0, 1]."""
    pictures = torch.stack([_luma(frame) for frame in frames])[:, None]
    cells = F.adaptive_avg_pool2d(pictures, CELLS).flatten(1)
    result: NDArray[np.float64] = cells.numpy()
    return result
