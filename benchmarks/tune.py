"""How fast the page of `movie tune` is answered: `python benchmarks/tune.py [SOURCE] --model nano --turns 100`.

Asks as the page does, over the program's own port: the first edited frame after the start, then turns of the text
scale one after another, and the memory that the program takes before and after them. Seconds, median and 95th
percentile.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import harness

SAMPLE = Path(__file__).resolve().parents[1] / "samples" / "meadow.mp4"


def ask(address: str, path: str, values: dict[str, Any]) -> float:
    """Seconds until an answer to a request is whole."""
    place = urlsplit(address)
    headers = {"origin": f"http://{place.netloc}", "content-type": "application/json"}
    began = time.monotonic()
    connection = http.client.HTTPConnection(place.netloc, timeout=600)
    connection.request("POST", place.path + path, json.dumps(values), headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{path} was answered with {answer.status}")
    return time.monotonic() - began


def main() -> None:
    """The command."""
    parser = harness.parser("Measure how fast the page of `movie tune` is answered.")
    parser.add_argument("source", nargs="?", default=str(SAMPLE), help="default: the sample clip")
    parser.add_argument("--model", default="nano", help="what edits (default: nano)")
    parser.add_argument("--steps", type=int, help="denoising steps (default: the model's own)")
    parser.add_argument("--turns", type=int, default=100, help="of a slider (default: 100)")
    options = parser.parse_args()
    command = [*harness.MOVIE, "tune", options.source, "--model", options.model, "--no-browser", "-q"]
    settings = {"instruction": "make it winter", "text_scale": 7.5, "image_scale": 1.5, "steps": options.steps}
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"MOVIE_HOME": home}
        began = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            printed = time.monotonic() - began

            def frame(number: int, kind: str = "frame") -> float:
                turned = settings | {"text_scale": 2 + number % 200 / 16}
                return ask(address, "edited", {"page": "bench", "kind": kind, "at": "1.5", "settings": turned})

            frame(0)
            first = time.monotonic() - began
            warm = [frame(number) for number in range(1, 11)]
            before = harness.memory(process.pid, "VmRSS")
            turns = [frame(number) for number in range(11, 11 + options.turns)]
            after = harness.memory(process.pid, "VmRSS")
            process.send_signal(signal.SIGINT)
    everything = sorted(turns or warm)
    harness.show(
        {
            "address_s": printed,
            "first_frame_s": first,
            "turn_s": statistics.median(everything),
            "turn_95_s": everything[int(0.95 * (len(everything) - 1))],
            "memory_before_bytes": before,
            "memory_after_bytes": after,
            "load": os.getloadavg()[0],
            "python": sys.version.split()[0],
        },
        options.json,
    )


if __name__ == "__main__":
    main()
