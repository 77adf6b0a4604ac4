"""Runs two commands in turn, many times, and prints both and their ratio."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


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


def options(description: str, *, runs: int) -> argparse.Namespace:
    """The options every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--runs", type=int, default=runs, help="how often each side is run")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser.parse_args()


def report(comparisons: Sequence[Comparison], *, as_json: bool) -> None:
    """Print every comparison with its ratio."""
    if as_json:
        print(json.dumps([asdict(item) | {"ratio": item.ratio} for item in comparisons], indent=2))
        return
    for item in comparisons:
        print(item)
