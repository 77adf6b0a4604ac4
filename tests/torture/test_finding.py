"""The torture finds what it is there to find."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.torture.workers import ROLES, Worker
from tests.torture.world import World, skills

if TYPE_CHECKING:
    from spm_store.store import Store


ROOT = Path(__file__).parents[2]


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "world")
    made.make()
    return made


def found(how: str, folder: Path) -> str:
    """Return what a run finds that somebody spoils."""
    command = [sys.executable, "-m", "tests.torture.broken", how, str(folder)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


def test_a_file_that_somebody_broke_unseen_is_a_violation(tmp_path: Path) -> None:
    text = found("silently", tmp_path)

    assert re.search(r"^violation: .*(wrong-bytes|its digest is)", text, re.MULTILINE)


def test_a_tree_that_is_removed_although_a_project_shows_it_is_a_violation(tmp_path: Path) -> None:
    text = found("before", tmp_path)

    assert re.search(r"^violation: project-0: .*skill-a", text, re.MULTILINE)


def test_a_damage_is_allowed_from_when_it_was_planted_until_it_was_repaired(world: World) -> None:
    digest = skills()["skill-a", "1.0.0"].digest
    world.note("plant", digest)
    (planted,) = world.planted()
    world.note("done", digest)
    (done,) = world.planted()

    assert (planted.until, done.since) == (float("inf"), planted.since)
    assert world.is_planted(digest, planted.since - 1, planted.since)
    assert world.is_planted(digest, done.until, done.until + 1)
    assert not world.is_planted(digest, done.until + 0.1, done.until + 1)
    assert not world.is_planted(digest, planted.since - 1, planted.since - 0.1)
    assert not world.is_planted(skills()["skill-b", "1.0.0"].digest, planted.since, done.until)


def test_a_worker_says_what_failed(world: World) -> None:
    reading, writing = os.pipe()
    worker = Worker(world, random.Random(1), writing)  # noqa: S311 - to be repeated

    def fail(_: Worker, __: Store) -> None:
        world.stop.touch()
        raise ValueError("so it goes")

    worker.work(fail)

    assert b"ValueError: so it goes" in os.read(reading, 1 << 16)
    assert set(ROLES) == {"installer", "collector", "verifier", "repairer"}
