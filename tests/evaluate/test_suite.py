"""Suite files and the layout of TGVE."""

import pytest
from PIL import Image

from movie_cli.errors import MovieError, SourceError, UsageError
from movie_cli.evaluate.suite import read_suite

CONFIG = """
pretrained_model_path: ./checkpoints/stable-diffusion-v1-4
train_data:
  video_path: ./data/loveu-tgve-2023/{subset}/480p_frames/{name}
  prompt: A man jumps over rocks with a bike.
  num_frames: 3
validation_data:
  prompts:
    style: A man jumps over rocks with a bike, anime style.
    object: A frog jumps over rocks with a bike.
    background: A man jumps over the moon with a bike.
    multiple: A frog jumps over the moon with a bike, anime style.
  use_inv_latent: true
"""


def tgve(folder, clips=(("DAVIS_480p", "stunt"), ("youtube_480p", "salsa"))):
    """A folder as the benchmark is published: configurations beside the data, a template among them."""
    (folder / "configs").mkdir(parents=True)
    (folder / "configs" / "template.yaml").write_text("train_data:\n  prompt:\nvalidation_data:\n  num_steps: 50\n")
    for subset, name in clips:
        config = folder / "configs" / "loveu-tgve-2023" / subset / f"{name}.yaml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(CONFIG.format(subset=subset, name=name))
        frames = folder / "data" / "loveu-tgve-2023" / subset / "480p_frames" / name
        frames.mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (48, 48), (40 * number, 90, 90)).save(frames / f"{number:05d}.jpg")
    return folder


def test_tgve_is_read_as_it_is_published(tmp_path):
    suite = read_suite(tgve(tmp_path / "tgve"))
    assert [clip.name for clip in suite.clips] == ["DAVIS_480p/stunt", "youtube_480p/salsa"]
    clip = suite.clips[0]
    assert clip.caption == "A man jumps over rocks with a bike."
    assert [edit.name for edit in clip.edits] == ["style", "object", "background", "multiple"]
    assert clip.edits[1].instruction == clip.edits[1].caption == "A frog jumps over rocks with a bike."
    from movie_cli.evaluate.run import read_frames

    assert read_frames(clip.path, (32, 32), 10).shape == (3, 32, 32, 3)


def test_what_is_missing_in_tgve_is_named(tmp_path):
    folder = tgve(tmp_path / "tgve")
    for picture in (folder / "data").rglob("*.jpg"):
        picture.unlink()
    with pytest.raises(SourceError, match="neither DAVIS_480p/480p_frames/stunt nor"):
        read_suite(folder)
    config = folder / "configs" / "loveu-tgve-2023" / "DAVIS_480p" / "stunt.yaml"
    config.write_text(config.read_text().replace("  multiple:", "  many:").replace("    many", "    others"))
    with pytest.raises(UsageError, match="four prompts"):
        read_suite(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no clips"):
        read_suite(tmp_path / "empty")


def test_a_suite_says_what_belongs_to_each_clip(tmp_path):
    (tmp_path / "a.mp4").touch()
    (tmp_path / "b.mp4").touch()
    (tmp_path / "m.png").touch()
    (tmp_path / "suite.toml").write_text("""
models = ["nano", "identity"]
frames = 8
instructions = ["make it winter", {instruction = "sepia", name = "old", caption = "an old photograph"}]
[[clips]]
path = "a.mp4"
caption = "a meadow"
mask = "m.png"
[[clips]]
path = "b.mp4"
name = "second"
instructions = ["night"]
""")
    suite = read_suite(tmp_path / "suite.toml")
    assert suite.models == ("nano", "identity")
    assert [[edit.name for edit in clip.edits] for clip in suite.clips] == [["make it winter", "old"], ["night"]]
    assert suite.clips[0].mask == tmp_path / "m.png"
    assert suite.narrowed(("other",), None).models == ("other",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no clips"),
        ("clips = 3", "names no clips"),
        ("model = ['nano']", "did you mean models"),
        ("[[clips]]\npath = 'gone.mp4'\ninstructions = ['x']", "gone.mp4 does not exist"),
        ("[[clips]]\npath = 'a.mp4'", "no instructions"),
        ("[[clips]]\npath = 'a.mp4'\ninstructions = [3]", "neither a text"),
        ("[[clips]]\npath = 'a.mp4'\ninstructions = ['x', 'x']", "the same name"),
        ("instructions = ['x']\n[[clips]]\npath = 'a.mp4'\n[[clips]]\npath = 'a.mp4'", "two clips are called a"),
        ("frames = 'many'\ninstructions = ['x']\n[[clips]]\npath = 'a.mp4'", "not a whole number"),
        ("clips = [", "is no suite"),
    ],
)
def test_a_wrong_suite_is_told_by_file_and_key(tmp_path, text, said):
    (tmp_path / "a.mp4").touch()
    (tmp_path / "suite.toml").write_text(text)
    with pytest.raises(MovieError) as told:
        read_suite(tmp_path / "suite.toml")
    assert said in f"{told.value} {told.value.hint}"
