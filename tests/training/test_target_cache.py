"""The cache of targets, shared by processes whose random numbers are seeded alike."""

import random

import numpy as np
from PIL import Image

from movie_cli.training.triplets import TargetCache


def test_two_processes_never_write_one_partial_file(tmp_path, monkeypatch):
    Image.fromarray(np.full((80, 100, 3), 90, np.uint8)).save(tmp_path / "p.png")
    names, save = [], np.save

    def noted(stream, *rest, **options):
        names.append(stream.name)
        save(stream, *rest, **options)

    monkeypatch.setattr(np, "save", noted)
    for folder in ("one", "other"):
        random.seed(0)
        TargetCache(tmp_path / folder).source(tmp_path / "p.png", 64)
    assert len({name.rsplit(".", 1)[1] for name in names}) == 2
    assert sorted(path.name for path in (tmp_path / "one" / "source-64").iterdir()) == ["p.npy"]
