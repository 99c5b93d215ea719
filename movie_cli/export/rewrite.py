"""Rewrites of operations that Qualcomm's HTP lacks, or computes wrongly in 16-bit activations as ONNX writes them.

Promises the same function to about 1e-6 in float32. They are applied to the traced copy of a network, by torch.export's
own decompositions; the network itself is not touched. In W8A16 a UNet without them came out of the HTP simulator at
7.7 dB and different from run to run, with them at 57 dB (both against its own QDQ graph on the CPU).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def silu(x: Tensor) -> Tensor:
    """`x sigmoid(x)` as `h tanh(h) + h` with `h = x / 2`."""
    half = 0.5 * x
    return half * torch.tanh(half) + half


def group_norm(
    x: Tensor,
    groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:
    """Group normalisation of `(N, C, ...)` as a layer normalisation of each group, then the affine map.

    ONNX writes it as an instance normalisation. Arguments are those of torch's own operation.
    """
    del cudnn_enabled
    flat = x.reshape(x.shape[0], groups, -1)
    result = F.layer_norm(flat, (flat.shape[-1],), None, None, eps).reshape(x.shape)
    per_channel = (1, -1, *([1] * (x.dim() - 2)))
    if weight is not None:
        result = result * weight.reshape(per_channel)
    if bias is not None:
        result = result + bias.reshape(per_channel)
    return result


def einsum(equation: str, tensors: list[Tensor], *, path: list[int] | None = None) -> Tensor:
    """A product of two tensors, written as an Einstein sum, as one batched matrix product: the HTP has no Einsum."""
    del path
    (first, second), result = equation.replace(" ", "").split("->")[0].split(","), equation.split("->")[1].strip()
    a, b = tensors
    sizes = dict(zip(first, a.shape, strict=True)) | dict(zip(second, b.shape, strict=True))
    batch = [label for label in first if label in second and label in result]
    summed = [label for label in first if label in second and label not in result]
    rows, columns = ([label for label in side if label not in (*batch, *summed)] for side in (first, second))

    def size(labels: list[str]) -> int:
        return math.prod(sizes[label] for label in labels)

    left = a.permute([first.index(label) for label in (*batch, *rows, *summed)])
    right = b.permute([second.index(label) for label in (*batch, *summed, *columns)])
    product = torch.matmul(
        left.reshape(size(batch), size(rows), size(summed)), right.reshape(size(batch), size(summed), size(columns))
    )
    made = [*batch, *rows, *columns]
    return product.reshape([sizes[label] for label in made]).permute([made.index(label) for label in result])


def for_htp(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """A copy of a traced network with these operations rewritten; nothing else changes."""
    table: dict[Any, Callable[..., Any]] = {
        torch.ops.aten.silu.default: silu,
        torch.ops.aten.group_norm.default: group_norm,
        torch.ops.aten.einsum.default: einsum,
    }
    return program.run_decompositions(table)
