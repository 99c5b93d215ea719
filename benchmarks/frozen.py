"""A frozen set of edits, run with two checkouts of the program: are the outputs equal, byte for byte?

    python benchmarks/frozen.py ../movie-before --data ../shared/data

The guard of every rebuilding that is to change nothing: each edit runs as a process of its own, once with the checkout
named and once with this one, in empty folders with the same names. Outputs are compared by their SHA-256, those in
Matroska, whose files have random identifiers, by that of all packets and tags; messages are not compared. Where outputs
differ the pictures are looked at too, to tell a changed container from changed pixels.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import av

MOVIE = "import sys; from movie_cli.cli import main; sys.exit(main())"
HERE = Path(__file__).resolve().parent.parent
SHORT = ("--duration", "6f")


@dataclass(frozen=True)
class Case:
    """One edit: arguments with `{data}` for the media and `{work}` for the folder; `extra` is a module it needs.

    `stop` ends the first run after so many frames, and continues it with `--resume`.
    """

    name: str
    arguments: tuple[str, ...]
    output: str = "out.mp4"
    extra: str = ""
    stop: bool = False


def edit(name: str, clip: str, instruction: str, *options: str, output: str = "out.mp4", **rest: object) -> Case:
    """An edit of a clip under the data folder."""
    arguments = ("edit", f"{{data}}/{clip}", instruction, "-o", output, *options)
    return Case(name, arguments, output, **rest)  # type: ignore[arg-type]


CASES = (
    edit("winter", "clips/nasa_13013.mp4", "make it winter", *SHORT),
    edit("night, scales", "clips/udacity_highway_cars.mp4", "make it night", "--text-scale", "10", *SHORT),
    edit("pencil, image scale", "clips/sam2_coffee.mp4", "as a pencil drawing", "--image-scale", "2", *SHORT),
    edit("van gogh, vp8", "clips/mdn_stream_of_water_vp8.webm", "van gogh", *SHORT, output="out.webm"),
    edit("black and white film", "clips/mdn_friday_bw.mp4", "sepia", "--start", "1s", *SHORT),
    edit("two looks", "clips/google_rooftop_skyline.mp4", "winter at night", *SHORT),
    edit("anchors by scene", "clips/intel_asl_walk.mkv", "sunset", "--anchors", "scene", *SHORT, output="out.mkv"),
    edit("anchors every 4", "clips/intel_asl_walk.mkv", "autumn", "--anchors", "every:4", *SHORT),
    edit(
        "no detail, odd batch", "clips/pexels_woman_pastel.mp4", "warmer", "--detail", "0", "--batch-size", "3", *SHORT
    ),
    edit("still frames", "odd/sharp__rotating-squares.gif", "cooler", "--still", "2"),
    edit("rotated", "odd/torchcodec__nasa_13013_rotated.mp4", "fog", *SHORT),
    edit("HLG", "odd/mp4parse-rust__video_colr_nclx_hlg.mp4", "oil painting", *SHORT),
    edit("odd sides", "odd/torchcodec__testsrc2_odd_height_and_width_vp9.mp4", "sepia", *SHORT, output="out.webm"),
    edit("HEVC in a transport stream", "odd/media__sample_h265.ts", "sepia", *SHORT, output="out.mkv"),
    edit("subtitles and cover", "odd/media__sample_with_ass_subtitles.mkv", "noir", *SHORT, output="out.mkv"),
    edit("transport stream", "odd/media__sample_h264_mpeg_audio.ts", "brighter", *SHORT, output="out.ts"),
    edit("resumed", "clips/nasa_13013.mp4", "storm", "--segment-frames", "2", *SHORT, stop=True),
    edit("to a pipe", "clips/sam2_coffee.mp4", "watercolor", *SHORT, output="-"),
    Case("numbered pictures", ("edit", "{data}/clips/sam2_coffee.mp4", "ink", "-o", "p_%03d.png", *SHORT), "p_003.png"),
    edit("ONNX Runtime", "clips/nasa_13013.mp4", "make it winter", "--model", "{work}/graphs", *SHORT, extra="onnx"),
    edit("two Ray workers", "clips/nasa_13013.mp4", "storm", "--engine", "ray", "--workers", "2", *SHORT, extra="ray"),
)


def environment(checkout: Path, work: Path) -> dict[str, str]:
    """The environment that runs a checkout with settings, caches and threads of its own."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("MOVIE_")}
    return known | {"PYTHONPATH": str(checkout), "MOVIE_HOME": str(work / "home"), "OMP_NUM_THREADS": "1"}


