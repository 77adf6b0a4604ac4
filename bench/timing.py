"""Runs two or more subjects in turn, many times, and prints what each took and its ratio.

A `Comparison` is two medians beside each other. A `Figure` is one number beside its
target: the median over the rounds of the ratio within each round, so that a disk that
is slow for a while is slow for both.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

TIMES = "×"  # noqa: RUF001  # the sign, not the letter


@dataclass(frozen=True, slots=True)
class Comparison:
    """Medians in milliseconds of one subject and of what stands beside it."""

    name: str
    ours: float
    beside: str
    theirs: float
    goal: str

    @property
    def ratio(self) -> float:
        """How many times as long ours takes."""
        return self.ours / self.theirs

    def __str__(self) -> str:
        """One line of the report."""
        faster = "" if self.ratio >= 1 else f", {1 / self.ratio:.1f} x faster"
        return (
            f"{self.name}: {self.ours:.1f} ms; {self.beside}: {self.theirs:.1f} ms; "
            f"ratio {self.ratio:.2f}{faster} (goal: {self.goal})"
        )

    def as_document(self) -> dict[str, object]:
        """What `--json` prints."""
        return {**asdict(self), "ratio": self.ratio}


@dataclass(frozen=True, slots=True)
class Figure:
    """One number beside its target; ``target`` is a text such as `≤ 1.5`, or nothing."""

    name: str
    value: float | None
    """None where it could not be measured; ``detail`` says why."""
    unit: str
    target: str = ""
    detail: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the target is reached; None without one, or without a number."""
        if self.value is None or not self.target:
            return None
        sign, limit = self.target.split()
        return {
            "<": self.value < float(limit),
            "≤": self.value <= float(limit),
            "≥": self.value >= float(limit),
        }[sign]

    def __str__(self) -> str:
        """One line of the report."""
        value = "not measured" if self.value is None else f"{self.value:.3g} {self.unit}"
        if self.value is not None and self.value >= 1000:
            value = f"{self.value:.0f} {self.unit}"
        target = f", target {self.target}" if self.target else ""
        said = {True: "", False: "  MISSED", None: ""}[self.holds]
        return f"{self.name}: {value}{target}{said}" + (f"  ({self.detail})" if self.detail else "")

    def as_document(self) -> dict[str, object]:
        """What `--json` prints."""
        return {**asdict(self), "holds": self.holds}


class Used(NamedTuple):
    """What one process took."""

    seconds: float
    cpu: float
    """User and system seconds, of its children too."""
    peak: int
    """The most memory it had, in bytes."""
    output: str


def command(
    words: Sequence[str],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Callable[[], None]:
    """A callable that runs ``words`` and fails loudly."""

    def run() -> None:
        done = subprocess.run(
            words, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            sys.exit(f"{' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}")

    return run


def used(
    words: Sequence[str],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Used:
    """Run ``words`` and return what it took, as the kernel counted it; fail loudly.

    A process begins with its parent's peak memory: callers that measure it stay small.
    """
    start = time.perf_counter()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as talk:
        process = subprocess.Popen(words, cwd=folder, env=environment, stdout=out, stderr=talk)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output, said = (_read(stream) for stream in (out, talk))
    if process.returncode != 0:
        sys.exit(f"{' '.join(words)[:200]}: exit {process.returncode}\n{output}{said}")
    return Used(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, output)


def _read(stream: BinaryIO) -> str:
    stream.seek(0)
    return stream.read().decode()


def paired(
    ours: Callable[[], None],
    theirs: Callable[[], None],
    *,
    runs: int,
    before_ours: Callable[[], None] = lambda: None,
    before_theirs: Callable[[], None] = lambda: None,
) -> tuple[float, float]:
    """Medians in milliseconds of both, run in turn so that both see the same machine."""
    ours_times: list[float] = []
    theirs_times: list[float] = []
    for _ in range(runs):
        for prepare, run, times in (
            (before_ours, ours, ours_times),
            (before_theirs, theirs, theirs_times),
        ):
            prepare()
            start = time.perf_counter()
            run()
            times.append((time.perf_counter() - start) * 1000)
    return statistics.median(ours_times), statistics.median(theirs_times)


def interleaved(
    contenders: Mapping[str, Callable[[int], float]],
    rounds: int,
    *,
    before: Callable[[], None] = lambda: None,
) -> dict[str, list[float]]:
    """What each contender returned in each round; who begins changes from round to round.

    ``before`` runs before each, untimed: what the last one left to write is not the next's.
    """
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for turn in range(rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            before()
            taken[name].append(contenders[name](turn))
    return taken


def timed(run: Callable[[], object]) -> float:
    """How many seconds ``run`` takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios of the pairs."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def milliseconds(name: str, taken: Sequence[float]) -> str:
    """The median and the range of some seconds, for people."""
    middle, least, most = statistics.median(taken), min(taken), max(taken)
    return f"{name} {middle * 1e3:.0f} ms, {least * 1e3:.0f} to {most * 1e3:.0f}"


def program(name: str, package: str) -> str | None:
    """Where a peer is; if it is not there, stderr says which Debian package brings it."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        print(f"no `{name}`: `apt-get install {package}` brings it", file=sys.stderr)
    return found


def options(description: str, *, runs: int) -> argparse.Namespace:
    """The options every benchmark has."""
    return parser(description, runs=runs).parse_args()


def parser(description: str, *, runs: int) -> argparse.ArgumentParser:
    """A parser with the options every benchmark has, for those that have more."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--runs", type=int, default=runs, help="how often each side is run")
    made.add_argument("--json", action="store_true", help="print one JSON document")
    return made


def report(results: Sequence[Comparison | Figure], *, as_json: bool) -> None:
    """Print every result, each with its ratio or its target."""
    if as_json:
        print(json.dumps([item.as_document() for item in results], indent=2))
        return
    for item in results:
        print(item)
