"""The region network: shapes, probabilities, folding; and the names of places."""

import pytest
import torch

from movie_cli.errors import UsageError
from movie_cli.models.region_names import PLACES, REGIONS, SCENE, read_place
from movie_cli.models.regions import PERSON, RegionNetwork, RegionShape, SteadyRegions, place_map

SMALL = RegionShape((8, 8, 16, 16), (1, 1, 1), 2, (8, 8, 8))


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = RegionNetwork(SMALL)
    for _ in range(3):  # the normalizations learn what comes
        network(torch.randn(4, 3, 32, 48))
    return network.eval()


@pytest.mark.parametrize(("height", "width"), [(192, 256), (8, 8), (40, 72)])
def test_probabilities_lie_on_the_latents_grid(network, height, width):
    seen = network.regions(torch.rand(2, 3, height, width) * 2 - 1)
    assert seen.shape == (2, len(REGIONS), height // 4, width // 4)
    scene, parts = seen[:, : len(SCENE)], seen[:, len(SCENE) :]
    torch.testing.assert_close(scene.sum(dim=1), torch.ones_like(scene[:, 0]))
    torch.testing.assert_close(parts.sum(dim=1), scene[:, PERSON])


def test_folding_changes_nothing_and_leaves_no_normalization(network):
    image = torch.rand(1, 3, 64, 96) * 2 - 1
    folded = network.folded()
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    torch.testing.assert_close(folded.regions(image), network.regions(image), atol=1e-5, rtol=0)
    assert torch.equal(folded.regions(image), folded.regions(image))


def test_the_usual_network_is_as_small_as_promised():
    from torch.utils.flop_counter import FlopCounterMode

    network = RegionNetwork().eval()
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, 192, 256))
    assert counter.get_total_flops() < 1.3e9
    assert sum(value.numel() for value in network.parameters()) < 5e6


def test_places_weigh_regions():
    everything = {place: read_place(place) for place in PLACES}
    assert read_place("Sky, people") == {"sky": 1.0, "person": 1.0}
    assert read_place("cars") == read_place("vehicle")
    assert read_place("mountain and earth") == everything["mountain_and_earth"]
    regions = torch.rand(1, len(REGIONS), 2, 3)
    regions[:, : len(SCENE)] /= regions[:, : len(SCENE)].sum(dim=1, keepdim=True)
    whole = place_map(regions, everything["everything"])
    torch.testing.assert_close(whole, torch.ones(1, 1, 2, 3))
    both = place_map(regions, everything["subject"]) + place_map(regions, everything["background"])
    torch.testing.assert_close(both, whole)


@pytest.mark.parametrize(
    ("text", "hint"), [("skye", "did you mean sky?"), ("sky,,tree", "there are"), ("zz", "plants")]
)
def test_an_unknown_place_is_refused_with_the_list(text, hint):
    with pytest.raises(UsageError) as refused:
        read_place(text)
    assert hint in refused.value.hint
    assert all(place in refused.value.hint for place in PLACES)


def test_regions_are_averaged_over_time_until_the_scene_changes(network):
    first, other = torch.full((1, 3, 32, 32), -0.5), torch.full((1, 3, 32, 32), 0.8)
    noisy = first + 0.02 * torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    steady = SteadyRegions(network)
    before = steady.see(first)
    torch.testing.assert_close(before, network.regions(first))
    strayed = (network.regions(noisy) - before).abs().mean()
    assert (steady.see(noisy) - before).abs().mean() < 0.8 * strayed
    torch.testing.assert_close(steady.see(other), network.regions(other))
