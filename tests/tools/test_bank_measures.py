import numpy as np
import pytest
import torch

from movie_cli.errors import SourceError, UsageError
from movie_cli.evaluate.measures import to_frames
from movie_cli.evaluate.subjects import BankSubject, open_subject
from movie_cli.models.flow import steps_of, warp_error
from movie_cli.recipe import Recipe
from tools import fidelity, flicker, phrasings, report
from tools.flicker import TargetMemory


def measured(subject, name, photos):
    return fidelity.measure_edit(name, list(fidelity.samples(subject, name, photos)))


def test_the_bank_is_its_own_perfect_student(photos):
    row = measured(open_subject("bank"), "winter", photos)
    # Only rounding to 8 bits, before and after, stands between them.
    assert row.after > 55
    assert row.gain == pytest.approx(row.after - row.before)
    assert row.worst_gain <= row.gain
    assert row.energy == pytest.approx(1, abs=0.02)
    assert (row.group, row.drawn) == ("season", False)


def test_the_identity_gains_nothing(photos):
    row = measured(open_subject("identity"), "night", photos)
    # The source is rounded to 8 bits on its way.
    assert row.gain == pytest.approx(0, abs=0.05)
    assert row.energy > 1.5


def test_the_bank_reads_canonical_instructions_only():
    with pytest.raises(UsageError, match="cannot read"):
        BankSubject("bank").prepare(Recipe("brr, cold"))


def test_the_bank_answers_both_scales(photos):
    row = fidelity.measure_response(open_subject("bank"), "sepia", photos)
    assert row.text_share == row.image_share == 1.0
    assert row.text_distances == sorted(row.text_distances)
    assert row.image_distances == sorted(row.image_distances, reverse=True)


def test_no_answer_is_not_monotone(photos):
    row = fidelity.measure_response(open_subject("identity"), "sepia", photos)
    assert row.text_share == row.image_share == 0.0


def test_phrases_land_where_their_picture_is_nearest(photos, reader):
    subject = reader({"brr": "winter", "dark please": "night", "old photo": "night"})
    rows = [("winter", "brr"), ("night", "dark please"), ("sepia", "old photo"), ("unknown", "add a dog")]
    calls = []
    batch = torch.cat(photos)
    landings = phrasings.land(subject, rows, batch, lambda done, of: calls.append((done, of)))
    assert [landing.picture for landing in landings] == ["winter", "night", "night", ""]
    assert calls[-1] == (4, 4)
    summary = phrasings.summarize(landings)
    assert summary.phrases == 3
    assert summary.picture_accuracy == summary.text_accuracy == pytest.approx(2 / 3)
    assert summary.per_edit == {"winter": 1.0, "night": 1.0, "sepia": 0.0}
    assert [(miss.meant, miss.picture) for miss in summary.misses] == [("sepia", "night")]
    assert (summary.unknown_phrases, summary.unknown_detected, summary.known_flagged) == (1, 1.0, 0.0)


def test_phrasings_need_a_reader(photos):
    with pytest.raises(UsageError, match="reads no text"):
        phrasings.land(open_subject("bank"), [("winter", "make it winter")], photos[0])


def test_phrasing_files(tmp_path):
    path = tmp_path / "phrases.csv"
    path.write_text('edit,phrase\nwinter,"cold, please"\nunknown,dance\n', encoding="utf-8")
    assert phrasings.read_phrasings(path) == [("winter", "cold, please"), ("unknown", "dance")]
    path.write_text("edit,phrase\nwinterr,cold\n", encoding="utf-8")
    with pytest.raises(UsageError, match="winterr"):
        phrasings.read_phrasings(path)
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"phrases\.csv"):
        phrasings.read_phrasings(path)
    with pytest.raises(SourceError, match=r"none\.csv"):
        phrasings.read_phrasings(tmp_path / "none.csv")


def moving(photo):
    """Four frames that pan over a photograph, `(4, 64, 80, 3)`."""
    frames = to_frames(photo)[0]
    return np.stack([frames[:, 2 * k : 2 * k + 80] for k in range(4)])


def test_flicker_of_the_identity_and_of_the_bank(photos, tmp_path):
    pytest.importorskip("cv2", reason="OpenCV is in the extra eval")
    frames = moving(torch.nn.functional.avg_pool2d(photos[0], 3, stride=1, padding=1))
    steps = steps_of(frames)
    clip = flicker.Clip("pan", frames, steps, warp_error(frames, steps))
    memory = TargetMemory(tmp_path / "targets.json")
    row = flicker.measure_clip(open_subject("identity"), "pencil", clip, memory)
    assert row.ratio == pytest.approx(1)
    itself = flicker.measure_clip(open_subject("bank"), "pencil", clip, memory)
    # A batch is summed in another order than single frames are.
    assert itself.ratio == pytest.approx(itself.target_ratio, rel=1e-3)
    assert itself.energy == pytest.approx(1, rel=1e-3)
    total = flicker.summarize("pencil", [row, itself])
    assert total.worst_ratio == max(row.ratio, itself.ratio)
    assert total.drawn is True


def test_targets_are_remembered_by_frames_and_edit(photos, tmp_path):
    pytest.importorskip("cv2", reason="OpenCV is in the extra eval")
    path = tmp_path / "deep" / "targets.json"
    frames = moving(photos[0])
    steps = steps_of(frames)
    facts = TargetMemory(path).facts("sepia", frames, steps)
    # Steps are not part of what is looked up: without them nothing could be measured anew.
    assert TargetMemory(path).facts("sepia", frames, []) == facts
    other = TargetMemory(path).facts("sepia", frames[::-1].copy(), steps)
    assert other != facts
    path.write_text("{broken", encoding="utf-8")
    assert TargetMemory(path).facts("sepia", frames, steps) == facts
    assert TargetMemory(None).facts("sepia", frames, steps) == facts


def row_of(edit="winter", **values):
    numbers = {"before": 15.0, "after": 25.0, "gain": 10.0, "worst_gain": 8.0, "energy": 1.0, "energy_squared": 1.0}
    return fidelity.EditFidelity(edit, "season", drawn=False, **(numbers | values))


def test_bars_at_their_limits():
    verdicts = [
        bar.passed for bar in report.fidelity_bars([row_of(gain=9.0, energy=0.8), row_of(gain=9.0, energy=1.2)])
    ]
    assert verdicts == [True, True, True]
    worse = report.fidelity_bars([row_of(gain=3.9, energy=0.79), row_of("fog", gain=13.9, before=23.0)])
    assert [bar.passed for bar in worse] == [False, False, False]
    assert [bar.failing for bar in worse] == [[], ["winter"], ["winter"]]


def test_an_edit_near_its_source_need_not_gain_four_decibels():
    rows = [row_of("brighter", before=22.0, gain=3.0), row_of(gain=16.0)]
    assert all(bar.passed for bar in report.fidelity_bars(rows))


def test_flicker_bars_tell_drawn_edits_apart():
    def flickering(edit, drawn, ratio):
        return flicker.EditFlicker(edit, "light", drawn, ratio, ratio, 1.0, 1.0, 1.0)

    plain, drawn, energy = report.flicker_bars([flickering("night", False, 1.5), flickering("ink", True, 1.5)])
    assert (plain.passed, plain.failing) == (False, ["night"])
    assert (drawn.passed, energy.passed) == (True, True)
