"""How strong the data's edits are to be, as a teacher's distances say."""

import pytest
import torch

from movie_cli.train.bank.edit import Strengths

RANGES = (2.0, 14.0), (1.0, 3.0)


def law(text, image):
    """A teacher whose edits are in proportion to the ratio, and weak."""
    return 0.1 * text / image


def test_the_ends_of_the_ranges_are_the_teachers():
    strengths = Strengths(*RANGES, law)
    corners = torch.tensor([[2.0, 1.0], [2.0, 3.0], [14.0, 1.0], [14.0, 3.0], [7.5, 3.0]])
    expected = [law(text, image) for text, image in corners.tolist()]
    assert strengths(corners).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_the_usual_edit_is_the_banks_whatever_the_teacher_does(factor):
    strengths = Strengths(*RANGES, lambda text, image: factor * law(text, image))
    assert strengths(torch.tensor([[7.5, 1.5]])).item() == pytest.approx(0.9)


def test_half_way_to_the_end_half_of_the_correction_is_left():
    """The teacher's 0.475 / 1.5 at text scale 4.75, and the root of the 1.8 that its 0.5 is corrected by."""
    strengths = Strengths(*RANGES, law)
    assert strengths(torch.tensor([[4.75, 1.5]])).item() == pytest.approx(0.475 / 1.5 * 1.8**0.5)


def test_between_the_points_strength_is_bilinear_and_beyond_them_constant():
    strengths = Strengths(*RANGES, lambda text, image: text + 10 * image)
    found = strengths(torch.tensor([[3.0, 1.0], [3.0, 2.25], [2.0, 2.25], [4.75, 2.25], [1.0, 9.0], [20.0, 0.5]]))
    assert found[0].item() == pytest.approx(13.0)
    share = (3.0 - 2.0) / (4.75 - 2.0)
    assert found[1].item() == pytest.approx(((1 - share) * found[2] + share * found[3]).item())
    assert found[4:].tolist() == pytest.approx([32.0, 24.0])


def test_usual_scales_outside_of_the_ranges_stand_for_the_middle():
    strengths = Strengths((10.0, 14.0), (2.0, 3.0), law)
    assert strengths.text_scales == [10.0, 11.0, 12.0, 13.0, 14.0]
    assert strengths.image_scales == [2.0, 2.5, 3.0]
