"""Killed at any moment, the store stays true and the next command puts it in order."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize(
    ("scenario", "at_least"),
    [("add-first", 60), ("add-one", 50), ("add-several", 180), ("remove", 30), ("clear", 40)],
)
def test_a_kill_before_or_after_any_change_of_the_disk_loses_nothing(
    tmp_path: Path, scenario: str, at_least: int, part: int
) -> None:
    arguments = [scenario, str(tmp_path), str(part), str(PARTS)]
    command = [sys.executable, "-m", "tests.store.crash_child", *arguments]

    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    points = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.stderr == ""
    assert run.returncode == 0
    assert [point for point in points if point["wrong"]] == []
    assert len(points) >= at_least // PARTS
