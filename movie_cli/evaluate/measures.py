"""Measures of an edited clip, without weights and by networks, and the pictures they are taken of.

Clips are frames `(N, H, W, 3)`, uint8 RGB, in one number and size; pictures float tensors `(N, 3, H, W)` or
`(3, H, W)`, sRGB-encoded in [0, 1]. Colour drift needs OpenCV (see `movie_cli.models.flow`); the rest is arithmetic.

Networks are CLIP and PickScore from any checkpoint of that kind, and LPIPS over AlexNet. CLIPFrame is the mean cosine
over all pairs of frames (TGVE 2023). CLIP text, image and directional similarity are those of InstructPix2Pix (Brooks
et al. 2023, section 4.1; direction: Gal et al. 2022). PickScore is the scaled cosine between frames and the edited
caption by a CLIP tuned on people's choices (Kirstain et al. 2023). LPIPS (Zhang et al. 2018) is a distance of pictures
that goes by features rather than by pixels: its weights come from a safetensors file with the names of the authors'
package (`pip install lpips`), whose `LPIPS(net="alex").state_dict()` saved by `safetensors.torch.save_file` is such a
file. Loads safetensors only.
"""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from movie_cli.errors import ModelError, first_line
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


BATCH = 16
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""What CLIP was trained with (Radford et al. 2021), for checkpoints that do not say."""


class ClipScorer:
    """A CLIP checkpoint on the CPU in float32.

    Raises:
        ModelError: it is not there, cannot be fetched, or is no CLIP.
    """

    def __init__(self, name: str, offline: bool = False) -> None:
        from transformers import AutoTokenizer, CLIPModel

        try:
            options: dict[str, Any] = {"local_files_only": offline or Path(name).is_dir()}
            self._model: Any = CLIPModel.from_pretrained(name, use_safetensors=True, **options).eval()
            self._tokenizer: Any = AutoTokenizer.from_pretrained(name, **options)
        except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
            raise ModelError(
                f"the CLIP checkpoint {name} cannot be loaded: {first_line(error)}",
                "name a local folder that holds one, or leave its measures out",
            ) from error
        self._side = int(self._model.config.vision_config.image_size)
        self._mean, self._deviation = _normalization(name)

    @torch.inference_mode()
    def embed_frames(self, frames: Frames) -> Tensor:
        """Unit image embeddings `(N, D)` of frames `(N, H, W, 3)`."""
        parts = []
        for first in range(0, len(frames), BATCH):
            pictures = torch.stack([self._picture(frame) for frame in frames[first : first + BATCH]])
            parts.append(_pooled(self._model.get_image_features(pixel_values=pictures)))
        return F.normalize(torch.cat(parts), dim=-1)

    @torch.inference_mode()
    def embed_text(self, text: str) -> Tensor:
        """The unit text embedding `(1, D)`; what is past the model's window is cut off."""
        length = self._model.config.text_config.max_position_embeddings
        tokens = self._tokenizer(text, truncation=True, max_length=length, return_tensors="pt")
        found = self._model.get_text_features(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask)
        return F.normalize(_pooled(found), dim=-1)

    @property
    def scale(self) -> float:
        """The learnt factor on cosines."""
        return float(self._model.logit_scale.exp())

    def _picture(self, frame: NDArray[np.uint8]) -> Tensor:
        """CLIP's own preparation: the shorter side to the model's, bicubic, and the middle cut out."""
        image, side = Image.fromarray(frame), self._side
        scale = side / min(image.size)
        size = (max(side, int(image.width * scale)), max(side, int(image.height * scale)))
        image = image.resize(size, Image.Resampling.BICUBIC)
        left, top = (size[0] - side) // 2, (size[1] - side) // 2
        cut = np.asarray(image.crop((left, top, left + side, top + side)), dtype=np.float32) / 255
        return torch.from_numpy((cut - self._mean) / self._deviation).permute(2, 0, 1).float()


