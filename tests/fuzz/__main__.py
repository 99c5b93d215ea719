"""`python -m tests.fuzz FOLDER...`: edit mutated files and count how it ends.

    python -m tests.fuzz samples --seconds 30
    python -m tests.fuzz ../shared/data/odd ../shared/data/clips --cases 5000 --workers 2
    python -m tests.fuzz ../shared/data/odd --keep 1234 case.mp4

A case fails if it takes longer than 60 s, ends its process, leaves anything but the output, uses more than 2 GiB
beyond the idle process, ends with an exit code that the contract has not, or with one that is not the source's (3) or
success without a reason: 1 (our failure) and 5 (memory) never are a mutated file's, and 7 (the output) only where the
muxer refuses damaged sound. The last line tells how to make a failed case again.
"""

from __future__ import annotations

import argparse
import collections
import json
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.fuzz.cases import find_sources, make_case

GOOD = {0, 2, 3}
"""Exit codes a damaged source may have: an edit as far as it goes, an empty range, a source that cannot be read."""
SECONDS = 60
MEBIBYTES = 2048


class Worker:
    """A child that runs cases; started again when it dies or hangs."""

    def __init__(self, seed: int, sources: list[Path]) -> None:
        self._command = [sys.executable, "-m", "tests.fuzz.worker", str(seed), *map(str, sources)]
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()

    def run(self, number: int) -> dict[str, object]:
        """The answer for one case, or what became of the child."""
        if self._process is None:
            self._start()
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()
        try:
            line = self._answers.get(timeout=SECONDS + 5)
        except queue.Empty:
            self.close()
            return {"case": number, "exit_code": None, "error": "hangs", "seconds": SECONDS}
        if not line:
            code = self._process.wait()
            self.close()
            return {"case": number, "exit_code": code, "error": "the process died", "seconds": 0}
        return json.loads(line)

    def close(self) -> None:
        """End the child."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._answers = queue.Queue()
        threading.Thread(target=_listen, args=(self._process, self._answers), daemon=True).start()
        if self._answers.get(timeout=600) != "ready\n":
            raise RuntimeError("the fuzzing process does not start: python -m tests.fuzz.worker 0 FILE")


def _listen(process: subprocess.Popen[str], answers: queue.Queue[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        answers.put(line)
    answers.put("")


def faults(result: dict) -> list[str]:
    """What is wrong with a case's end."""
    found = []
    damaged_sound = result["exit_code"] == 7 and "cannot be written: Invalid" in str(result["error"])
    if result["exit_code"] not in GOOD and not damaged_sound:
        found.append(f"exit code {result['exit_code']}")
    if result["seconds"] >= SECONDS:
        found.append(f"{result['seconds']} s")
    if result.get("mebibytes", 0) > MEBIBYTES:
        found.append(f"{result['mebibytes']} MiB")
    if result.get("left"):
        found.append(f"left {result['left']}")
    if result.get("output") and result["exit_code"] != 0:
        found.append("an output in spite of the error")
    return found


def fuzz(sources: list[Path], seed: int, numbers: range, workers: int, seconds: float | None) -> list[dict]:
    """Run the cases, `workers` at a time; stops early when the time is up."""
    waiting: queue.Queue[int] = queue.Queue()
    for number in numbers:
        waiting.put(number)
    results: list[dict] = []
    end = None if seconds is None else time.monotonic() + seconds

    def work() -> None:
        worker = Worker(seed, sources)
        try:
            while end is None or time.monotonic() < end:
                try:
                    results.append(worker.run(waiting.get_nowait()))
                except queue.Empty:
                    return
                for fault in faults(results[-1]):
                    print(f"case {results[-1]['case']}: {fault} {results[-1].get('error', '')}", flush=True)
                if len(results) % 250 == 0:
                    print(f"{len(results)} cases", file=sys.stderr, flush=True)
        finally:
            worker.close()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def main() -> int:
    """Run the command; returns 1 where a case failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("folders", nargs="+", type=Path, help="folders of videos, or videos")
    add("--cases", type=int, default=100_000, help="how many (default: until the time is up)")
    add("--seconds", type=float, help="stop after this time")
    add("--first", type=int, default=0, help="number of the first case")
    add("--seed", type=int, default=0)
    add("--workers", type=int, default=1)
    add("--keep", nargs=2, metavar=("NUMBER", "FILE"), help="only write that case's file, and show its command")
    options = parser.parse_args()
    sources = find_sources(options.folders)
    if options.keep:
        case = make_case(sources, options.seed, int(options.keep[0]))
        Path(options.keep[1]).write_bytes(case.data)
        print(f"{case.source}: {'; '.join(case.damage)}\nmovie edit {options.keep[1]} sepia {' '.join(case.options)}")
        return 0
    began = time.monotonic()
    numbers = range(options.first, options.first + options.cases)
    results = fuzz(sources, options.seed, numbers, options.workers, options.seconds)
    codes = collections.Counter(str(result["exit_code"]) for result in results)
    failed = sorted(result["case"] for result in results if faults(result))
    longest = max((result["seconds"] for result in results), default=0)
    most = max((result.get("mebibytes", 0) for result in results), default=0)
    print(
        f"{len(results)} cases of {len(sources)} files in {time.monotonic() - began:.0f} s; exit codes "
        f"{dict(sorted(codes.items()))}; longest {longest} s, most memory {most} MiB beyond the idle process"
    )
    print(f"{len(failed)} failed" + (f": {failed[:40]}; see one with --keep NUMBER FILE" if failed else ""))
    return int(bool(failed) or not results)


if __name__ == "__main__":
    sys.exit(main())
