"""Tables of colours: fitted, written, read again, and applied."""

import math

import numpy as np
import pytest
import torch

from movie_cli.editing.lut import contrast, difference, fit, graded, identity, read_cube, write_cube
from movie_cli.errors import SourceError


def frames(seed):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 200, (40, 50, 3), np.uint8) for _ in range(2)]


def sepia(pixels):
    luma = pixels @ np.array([0.3, 0.6, 0.1])
    return (luma[..., None] * np.array([1.0, 0.85, 0.6])).round().astype(np.uint8)


def test_a_matter_of_colour_is_found_from_frames_that_do_not_have_every_colour():
    table = fit(frames(0), [sepia(one) for one in frames(0)], nodes=17)
    judges = frames(1)
    assert difference(table, judges, [sepia(one) for one in judges]) > 45
    # Colours that no frame had go where their neighbours lead.
    white = graded(np.full((1, 1, 3), 230, np.uint8), table)
    assert np.abs(white - sepia(np.full((1, 1, 3), 230, np.uint8)).astype(int)).max() < 12


def test_what_draws_is_no_matter_of_colour():
    sources = frames(0)
    edits = [np.roll(one, 5, axis=1) for one in sources]
    assert difference(fit(sources, edits, nodes=9), sources, edits) < 15


def test_a_pale_drawing_is_far_from_its_table_for_its_contrast():
    def pale(pixels):
        return (232 - np.roll(pixels, 5, axis=1) // 20).astype(np.uint8)

    def faded(pixels):
        return (150 + sepia(pixels) // 8).astype(np.uint8)

    for look, drawn in ((pale, True), (faded, False)):
        sources, edits = frames(0), [look(one) for one in frames(0)]
        table = fit(sources, edits, nodes=17)
        assert difference(table, sources, edits) > 30
        assert (contrast(table, sources, edits) < 17) == drawn


def test_nothing_is_changed_by_the_table_that_changes_nothing():
    source = frames(2)[0]
    assert np.array_equal(graded(source, identity(33)), source)
    assert difference(identity(33), [source], [source]) == math.inf


def test_a_file_is_read_as_it_was_written(tmp_path):
    table = fit(frames(0), [sepia(one) for one in frames(0)], nodes=9)
    write_cube(tmp_path / "a.cube", table, 'a "look"\n of ümlauts')
    assert torch.allclose(read_cube(tmp_path / "a.cube"), table, atol=1e-6)
    lines = (tmp_path / "a.cube").read_text().splitlines()
    assert lines[0] == 'TITLE "a ?look?? of ?mlauts"'
    # Red changes fastest.
    first, second = (list(map(float, line.split())) for line in lines[4:6])
    assert first == pytest.approx(table[:, 0, 0, 0].tolist(), abs=1e-6)
    assert second == pytest.approx(table[:, 0, 0, 1].tolist(), abs=1e-6)


def test_opencolorio_makes_the_same_of_it(tmp_path):
    ocio = pytest.importorskip("PyOpenColorIO", reason="OpenColorIO is not installed (opencolorio)")
    table = 0.8 * identity(33) + 0.1 * identity(33)[[1, 2, 0]]
    write_cube(tmp_path / "a.cube", table, "mixed")
    transform = ocio.FileTransform(str(tmp_path / "a.cube"), interpolation=ocio.INTERP_LINEAR)
    pixels = frames(3)[0]
    found = pixels.astype(np.float32) / 255
    ocio.Config.CreateRaw().getProcessor(transform).getDefaultCPUProcessor().applyRGB(found)
    assert np.abs(255 * found - graded(pixels, table)).max() < 0.6


@pytest.mark.parametrize(
    "text",
    [
        "",
        "LUT_1D_SIZE 2\n0 0 0\n1 1 1\n",
        "LUT_3D_SIZE 2\n0 0 0\n",
        "LUT_3D_SIZE 1000000\n0 0 0\n",
        "LUT_3D_SIZE x\n",
        "LUT_3D_SIZE 2\n" + "0 0 nan\n" * 8,
        "LUT_3D_SIZE 2\nDOMAIN_MAX 4 4 4\n" + "0 0 0\n" * 8,
        "LUT_3D_SIZE 2\n" + "0 0\n" * 8,
    ],
)
def test_what_is_no_table_is_refused(tmp_path, text):
    path = tmp_path / "a.cube"
    path.write_text(text)
    with pytest.raises(SourceError, match=r"a\.cube"):
        read_cube(path)
