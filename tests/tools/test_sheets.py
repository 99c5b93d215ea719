"""Contact sheets: layout and labels."""

import numpy as np
import pytest
import torch

from movie_cli.errors import UsageError
from tools.sheets import contact_sheet


def test_rows_and_columns_are_where_they_should_be():
    red, blue = torch.zeros(3, 20, 40), torch.zeros(1, 3, 40, 40)
    red[0], blue[:, 2] = 1.0, 1.0
    sheet = contact_sheet([("first", [red, blue]), ("second", [blue])], tile_height=32)
    assert sheet.mode == "RGB"
    assert sheet.height == 4 + 2 * (32 + 4)
    right = sheet.width - 4
    assert sheet.getpixel((right - 3, 20)) == (0, 0, 255)
    assert sheet.getpixel((right - 32 - 4 - 3, 20)) == (255, 0, 0)
    assert sheet.getpixel((right - 3, 56)) == (250, 250, 248)
    assert sheet.getpixel((right - 32 - 4 - 60, 56)) == (0, 0, 255)


def test_labels_are_drawn_and_make_room_for_themselves():
    image = torch.zeros(3, 32, 32)
    short, long = (contact_sheet([(label, [image])]) for label in ("a", "a much longer label"))
    assert long.width > short.width + 60
    margin = np.asarray(long)[:, : long.width - 170]
    assert (margin.min(axis=2) < 100).any()


@pytest.mark.parametrize("rows", [[], [("a", [])]])
def test_nothing_to_show_is_refused(rows):
    with pytest.raises(UsageError):
        contact_sheet(rows)


def test_tiny_tiles_are_refused():
    with pytest.raises(UsageError):
        contact_sheet([("a", [torch.zeros(3, 8, 8)])], tile_height=4)
