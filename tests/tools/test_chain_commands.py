"""The table of a chain's stages, and the answer to the scales."""

import json
import math

import pytest

from movie_cli.evaluate.subjects import BankSubject
from tests.tiny import one_step
from tests.tools.pictures import picture
from tests.tools.test_commands import make_clip
from tools import control, stages
from tools.sheets import to_picture


@pytest.fixture
def photos_folder(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in (1, 10, 20):
        to_picture(picture(number, 70, 80 + number)).save(folder / f"p{number:04}.png")
    return folder


def test_a_table_of_stages(photos_folder, tmp_path, capsys):
    pytest.importorskip("cv2", reason="OpenCV is in the extra eval")
    model = one_step(tmp_path / "tiny")
    (tmp_path / "clips").mkdir()
    make_clip(tmp_path / "clips" / "drift.mp4", 4, (160, 96))
    options = [f"first={model}", str(model), "--photos", str(photos_folder), "-o", str(tmp_path / "out")]
    options += ["--edits", "winter,sepia", "--clips", str(tmp_path / "clips"), "--clip-frames", "3", "--rounds", "1"]
    assert stages.main([*options, "--clip-edits", "night", "--device", "cpu", "--dtype", "float32"]) == 0
    text = capsys.readouterr().out
    assert text == (tmp_path / "out" / "stages.md").read_text()
    assert len(text.splitlines()) == 4
    assert "| first | 1 x 1 |" in text
    first, second = json.loads((tmp_path / "out" / "stages.json").read_text())["stages"]
    assert first["quality"] == second["quality"]
    assert set(first["quality"]["gains"]) == {"winter", "sepia"}
    quality = first["quality"]
    assert quality["gain"] == pytest.approx(quality["after"] - quality["before"])
    assert math.isnan(quality["feature_cosine"])
    assert first["cost"]["denoiser_gflops"] > 0 < first["cost"]["autoencoder_ms"]
    assert first["steadiness"]["ratio"] > 0


def test_parts_can_be_left_out(photos_folder, tmp_path, capsys):
    model = one_step(tmp_path / "tiny")
    options = [str(model), "--photos", str(photos_folder), "-o", str(tmp_path / "out"), "--rounds", "1"]
    assert stages.main([*options, "--only", "cost"]) == 0
    assert capsys.readouterr().out.splitlines()[2].count("| - ") == 7


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--only", "colour"], "cost, fidelity"), (["--edits", "wintr"], "winter"), (["--photos", "none"], "no such")],
)
def test_wrong_options_are_named(photos_folder, tmp_path, capsys, options, said):
    assert stages.main(["nano", "--photos", str(photos_folder), "-o", str(tmp_path), *options]) != 0
    assert said in capsys.readouterr().err


def test_the_bank_answers_both_scales():
    found = control.measure_control(BankSubject("bank"), ["winter", "night"], [picture(1), picture(2)])
    assert (found.pairs, found.rises, found.falls) == (4, 1.0, 1.0)
    assert [len(row) for row in found.tiles] == [3, 3]
    strongest, weakest = found.corners[2], found.corners[1]
    assert max(found.corners) == strongest
    assert min(found.corners) == weakest
    assert "ratio 1.00" in control.lines(found, found)[-1]


def test_the_source_itself_answers_none():
    found = control.measure_control(BankSubject("identity", strength=0.0), ["winter"], [picture(1)])
    assert (found.rises, found.falls) == (0.0, 0.0)


def test_control_of_a_checkpoint_beside_its_teacher(photos_folder, tmp_path, capsys):
    model = str(one_step(tmp_path / "tiny"))
    options = ["--photos", str(photos_folder), "--model", model, "--teacher", model, "--edits", "night"]
    options += ["-o", str(tmp_path / "out"), "--photos-count", "1", "--device", "cpu", "--dtype", "float32"]
    assert control.main(options) == 0
    assert capsys.readouterr().out.count("ratio 1.00") == 4
    student, teacher = json.loads((tmp_path / "out" / "control.json").read_text())
    assert student == teacher
