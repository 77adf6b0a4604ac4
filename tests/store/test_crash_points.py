"""Killed at any moment, the store stays true and the next command puts it in order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


PARTS = 4
# A kill asks nothing of the disk, so the hundreds of stores need not wait for one.
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize(
    ("scenario", "at_least"),
    [("add-first", 60), ("add-one", 50), ("add-several", 180), ("remove", 30), ("clear", 40)],
)
def test_a_kill_before_or_after_any_change_of_the_disk_loses_nothing(
    scenario: str, at_least: int, part: int
) -> None:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        arguments = [scenario, folder, str(part), str(PARTS)]
        command = [sys.executable, "-m", "tests.store.crash_child", *arguments]

        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    points = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.stderr == ""
    assert run.returncode == 0
    assert [point for point in points if point["wrong"]] == []
    assert len(points) >= at_least // PARTS
