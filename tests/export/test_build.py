"""What is rewritten for the HTP computes the same in float32."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from movie_cli.export.build import einsum, for_htp, group_norm, silu
from movie_cli.export.distance import Distance, Layer, sensitive


def test_silu_is_silu():
    x = torch.linspace(-12, 12, 999)
    torch.testing.assert_close(silu(x), F.silu(x), atol=1e-6, rtol=1e-6)


def test_group_norm_is_group_norm():
    x = torch.randn(2, 12, 5, 7) * 3 + 1
    weight, bias = torch.randn(12), torch.randn(12)
    torch.testing.assert_close(
        group_norm(x, 4, weight, bias, 1e-5), F.group_norm(x, 4, weight, bias), atol=2e-6, rtol=1e-5
    )
    torch.testing.assert_close(group_norm(x, 3), F.group_norm(x, 3), atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("bct,bcs->bts", ((2, 3, 4), (2, 3, 5))),
        ("nl,nld->nd", ((2, 3), (2, 3, 4))),
        ("ne,esw->nsw", ((2, 3), (3, 4, 5))),
    ],
)
def test_einsum_is_einsum(equation, shapes):
    tensors = [torch.randn(shape) for shape in shapes]
    torch.testing.assert_close(einsum(equation, tensors), torch.einsum(equation, tensors))


def test_a_traced_network_is_rewritten_and_itself_untouched():
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.SiLU()).eval()
    x = torch.randn(1, 3, 9, 9)
    wanted = network(x)
    program = for_htp(torch.export.export(network, (x,), strict=False))
    called = {str(node.target) for node in program.graph.nodes}
    assert not {"aten.silu.default", "aten.group_norm.default"} & called
    torch.testing.assert_close(program.module()(x), wanted, atol=2e-6, rtol=1e-5)
    torch.testing.assert_close(network(x), wanted)


def test_the_worst_layers_are_kept_until_the_rest_is_good_enough():
    layers = [Layer("a", "Conv", 9, 40.0), Layer("b", "Conv", 9, 50.0), Layer("c", "Conv", 9, 70.0)]
    assert sensitive(layers, 30) == ()
    assert sensitive(layers, 45) == ("a",)
    assert sensitive(layers, 55) == ("a", "b")
    assert sensitive(layers, 90) == ("a", "b", "c")


def test_distance_counts_in_decibels():
    wanted = torch.ones(100).numpy()
    apart = Distance.of(wanted, wanted * 1.01)
    assert apart.sqnr == pytest.approx(40, abs=0.1)
    assert apart.relative_error == pytest.approx(0.01, abs=1e-4)
    assert apart.cosine == pytest.approx(1)
    assert Distance.of(wanted, wanted).sqnr == 199
