"""Start-up without what editing does not use: nothing of it is loaded, and the picture is the same."""

import subprocess
import sys
from pathlib import Path

from movie_cli.models.light_imports import HIDDEN

SAMPLE = str(Path(__file__).resolve().parents[2] / "samples" / "meadow.mp4")
UNWANTED = {*HIDDEN, "torch._dynamo", "sympy", "scipy.special", "diffusers.models.transformers.transformer_flux"}
PROGRAM = """
import sys
{first}
from movie_cli.cli import main
code = main(["preview", {source!r}, "make it winter", "--tile-width", "64", "-o", {sheet!r}, "-q"])
print("code", code)
print("loaded", *sorted(set(sys.modules) & set({unwanted!r})))
{last}
"""


def run(folder: Path, sheet: str, first: str = "", last: str = "") -> list[str]:
    program = PROGRAM.format(source=SAMPLE, sheet=str(folder / sheet), unwanted=UNWANTED, first=first, last=last)
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout.splitlines()


def test_the_program_starts_without_what_editing_does_not_use(tmp_path):
    afterwards = """
import torch._dynamo, torch
from transformers import CLIPTextModel
from diffusers import EulerDiscreteScheduler
EulerDiscreteScheduler(use_beta_sigmas=True).set_timesteps(3)
print("doubled", int(torch.compile(lambda x: 2 * x, backend="eager")(torch.ones(()))))
"""
    light = run(tmp_path, "light.png", last=afterwards)
    assert light == ["code 0", "loaded", "doubled 2"]
    assert run(tmp_path, "whole.png", first="import diffusers, diffusers.models.unets.unet_2d_condition")[0] == "code 0"
    assert (tmp_path / "light.png").read_bytes() == (tmp_path / "whole.png").read_bytes()


def test_a_host_that_imports_the_library_keeps_its_diffusers():
    program = """
import movie_cli
movie_cli.open_editor()
import diffusers.utils
print(diffusers.utils.is_transformers_available())
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert found.stdout == "True\n", found.stderr
