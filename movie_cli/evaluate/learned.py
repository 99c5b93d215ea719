"""Measures by networks: CLIP and PickScore from any checkpoint of that kind, and LPIPS over AlexNet.

CLIPFrame is the mean cosine over all pairs of frames (TGVE 2023). CLIP text, image and directional similarity are those
of InstructPix2Pix (Brooks et al. 2023, section 4.1; direction: Gal et al. 2022). PickScore is the scaled cosine between
frames and the edited caption by a CLIP tuned on people's choices (Kirstain et al. 2023). LPIPS (Zhang et al. 2018) is a
distance of pictures that goes by features rather than by pixels: its weights come from a safetensors file with the
names of the authors' package (`pip install lpips`), whose `LPIPS(net="alex").state_dict()` saved by
`safetensors.torch.save_file` is such a file. Loads safetensors only.
"""

from __future__ import annotations

import itertools
import json
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

Frames = NDArray[np.uint8]
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
