"""Operations a frame are those of the method's table."""

from __future__ import annotations

import pytest
import torch

from movie_cli.bench.measuring import operation_values, operations_of_kind
from movie_cli.bench.shapes import count


def test_a_product_of_matrices():
    with torch.device("meta"):
        rows, columns, one = torch.zeros(3, 4), torch.zeros(5, 4), torch.zeros(1, 2, 6, 8)
    found = count(lambda: torch.nn.functional.linear(rows, columns))
    assert (found.layers, found.attention) == (2 * 3 * 4 * 5, 0)
    attended = count(lambda: torch.nn.functional.scaled_dot_product_attention(one, one, one))
    assert attended.layers == 0
    assert attended.attention == 2 * 2 * (2 * 6 * 6 * 8)


@pytest.mark.parametrize(("kind", "expected"), [("sd15-movie", 0.758e12), ("sd15-base", 21.14e12)])
def test_the_methods_table(kind, expected):
    cost = operations_of_kind(kind, (480, 480))
    values = operation_values(cost, (480, 480), anchored=True)
    assert values["flops_of_first_frame_without_attention"] == pytest.approx(expected, rel=0.001)
    assert values["flops_per_frame_without_attention"] < values["flops_of_first_frame_without_attention"]
    assert values["flops_per_frame"] > values["flops_per_frame_without_attention"]
    if kind == "sd15-movie":
        assert values["flops_per_frame_without_attention"] <= 0.758e12
        assert cost.first.total + cost.autoencoder.total == pytest.approx(0.771e12, rel=0.001)
