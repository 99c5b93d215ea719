"""Noise without torch: the numbers that torch draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from movie_cli.backends.graph_backend import standard_normal


@pytest.mark.parametrize("seed", [0, 1234567, 2**40 + 5, 2**63 - 1])
@pytest.mark.parametrize("shape", [(1, 32, 8, 12), (1, 4, 7, 9), (16,), (17,)])
def test_it_is_torchs(seed, shape):
    wanted = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).numpy()
    found = standard_normal(seed, shape)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=2e-6)


def test_too_few_numbers_are_refused():
    with pytest.raises(ValueError, match="15"):
        standard_normal(0, (15,))
