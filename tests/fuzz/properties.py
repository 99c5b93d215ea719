"""`python -m tests.fuzz.properties`: made films through the whole command, and what must hold of every one (`holds`).

    python -m tests.fuzz.properties --cases 2000 --seed 1
    python -m tests.fuzz.properties --case '{"film": {"ending": ".mkv"}, "ending": ".avi"}'

Cases are drawn a hundred at a time, each hundred by a seed and in a process of its own: one that dies or hangs is a
finding like others. What fails is told at once; in the end, or when it is interrupted, all that was found is listed,
each made as small as may be and kept in `properties.jsonl`, which the tests play again.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import contextlib
import faulthandler
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import zlib
from collections.abc import Iterator
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.films import Case, cases
from tests.fuzz.holds import check, kind_of

KEPT = Path(__file__).with_suffix(".jsonl")
ROOT = Path(__file__).resolve().parents[2]

TOGETHER = 100
"""Cases that are drawn by one seed, in one process."""

HANGS = 300
"""Seconds after which a case counts as hanging."""


def check_drawn(case: Case) -> list[str] | None:
    """`check`, every fourth case twice over."""
    return check(case, twice=zlib.crc32(case.to_json().encode()) % 4 == 0)


def smallest(case: Case, kind: str) -> Case:
    """The case with as much as possible as by default, that still has a fault of that kind."""
    for simpler in case.simpler():
        if any(kind_of(fault) == kind for fault in check(simpler) or ()):
            return smallest(simpler, kind)
    return case


def answer(number: int, count: int) -> None:
    """Draw cases by the seed `number` and print two lines about each: what it is, and what was found."""

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def run(case: Case) -> None:
        print(case.to_json(), flush=True)
        faulthandler.dump_traceback_later(HANGS, exit=True)
        try:
            found = check_drawn(case)
        except Exception as error:
            traceback.print_exc()
            found = [f"raises {type(error).__name__}: {error}"]
        faulthandler.cancel_dump_traceback_later()
        print(json.dumps(found), flush=True)

    run()


def answers(number: int, count: int, children: list[subprocess.Popen[str]]) -> Iterator[tuple[str, list[str] | None]]:
    """The lines of cases that are drawn by a seed in another process, one of `children`, and what was found of each."""
    command = [sys.executable, "-m", "tests.fuzz.properties", "--drawn-by", str(number), "--cases", str(count)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as child:
        assert child.stdout is not None
        children.append(child)
        case = ""
        for line in child.stdout:
            if line.startswith("{"):
                case = line.rstrip()
            else:
                yield case, json.loads(line)
                case = ""
    if child.returncode:
        yield case, [f"its process ended with {child.returncode}: seed {number}"]


class Findings:
    """What was found so far. `failed` has the first case of each kind of fault."""

    def __init__(self) -> None:
        self.counts, self.failed = collections.Counter[str](), dict[str, str]()
        self.children: list[subprocess.Popen[str]] = []
        self.stopped = False
        self._lock = threading.Lock()

    def draw(self, number: int, count: int) -> None:
        """Try the cases of one seed, and tell of each fault at once."""
        for case, found in answers(number, count, self.children):
            if self.stopped:
                return
            with self._lock:
                self.counts["none made" if found is None else "well" if not found else "failed"] += 1
                for fault in found or ():
                    self.counts[kind_of(fault)] += 1
                    self.failed.setdefault(kind_of(fault), case)
                if found:
                    print(f"{case}\n    " + "\n    ".join(found), flush=True)

    def stop(self) -> None:
        """End all processes; what they were at is not counted."""
        self.stopped = True
        for child in self.children:
            child.kill()

    def tell(self) -> None:
        """Print the numbers, and each kind's first case."""
        for name, count in self.counts.most_common():
            print(f"{count:6} {name}")
        for kind, line in self.failed.items():
            print(f"{kind}\n    {line}", flush=True)

    def keep(self) -> None:
        """Make each kind's first case small, and keep it."""
        for kind, line in self.failed.items():
            small = line
            if line and not kind.startswith("its process"):
                with contextlib.suppress(Exception):  # the first one is as good a witness
                    small = smallest(Case.from_json(line), kind).to_json()
            print(f"smallest: {kind}\n    {small}", flush=True)
            if small and small not in (KEPT.read_text().splitlines() if KEPT.exists() else ()):
                with KEPT.open("a") as kept:
                    kept.write(small + "\n")


def main() -> int:
    """Run the command; returns 1 where something does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.properties", description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once")
    parser.add_argument("--case", help="only this one, a line of JSON, or its number in the file of kept ones")
    parser.add_argument("--drawn-by", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        line = KEPT.read_text().splitlines()[int(options.case)] if options.case.isdigit() else options.case
        print("\n".join(check(Case.from_json(line)) or ["all holds"]))
        return 0
    if options.drawn_by is not None:
        answer(options.drawn_by, options.cases)
        return 0
    # Also in the background of a script, where Ctrl-C would be ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    began, findings = time.monotonic(), Findings()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        hundreds = [
            pool.submit(findings.draw, options.seed * 10_000 + first, min(TOGETHER, options.cases - first))
            for first in range(0, options.cases, TOGETHER)
        ]
        try:
            for each in hundreds:
                each.result()
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            findings.stop()
    tried = sum(findings.counts[name] for name in ("none made", "well", "failed"))
    print(f"{tried} cases in {time.monotonic() - began:.0f} s")
    findings.tell()
    if not findings.stopped:
        findings.keep()
    return int(bool(findings.failed))


if __name__ == "__main__":
    sys.exit(main())
