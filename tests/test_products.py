"""Matrix products of parts: the same as whole ones, each part small enough for one thread."""

from __future__ import annotations

import numpy as np
import pytest

from movie_cli.products import LEAST, MOST, MOST_BY_VECTOR, parts, product

SHAPES = [
    ((3, 3), (3, 200_000)),
    ((8, 336, 72), (72, 32)),
    ((16, 9), (6, 9, 2048)),
    ((1, 3), (3, 5000)),
    ((2, 1), (1, 2)),
]


@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_is_the_product(left, right):
    random = np.random.default_rng(0)
    one, other = (random.random(shape, np.float32) for shape in (left, right))
    made = product(one, other)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, one.astype(np.float64) @ other, rtol=1e-5)
    into = np.empty_like(made)
    assert product(one, other, into) is into
    assert np.array_equal(into, made)


@pytest.mark.parametrize("sides", [(336, 72, 32), (3, 3, 2_000_000), (200_000, 3, 1), (1, 3, 9), (16, 9, 2048)])
def test_no_part_is_large_enough_to_be_shared(sides):
    lines, shared, columns = sides
    covered = np.zeros((lines, columns), int)
    for down, across in parts(*sides):
        height, width = down.stop - down.start, across.stop - across.start
        most = MOST_BY_VECTOR if 1 in (lines, columns) else MOST
        assert height * shared * width <= most or max(height, width) <= LEAST
        covered[down, across] += 1
    assert (covered == 1).all()