def clip_frame(embedded: Tensor) -> float:
    """Mean cosine over all pairs of different frames; 1 for a single frame."""
    if len(embedded) < 2:
        return 1.0
    cosines = embedded @ embedded.T
    return float(np.mean([float(cosines[i, j]) for i, j in itertools.combinations(range(len(embedded)), 2)]))


def clip_image(source: Tensor, edited: Tensor) -> float:
    """Mean cosine between each frame and its edit."""
    return float((source * edited).sum(dim=-1).mean())


def clip_text(edited: Tensor, caption: Tensor) -> float:
    """Mean cosine between frames and the edited caption."""
    return float((edited @ caption.T).mean())


def clip_direction(source: Tensor, edited: Tensor, before: Tensor, after: Tensor) -> float:
    """Mean cosine between the change of the picture and the change of the caption."""
    return float(F.cosine_similarity(edited - source, after - before, dim=-1).mean())


def pick_score(edited: Tensor, caption: Tensor, scale: float) -> float:
    """Mean scaled cosine between frames and caption; published figures are of `scale` 100."""
    return scale * clip_text(edited, caption)


def _pooled(found: Any) -> Tensor:
    result: Tensor = found if isinstance(found, Tensor) else found.pooler_output
    return result


def _normalization(name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    path = Path(name) / "preprocessor_config.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        mean, deviation = values["image_mean"], values["image_std"]
    except (OSError, ValueError, KeyError, TypeError):
        mean, deviation = MEAN, DEVIATION
    return np.array(mean, dtype=np.float32), np.array(deviation, dtype=np.float32)


# Where each convolution stands in the authors' slices of AlexNet; stride, padding, and whether pooling comes before it.
_LAYERS = (
    ("net.slice1.0", 4, 2, False),
    ("net.slice2.3", 1, 2, True),
    ("net.slice3.6", 1, 1, True),
    ("net.slice4.8", 1, 1, False),
    ("net.slice5.10", 1, 1, False),
)
LPIPS_SHIFT, LPIPS_SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""The authors' normalisation of pictures in [-1, 1]."""


class Lpips:
    """The network with its weights.

    Raises:
        ModelError: the file is missing or holds something else.
    """

    def __init__(self, path: Path) -> None:
        try:
            weights = load_file(path)
            self._convolutions = [(weights[f"{name}.weight"], weights[f"{name}.bias"]) for name, *_ in _LAYERS]
            self._heads = [weights[f"lin{index}.model.1.weight"] for index in range(len(_LAYERS))]
        except (OSError, SafetensorError, KeyError) as error:
            raise ModelError(
                f"{path} does not hold the weights of LPIPS: {error}",
                "docs/evaluation.md tells how to make the file, or leave --lpips out",
            ) from error

    @torch.inference_mode()
    def distance(self, first: Frames, second: Frames) -> float:
        """Mean over frames, 0 for equal ones. Sides of at least 64 pixels."""
        values = [self._frame(_picture(a), _picture(b)) for a, b in zip(first, second, strict=True)]
        return sum(values) / len(values)

    def _frame(self, first: Tensor, second: Tensor) -> float:
        pairs = zip(self._features(first), self._features(second), self._heads, strict=True)
        return float(sum(F.conv2d((a - b).square(), head).mean() for a, b, head in pairs))

    def _features(self, hidden: Tensor) -> list[Tensor]:
        """Of each layer, with unit length over the channels."""
        found = []
        for (weight, bias), (_, stride, padding, pooled) in zip(self._convolutions, _LAYERS, strict=True):
            if pooled:
                hidden = F.max_pool2d(hidden, 3, 2)
            hidden = F.relu(F.conv2d(hidden, weight, bias, stride, padding))
            length = hidden.square().sum(dim=1, keepdim=True).sqrt()
            found.append(hidden / (length + 1e-10))
        return found


def _picture(frame: NDArray[np.uint8]) -> Tensor:
    picture = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None].float() / 127.5 - 1
    return (picture - torch.tensor(LPIPS_SHIFT).view(3, 1, 1)) / torch.tensor(LPIPS_SCALE).view(3, 1, 1)