def run(case: Case, checkout: Path, work: Path, data: Path) -> str:
    """Run a case in an empty folder; the output's hash, or how it ended."""
    arguments = [text.format(data=data, work=work) for text in case.arguments]
    command = [sys.executable, "-c", MOVIE]
    if case.extra == "onnx":
        options = ["--size", "512x288", "-y"]
        subprocess.run(
            [*command, "export", "onnx", "-o", str(work / "graphs"), *options],
            cwd=work,
            env=environment(checkout, work),
            check=False,
            capture_output=True,
        )
        arguments += ["--backend", "onnx"]
    if case.stop:
        kill_after_first_segment([*command, *arguments], checkout, work, case.output)
        arguments.append("--resume")
    found = subprocess.run(
        [*command, *arguments], cwd=work, env=environment(checkout, work), check=False, capture_output=True
    )
    if found.returncode != 0:
        return f"exit code {found.returncode}: {found.stderr.decode(errors='replace').splitlines()[:1]}"
    if case.output == "-":
        (work / "-").write_bytes(found.stdout)
    return digest(work / case.output)


def kill_after_first_segment(command: list[str], checkout: Path, work: Path, output: str) -> None:
    """Begin an edit and kill it when its first segment is finished."""
    process = subprocess.Popen(
        command, cwd=work, env=environment(checkout, work), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    folder = work / f".{output}.movie"
    while process.poll() is None and not list(folder.glob("*0.json")):
        pass
    process.kill()
    process.wait()


def digest(path: Path) -> str:
    """What stands for an output."""
    if path.suffix not in {".mkv", ".webm", ""}:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    found = hashlib.sha256()
    with av.open(str(path)) as container:
        found.update(f"{container.metadata} {container.chapters()}".encode())
        for stream in container.streams:
            facts = stream.index, stream.type, stream.name, stream.metadata, stream.disposition, stream.time_base
            found.update(f"{facts}".encode())
        for packet in container.demux():
            facts = packet.stream.index, packet.pts, packet.dts, packet.duration, packet.is_keyframe
            found.update(f"{facts}".encode() + bytes(packet))
    return found.hexdigest()


def pictures(path: Path) -> list[str]:
    """Hashes of the packets of the picture."""
    with av.open(str(path)) as container:
        return [hashlib.sha256(bytes(packet)).hexdigest() for packet in container.demux(video=0)]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Run a frozen set of edits with two checkouts and compare the bytes.")
    parser.add_argument("before", type=Path, help="another checkout of the program")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="where the clips are")
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    given = parser.parse_args()
    cases = [case for case in CASES if given.only in case.name]
    different = 0
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            found, files = [], []
            for number, checkout in enumerate((given.before.resolve(), HERE)):
                # The same name for both, since exports and recipes may hold it.
                work = Path(folder) / "work"
                work.mkdir()
                found.append(run(case, checkout, work, given.data.resolve()))
                kept = Path(folder) / f"{number}{Path(case.output).suffix or '.mkv'}"
                if (work / case.output).is_file():
                    (work / case.output).rename(kept)
                files.append(kept)
                shutil.rmtree(work)
            same = found[0] == found[1]
            verdict = "equal" if same else "DIFFERENT"
            if not same and all(file.is_file() for file in files):
                verdict += ", pictures equal" if pictures(files[0]) == pictures(files[1]) else ", pictures too"
            different += not same
            print(f"{case.name:<24} {verdict:<26} {found[1][:90]}", flush=True)
    sys.exit(f"error: {different} of {len(cases)} edits differ" if different else 0)


if __name__ == "__main__":
    main()
