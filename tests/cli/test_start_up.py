"""What an edit of the embedded model does without: nothing of it is imported."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLE = str(Path(__file__).resolve().parents[2] / "samples" / "meadow.mp4")
UNUSED = (
    "diffusers",
    "transformers",
    "accelerate",
    "peft",
    "huggingface_hub",
    "scipy",
    "sympy",
    "onnxruntime",
    "openvino",
)
ONE_TILE = ("--text-scale", "7.5", "--image-scale", "1.5")
COMPILERS = ("torch._dynamo", "torch._inductor", "torch.onnx")
PROGRAM = """
import json, sys
from movie_cli.cli import main
code = main(json.loads(sys.argv[1]))
print(json.dumps([code, [name for name in json.loads(sys.argv[2]) if name in sys.modules]]))
"""


@pytest.mark.parametrize(
    "command",
    [
        ["edit", SAMPLE, "make it winter", "--duration", "2f", "-o", "edited.mp4"],
        ["preview", SAMPLE, "make it winter", "--tile-width", "64", *ONE_TILE, "-o", "sheet.png"],
    ],
    ids=lambda command: command[0],
)
def test_the_embedded_model_runs_on_torch_alone(command, tmp_path):
    options = json.dumps([*command, "--backend", "torch", "-q"]), json.dumps([*UNUSED, *COMPILERS])
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, *options], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == [0, []]


@pytest.mark.parametrize("out", ["out.xyz", "out", "out.png"])
def test_an_output_of_no_kind_is_refused_before_the_networks_are_imported(out, tmp_path):
    options = json.dumps(["edit", SAMPLE, "make it winter", "-o", out]), json.dumps(["torch"])
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, *options], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert json.loads(run.stdout) == [7, []], run.stderr
