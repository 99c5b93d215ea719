"""Devices and number types: what is chosen exists, and what does not exist is said."""

from __future__ import annotations

import pytest
import torch

from movie_cli import backends
from movie_cli.backends import RuntimeConfig, torch_devices
from movie_cli.backends.registry import list_devices
from movie_cli.backends.torch_devices import bfloat16_feature, choose_torch
from movie_cli.errors import DeviceError


def test_every_backend_and_device_has_a_line():
    found = {(info.backend, info.device.partition(":")[0]): info for info in list_devices()}
    assert {("torch", "cuda"), ("torch", "mps"), ("torch", "cpu")} < set(found)
    assert {backend for backend, _ in found} == {"torch", "openvino", "onnx", "qnn"}
    assert found["torch", "cpu"].usable
    assert found["torch", "cpu"].name
    assert all(info.reason for info in found.values())


def test_a_backend_that_is_not_installed_names_its_extra(monkeypatch):
    monkeypatch.setitem(backends.MODULES, "onnx", "no_such_module")
    lines = {info.backend: info for info in list_devices()}
    assert not lines["onnx"].usable
    assert 'pip install "movie-cli[onnx]"' in lines["onnx"].reason


def test_auto_picks_something_that_computes():
    config = choose_torch()
    assert config.device in {info.device for info in list_devices() if info.usable}
    assert config.dtype in config.reason
    a = torch.ones(8, 8, device=config.device, dtype=config.torch_dtype)
    assert float((a @ a)[0, 0]) == 8.0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_number_type_asked_for_is_kept(dtype):
    config = choose_torch("cpu", dtype)
    assert (config.device, config.dtype) == ("cpu", dtype)
    assert config.torch_dtype == getattr(torch, dtype)
    assert "as asked" in config.reason


@pytest.mark.parametrize("dtype", ["int8", "w8a16"])
def test_beside_what_torch_lacks_all_is_float32(dtype):
    assert RuntimeConfig("cpu", dtype, "", "openvino").torch_dtype == torch.float32


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"device": "gpu"}, "gpu"),
        ({"device": "cuda:"}, "cuda:"),
        ({"device": "cuda:-1"}, "cuda:-1"),
        ({"device": "CPU "}, "CPU"),
        ({"device": ""}, "device"),
        ({"device": "cpu", "dtype": "float8"}, "float8"),
    ],
)
def test_what_is_unknown_or_absent_is_refused(arguments, said):
    with pytest.raises(DeviceError, match=said) as caught:
        choose_torch(**arguments)
    assert caught.value.hint
    assert caught.value.exit_code == 5


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused_with_what_is():
    with pytest.raises(DeviceError, match="cuda") as caught:
        choose_torch("cuda")
    assert "cpu" in caught.value.hint


@pytest.mark.skipif(torch.cuda.is_available() is False, reason="no GPU")
def test_gpus_are_counted():
    count = torch.cuda.device_count()
    assert choose_torch("cuda").device == "cuda:0"
    assert choose_torch(f"cuda:{count - 1}").device == f"cuda:{count - 1}"
    with pytest.raises(DeviceError):
        choose_torch(f"cuda:{count}")


@pytest.mark.parametrize(
    ("flags", "feature"),
    [("fpu avx2 avx512f amx_bf16 amx_tile avx512_bf16", "AMX"), ("avx512_bf16", "AVX512-BF16"), ("avx2 avx512f", "")],
)
def test_without_torchs_help_the_kernel_is_asked(tmp_path, monkeypatch, flags, feature):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t:\n")
    assert bfloat16_feature(cpuinfo) == feature
    assert bfloat16_feature(tmp_path / "none") == ""


def test_the_cpu_computes_in_float32_where_it_has_no_bfloat16(monkeypatch):
    monkeypatch.setattr(torch_devices, "bfloat16_feature", lambda: "")
    assert choose_torch("cpu").dtype == "float32"


def test_the_devices_to_choose_from_are_named_once():
    with pytest.raises(DeviceError) as caught:
        choose_torch("cuda:999")
    named = caught.value.hint.partition(";")[0].removeprefix("here are ").removeprefix("here is only ").split(", ")
    assert len(set(named)) == len(named)
    assert {name.partition(":")[0] for name in named} <= {"cpu", "cuda", "mps"}
