"""NVDEC and NVENC: chosen where they are, and everything in software where they are not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from movie_cli.backends import RuntimeConfig
from movie_cli.editing import plan
from movie_cli.editing.plan import make_plan
from movie_cli.editing.request import EditRequest
from movie_cli.media import FrameReader, hardware, probe
from movie_cli.media.hardware import find_hardware, why_no_decoder, why_no_encoder
from movie_cli.options import EncodeOptions
from movie_cli.recipe import Recipe
from tests.media.clips import make_clip

SIZE = (192, 160)
no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without an NVIDIA GPU")


@pytest.fixture
def clip(tmp_path):
    return make_clip(tmp_path / "in.mp4", frames=6, size=SIZE)


@no_gpu
def test_without_a_gpu_all_is_software_and_says_why(clip):
    found = find_hardware(probe(clip).video, "0", "libx264", SIZE)
    assert (found.decode_on, found.encoder) == ("", "")
    assert found.note.startswith("decoding h264 in software: ")
    assert "; encoding with libx264: " in found.note
    assert "\n" not in found.note


def test_what_is_not_built_in_is_told(clip, monkeypatch):
    monkeypatch.setattr(hardware, "hwdevices_available", list)
    hardware._no_device.cache_clear()
    assert "built without" in why_no_decoder(probe(clip).video, "7")
    assert "built without no_nvenc" in why_no_encoder("no_nvenc", "0", SIZE)


def test_streams_that_stay_in_software(clip):
    video = probe(clip).video
    assert "differ" in why_no_decoder(dataclasses.replace(video, codec="mpeg2video"), "0")
    assert "transparency" in why_no_decoder(dataclasses.replace(video, alpha=True), "0")
    assert "interlaced" in why_no_decoder(dataclasses.replace(video, interlaced=True), "0")


@pytest.mark.parametrize("gpu", ["0", "97"])
def test_a_reader_whose_gpu_is_gone_decodes_in_software(clip, gpu):
    with FrameReader(clip) as plain, FrameReader(clip, decode_on=gpu) as asked:
        pairs = list(zip(plain, asked, strict=True))
    assert len(pairs) == 6
    for one, other in pairs:
        assert (one.pts, one.duration) == (other.pts, other.duration)
        assert np.array_equal(one.pixels, other.pixels)


@pytest.fixture
def gpu_found(monkeypatch):
    """A plan on CUDA, whose GPU decodes and encodes; nothing runs there."""
    config = RuntimeConfig("cuda:1", "bfloat16", "cuda:1 in bfloat16")
    monkeypatch.setattr(plan, "choose_runtime", lambda *arguments, **options: config)
    monkeypatch.setattr(hardware, "why_no_decoder", lambda video, gpu: "")
    monkeypatch.setattr(hardware, "why_no_encoder", lambda name, gpu, size: "")


def planned(clip, tmp_path, output="out.mp4", hwaccel="auto", **changes):
    request = EditRequest(str(clip), str(tmp_path / output), Recipe("sepia"), hwaccel=hwaccel, **changes)
    return make_plan(request, clip)


def test_on_cuda_the_gpu_decodes_and_encodes(gpu_found, clip, tmp_path):
    made = planned(clip, tmp_path)
    assert made.hardware.decode_on == "1"
    assert made.request.encode.codec == "h264_nvenc"
    assert made.hardware.note == "decoding h264 with NVDEC; encoding with h264_nvenc"
    assert made.joined


@pytest.mark.parametrize(
    "encode", [EncodeOptions(crf=20), EncodeOptions(codec="h264"), EncodeOptions(options=(("g", "5"),))]
)
def test_an_encoder_that_was_asked_for_stays(gpu_found, clip, tmp_path, encode):
    made = planned(clip, tmp_path, encode=encode)
    assert made.request.encode == encode
    assert made.hardware.decode_on == "1"


def test_software_is_the_default(gpu_found, clip, tmp_path):
    made = make_plan(EditRequest(str(clip), str(tmp_path / "out.mp4"), Recipe("sepia")), clip)
    assert made.hardware == hardware.Hardware()
    assert made.request.encode == EncodeOptions()
    assert planned(clip, tmp_path, "out.webm").request.encode == EncodeOptions()
