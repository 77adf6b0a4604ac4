"""Killed at any moment, the store stays true and the next command puts it in order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spm_store.durable import Disk
from tests.store.crash_scenarios import SCENARIOS
from tests.store.dying_disk import points_of
from tests.store.recorded_disk import DISK_CALLS

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
AT_LEAST = {
    "add-first": 85,
    "add-one": 38,
    "add-several": 140,
    "add-shelved": 170,
    "clear": 35,
    "collect": 170,
    "copies-first": 165,
    "copies-rollback": 65,
    "copies-update": 170,
    "import": 255,
    "install-first": 185,
    "install-update": 235,
    "migrate": 50,
    "rebuild": 8,
    "rebuild-damaged": 15,
    "rebuild-missing": 10,
    "remove": 30,
    "repair": 60,
    "replace": 60,
    "rollback": 40,
}
ONLY_AFTER_A_REFUSAL = {"truncate"}
"""What is called only to take back what the system did not do to the end."""
MOST_AT_ONCE = 130
"""Points of one test; there are as many parts of a scenario as that takes."""
# A kill asks nothing of the disk, so the hundreds of stores need not wait for one.
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def answers_of(arguments: Sequence[str]) -> list[dict[str, list[str]]]:
    """Run the child and return what it prints."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        command = [sys.executable, "-m", "tests.store.crash_child", folder, *arguments]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.stderr == ""
    assert run.returncode == 0
    return [json.loads(line) for line in run.stdout.splitlines()]


@cache
def whole_runs() -> dict[str, dict[str, list[str]]]:
    """Return what each scenario calls if nobody interrupts it."""
    return dict(zip(SCENARIOS, answers_of([]), strict=True))


PARTS = {name: 1 + least // MOST_AT_ONCE for name, least in AT_LEAST.items()}


@pytest.mark.parametrize(
    ("name", "part"), [(name, part) for name in SCENARIOS for part in range(PARTS[name])]
)
def test_a_kill_before_inside_or_after_any_change_of_the_disk_loses_nothing(
    name: str, part: int
) -> None:
    _, *points = answers_of([name, str(part), str(PARTS[name])])

    assert [point for point in points if point["wrong"]] == []
    assert len(points) >= AT_LEAST[name] // PARTS[name] - 1


def test_every_change_of_the_disk_goes_through_the_seam() -> None:
    around = {name: run["around"] for name, run in whole_runs().items() if run["around"]}

    assert around == {}


def test_the_scenarios_are_killed_at_every_call_the_disk_has() -> None:
    """A new method of the disk needs a scenario that calls it."""
    called = {call for run in whole_runs().values() for call in run["calls"]}

    assert set(DISK_CALLS) - called - untried() - ONLY_AFTER_A_REFUSAL == set()


def test_there_are_many_more_than_three_hundred_points_to_be_killed_at() -> None:
    points = {name: len(points_of(run["calls"])) for name, run in whole_runs().items()}

    assert [name for name, least in AT_LEAST.items() if points[name] < least] == []
    assert sum(points.values()) > 2100


def untried() -> set[str]:
    """Return what the file system of the scenarios cannot do."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        Path(folder, "one").write_bytes(b"x")
        try:
            Disk().clone(f"{folder}/one", f"{folder}/other", 0o600)
        except OSError:
            return {"clone"}
        return set()
