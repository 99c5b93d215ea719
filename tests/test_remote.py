"""Sources and outputs named by URLs, against files and, where its packages are installed, a real S3 server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from movie_cli import remote
from movie_cli.errors import DeviceError, OutputError, SourceError, UsageError
from tests import tiny
from tests.cli.conftest import movie  # noqa: F401 - a fixture
from tests.cli.running import assert_refused
from tests.media.clips import make_clip


@pytest.fixture
def bucket(monkeypatch):
    """An S3 bucket on this machine."""
    server = pytest.importorskip("moto.server", reason="moto, which serves S3 here, is not installed")
    s3fs = pytest.importorskip("s3fs", reason="s3fs, which speaks S3, is not installed")
    thread = server.ThreadedMotoServer(port=0)
    thread.start()
    host, port = thread.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": "tester",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem(skip_instance_cache=True).makedirs("clips", exist_ok=True)
    yield s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
    thread.stop()


@pytest.mark.parametrize(
    ("name", "url"),
    [
        *(("s3://a/b.mp4", True), ("FILE:///a.mp4", True), ("a.mp4", False), ("C:\\a.mp4", False), ("-", False)),
        *(("http://a/b.mp4", False), ("https://a/b", False), ("github://a/b", False), ("zip://a::s3://b", False)),
    ],
)
def test_what_is_a_url_of_a_store(name, url):
    assert remote.is_url(name) is url


def test_a_copy_and_back(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"abc")
    url = f"file://{tmp_path}/a.mp4"
    with remote.local_copy(url) as copy:
        assert copy.read_bytes() == b"abc"
        assert copy.name == "a.mp4"
        assert copy.stat().st_mtime == pytest.approx((tmp_path / "a.mp4").stat().st_mtime, abs=1)
    assert not copy.exists()
    with pytest.raises(UsageError, match="come into being"):
        remote.upload(tmp_path / "a.mp4", url, overwrite=False)
    remote.upload(tmp_path / "a.mp4", f"file://{tmp_path}/b.mp4", overwrite=False)
    assert (tmp_path / "b.mp4").read_bytes() == b"abc"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


def test_what_cannot_be_had(tmp_path):
    with pytest.raises(SourceError, match="does not exist"):
        remote.check_source(f"file://{tmp_path}/none.mp4")
    with pytest.raises(SourceError, match="folder"):
        remote.check_source(f"file://{tmp_path}")
    with pytest.raises(UsageError):
        remote.file_name("s3://bucket/")
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(SourceError, match="empty"):
        remote.check_source(f"file://{tmp_path}/empty.mp4")
    (tmp_path / "a.mp4").write_bytes(b"abc")
    with pytest.raises(OutputError):
        remote.upload(tmp_path / "a.mp4", f"file://{tmp_path}/a.mp4/b.mp4", overwrite=True)
    with pytest.raises(DeviceError, match="adlfs"):
        remote.exists("abfs://container/a.mp4")


def test_an_edit_from_url_to_url(movie, tmp_path):  # noqa: F811
    model = tiny.one_step(tmp_path / "model")
    options = ["--model", str(model), "--dtype", "float32"]
    (tmp_path / "far").mkdir()
    make_clip(tmp_path / "far" / "in.mp4", frames=5, size=(96, 64))
    source, output = (f"file://{tmp_path}/far/{name}.mp4" for name in ("in", "out"))
    assert movie("edit", str(tmp_path / "far" / "in.mp4"), "sepia", "-o", "here.mp4", *options).returncode == 0
    done = movie("edit", source, "sepia", "-o", output, *options, "--json")
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["output"] == output
    assert (tmp_path / "far" / "out.mp4").read_bytes() == (tmp_path / "here.mp4").read_bytes()
    assert sorted(path.name for path in (tmp_path / "far").iterdir()) == ["in.mp4", "out.mp4"]
    assert list((tmp_path / "home" / "cache" / "outputs").iterdir()) == []
    assert_refused(movie("edit", source, "sepia", "-o", output, *options), 2, "exists")
    assert_refused(movie("edit", source, "sepia", "-o", source, *options), 2, "the source itself")
    assert_refused(movie("edit", source, "sepia", "-o", output[:-4] + "%03d.png", *options), 2, "numbered pictures")
    assert_refused(movie("edit", source[:-5] + "no.mp4", "sepia", "-o", output, *options), 3, "does not exist")
    assert_refused(movie("edit", "https://a/b.mp4", "sepia", "-o", "x.mp4", *options), 3, "download it first")


def test_an_output_that_cannot_be_sent_is_kept_and_sent_later(movie, tmp_path):  # noqa: F811
    model = tiny.one_step(tmp_path / "model")
    make_clip(tmp_path / "in.mp4", frames=5, size=(96, 64))
    (tmp_path / "far").write_text("not a folder yet")
    output = f"file://{tmp_path}/far/out.mp4"
    command = ["edit", "in.mp4", "sepia", "-o", output, "--model", str(model)]
    failed = movie(*command, "--quiet")
    assert_refused(failed, 7, "cannot be written", "--resume sends it")
    assert len(list((tmp_path / "home" / "cache" / "outputs").glob("*/out.mp4"))) == 1
    (tmp_path / "far").unlink()
    (tmp_path / "far").mkdir()
    done = movie(*command, "--resume", "--json")
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["frames"], last["resumed"], last["output"]) == (5, 5, output)
    assert (tmp_path / "far" / "out.mp4").exists()
    assert list((tmp_path / "home" / "cache" / "outputs").iterdir()) == []


def test_a_batch_in_a_bucket(movie, tmp_path, bucket):  # noqa: F811
    model = tiny.one_step(tmp_path / "model")
    make_clip(tmp_path / "in.mp4", frames=5, size=(96, 64))
    for name in ("in/a b.mp4", "in/deep/b.mp4", "in/.hidden.mp4", "in/notes.txt"):
        bucket.put_file(str(tmp_path / "in.mp4"), f"clips/{name}")
    command = ["batch", "s3://clips/in", "make it winter", "--out-dir", "s3://clips/out", "--model", str(model)]
    done = movie(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert bucket.find("clips/out") == ["clips/out/a b.mp4", "clips/out/deep/b.mp4"]
    again = movie(*command)
    assert "2 done before" in again.stdout
    escape = {"source": "s3://clips/in/a b.mp4", "instruction": "sepia", "output": "../x.mp4"}
    for output in ("../x.mp4", "s3://clips/x.mp4", "s3://clips/out/../x.mp4"):
        Path("jobs.jsonl").write_text(json.dumps(escape | {"output": output}))
        refused = movie("batch", "jobs.jsonl", "--out-dir", "s3://clips/out", "--model", str(model))
        assert_refused(refused, 2, "outside")
    Path("jobs.jsonl").write_text(json.dumps(escape | {"output": "s3://clips/x.mp4"}))
    assert_refused(movie("batch", "jobs.jsonl", "--out-dir", "here", "--model", str(model)), 2, "outside")


def test_what_appears_in_a_bucket_after_the_last_look_stays(tmp_path, bucket, monkeypatch):
    (tmp_path / "a.mp4").write_bytes(b"ours")
    bucket.pipe_file("clips/a.mp4", b"theirs")
    looks, refuse = [], remote._refuse_existing

    def late(store, target):
        looks.append(target)
        if len(looks) > 1:
            refuse(store, target)

    monkeypatch.setattr(remote, "_refuse_existing", late)
    with pytest.raises(UsageError, match="meanwhile"):
        remote.upload(tmp_path / "a.mp4", "s3://clips/a.mp4", overwrite=False)
    assert bucket.cat_file("clips/a.mp4") == b"theirs"
    remote.upload(tmp_path / "a.mp4", "s3://clips/b.mp4", overwrite=False)
    remote.upload(tmp_path / "a.mp4", "s3://clips/a.mp4", overwrite=True)
    assert bucket.cat_file("clips/a.mp4") == bucket.cat_file("clips/b.mp4") == b"ours"
