"""Matrix products beside the network, on the caller's thread alone.

BLAS shares large products among threads of its own, which spin while they wait for each other: beside networks and
encoders that have the cores, a picture's product takes several times its work, on every core. Products here are made of
parts that BLAS leaves to one thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST, MOST_BY_VECTOR = 1 << 18, 9000
"""Multiplications in a part; OpenBLAS shares more than 2^18, and more than 9216 where one side is a vector."""
LEAST = 16
"""Lines or columns in a part, however many multiplications that are: kernels take so many at once."""


def product(left: NDArray[Any], right: NDArray[Any], out: NDArray[Any] | None = None) -> NDArray[Any]:
    """`left @ right` for matrices `(..., M, K)` and `(..., K, N)`, of which at most one is a stack; into `out`."""
    shape = (*(left.shape[:-2] or right.shape[:-2]), left.shape[-2], right.shape[-1])
    made = np.empty(shape, np.result_type(left, right)) if out is None else out
    for lines, columns in parts(left.shape[-2], left.shape[-1], right.shape[-1]):
        np.matmul(left[..., lines, :], right[..., columns], out=made[..., lines, columns])
    return made


def weighted(pixels: NDArray[Any], weights: Sequence[float]) -> NDArray[Any]:
    """The sum of the channels of `(..., C)` by their weights, such as luma, `(...)`, in float32."""
    column = np.array(weights, np.float32)[:, None]
    return product(pixels.astype(np.float32, copy=False), column)[..., 0]


def recombined(matrix: NDArray[Any], planes: NDArray[Any]) -> NDArray[Any]:
    """The sums of planes `(C, h, w)` by the weights in each row of a matrix `(M, C)`: `(M, h, w)`."""
    return product(matrix, planes.reshape(len(planes), -1)).reshape(-1, *planes.shape[1:])


def parts(lines: int, shared: int, columns: int) -> Iterator[tuple[slice, slice]]:
    """The parts of a product of `lines` times `shared` and `shared` times `columns`: cut along its longer side."""
    short, long = sorted((lines, columns))
    most = MOST_BY_VECTOR if short == 1 else MOST
    step = max(LEAST, most // max(1, shared * short) // LEAST * LEAST)
    for first in range(0, long, step):
        part = slice(first, min(long, first + step))
        yield (part, slice(0, columns)) if lines == long else (slice(0, lines), part)
