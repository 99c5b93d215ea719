"""Exported graphs: what torch computes, without torch, and nothing of the machine they were made on."""

from __future__ import annotations

import getpass
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

import movie_cli
from movie_cli.backends.fidelity import draw_clip, psnr
from movie_cli.checkpoints.exported import read_export
from movie_cli.cli import main
from movie_cli.errors import DeviceError, ModelError, OutputError, UsageError
from movie_cli.export import build
from movie_cli.export import export_folder as folders
from movie_cli.export.build import check_sizes
from tests.export import SIZE

WITHOUT_TORCH = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "diffusers", "transformers"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from movie_cli.cli import main
code = main(sys.argv[1:])
assert not {"torch", "diffusers", "transformers"} & set(sys.modules)
sys.exit(code)
"""


def edit(model, backend: str, instruction: str = "make it winter", anchored: bool = True, **scales):
    editor = movie_cli.open_editor(str(model), "cpu", "float32", backend)
    editor.set_recipe(movie_cli.Recipe(instruction, **scales))
    frames = draw_clip(3, SIZE)
    latents = editor.encode(frames)
    if anchored:
        editor.set_anchors(latents[:1])
    return editor.edit(frames, latents)


@pytest.mark.parametrize(
    ("instruction", "anchored", "scales"),
    [
        ("make it winter", True, {}),
        ("as a pensil drawing", True, {"text_scale": 12.0, "image_scale": 1.0}),
        ("make it night", False, {"seed": 3}),
    ],
)
def test_the_edit_is_torchs(nano_onnx, instruction, anchored, scales):
    wanted = edit("nano", "torch", instruction, anchored, **scales)
    assert psnr(wanted, edit(nano_onnx, "onnx", instruction, anchored, **scales)) > 50


def test_openvino_is_torch_too(nano_onnx):
    pytest.importorskip("openvino")
    assert psnr(edit("nano", "torch"), edit(nano_onnx, "openvino")) > 50


def test_instructions_ask_for_the_same_edits(nano_onnx):
    asked = {
        "put a hat on the dog": (),
        "autumn, but no rain": ("autumn",),
        "not winter": (),
        "winter at night": ("winter", "night"),
        "make them pale": ("pale",),
    }
    for model, backend in (("nano", "torch"), (str(nano_onnx), "onnx")):
        editor = movie_cli.open_editor(model, "cpu", "float32", backend)
        texts = [editor.set_recipe(movie_cli.Recipe(text)) for text in asked]
        assert [text.asked for text in texts] == [*asked.values()]
        assert [text.known for text in texts] == [bool(edits) for edits in asked.values()]


def test_a_video_is_edited_without_torch(nano_onnx, tmp_path):
    sample = Path(__file__).resolve().parents[2] / "samples" / "meadow.mp4"
    command = [sys.executable, "-c", WITHOUT_TORCH, "edit", str(sample), "make it winter", "-o", "out.mp4"]
    options = ["--backend", "onnx", "--model", str(nano_onnx), "--duration", "4f", "--json"]
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["frames"] == 4
    assert summary["working_size"] == list(SIZE)


def test_no_file_tells_where_it_was_made(nano_onnx):
    told = (str(Path(movie_cli.__file__).parent), "site-packages", "dist-packages", ".py", str(Path.home()))
    for path in nano_onnx.rglob("*.onnx"):
        content = path.read_bytes()
        assert [text for text in (*told, f"/{getpass.getuser()}/") if text.encode() in content] == []
        model = onnx.load(path)
        assert not model.metadata_props
        assert not any(node.metadata_props or node.doc_string for node in model.graph.node)


def test_the_manifest_names_every_file(nano_onnx):
    manifest = json.loads((nano_onnx / "manifest.json").read_text())
    found = {path.relative_to(nano_onnx).as_posix() for path in nano_onnx.rglob("*") if path.is_file()}
    assert set(manifest["files"]) == found - {"manifest.json"}
    assert manifest["tools"]["torch"]
    assert main(["models", "show", str(nano_onnx)]) == 0


@pytest.fixture
def copy(nano_onnx, tmp_path):
    return Path(shutil.copytree(nano_onnx, tmp_path / "copy"))


def test_a_missing_graph_is_named(copy):
    (copy / "96x64" / "frame.onnx").unlink()
    with pytest.raises(ModelError, match=r"frame\.onnx is missing"):
        read_export(copy)


def test_a_cut_graph_is_named(copy):
    path = copy / "96x64" / "decode.onnx"
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ModelError, match=r"decode\.onnx is damaged"):
        read_export(copy)


@pytest.mark.parametrize("name", ["../outside.onnx", "/etc/passwd", "c:\\x.onnx"])
def test_a_manifest_names_no_file_outside(copy, name):
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][name] = {"bytes": 1, "blake2b": ""}
    path.write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match="not inside"):
        read_export(copy)


@pytest.mark.parametrize("text", ["[]", "{}", '{"format": 1}', '{"format": 2}', "\x00", '{"format": 1, "kind": 3}'])
def test_a_broken_manifest_is_refused(copy, text):
    (copy / "manifest.json").write_text(text)
    with pytest.raises(ModelError, match=r"manifest\.json"):
        read_export(copy)


def test_another_shape_is_refused_with_the_sizes_there_are(nano_onnx):
    editor = movie_cli.open_editor(str(nano_onnx), backend="onnx")
    with pytest.raises(ModelError, match="640x360") as caught:
        editor.size_for(editor.backend.descriptor, 640, 360)
    assert "96x64" in caught.value.hint
    assert editor.size_for(editor.backend.descriptor, 720, 480) == SIZE


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"backend": "torch"}, ModelError),
        ({"backend": "qnn"}, ModelError),
        ({"backend": "tensorflow"}, DeviceError),
    ],
)
def test_a_backend_that_does_not_run_it_is_refused(nano_onnx, options, error):
    with pytest.raises(error) as caught:
        movie_cli.open_editor(str(nano_onnx), **options)
    assert caught.value.hint


def test_a_checkpoint_that_is_not_exported_says_how(tiny):
    with pytest.raises(ModelError, match="not exported") as caught:
        movie_cli.open_editor(str(tiny), backend="onnx")
    assert "movie export onnx" in caught.value.hint


def test_more_steps_than_one_are_refused(nano_onnx):
    editor = movie_cli.open_editor(str(nano_onnx), backend="onnx")
    with pytest.raises(UsageError, match="steps"):
        editor.set_recipe(movie_cli.Recipe("sepia", steps=4))


def test_a_size_the_network_does_not_take_is_refused_with_a_near_one():
    from movie_cli.checkpoints.store import open_model

    with pytest.raises(UsageError, match="100x60") as caught:
        check_sizes(open_model("nano"), ((100, 60),))
    assert "96x64" in caught.value.hint


def test_a_folder_that_is_no_export_is_never_replaced(tmp_path, tiny):
    target = tmp_path / "home"
    target.mkdir()
    (target / "letter.txt").write_text("dear")
    with pytest.raises(OutputError, match="not an export"):
        folders.check_target(target, overwrite=True)
    assert main(["export", "onnx", "-o", str(target), "-y", "--model", str(tiny)]) == 7
    assert (target / "letter.txt").read_text() == "dear"


def test_an_export_is_replaced_on_consent_alone(copy):
    with pytest.raises(UsageError, match="exists"):
        folders.check_target(copy, overwrite=False)
    with folders.new_folder(copy, overwrite=True) as made:
        (made / "new").write_text("")
    assert [path.name for path in copy.iterdir()] == ["new"]


def test_a_full_disk_leaves_nothing(tmp_path, tiny, monkeypatch, capfd):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(build, "write_onnx", full)
    target = tmp_path / "out"
    assert main(["export", "onnx", "-o", str(target), "--model", str(tiny), "--size", "96x64"]) == 7
    assert list(tmp_path.iterdir()) == []
    assert "error: " in capfd.readouterr().err


def test_without_the_extra_one_line_names_it(tmp_path, monkeypatch, capfd):
    from movie_cli import backends

    monkeypatch.setitem(backends.MODULES, "onnx", "no_such_module")
    assert main(["export", "onnx", "-o", str(tmp_path / "out")]) == 5
    assert 'pip install "movie-cli[onnx]"' in capfd.readouterr().err


def test_drawn_pictures_are_the_same_every_time():
    assert np.array_equal(draw_clip(2, SIZE, 5), draw_clip(2, SIZE, 5))
    assert draw_clip(2, SIZE, 5).std() > 20
