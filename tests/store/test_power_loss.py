"""Whatever a power cut leaves on the disk, a row means whole bytes, and the next command works."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.store.crash_invariants import wrong_after
from tests.store.crash_scenarios import SCENARIOS
from tests.store.crash_world import World
from tests.store.power_loss import power_cuts
from tests.store.recorded_disk import RecordingDisk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spm_store.durable import Durability
    from tests.store.recorded_disk import Recording

STATES = {"batch": 34, "strict": 12, "none": 12}
"""How many of the states a power cut may leave are tried of each scenario."""
ENOUGH_TO_TELL = 200
"""States, of which some come after the rows, on a disk that does not wait."""
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory: nothing here waits for a real disk."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as made:
        yield Path(made)


def recorded(name: str, world: World, *, lying: bool = False) -> Recording:
    """Do what the scenario does, and return what happened."""
    scenario = SCENARIOS[name]
    scenario.prepare(world)
    disk = RecordingDisk(os.fspath(world.folder), "store/v1", lying=lying)
    scenario.act(world, disk)

    assert disk.differences() == []
    return disk.recording


def found_wrong(name: str, world: World, recording: Recording, states: int) -> Iterator[str]:
    """Build each state and yield what does not hold."""
    for cut in power_cuts(recording, states, f"{name} {world.durability}"):
        world.put_back(cut.state)
        last = recording.calls[cut.call] if cut.call >= 0 else "nothing"
        where = f"state {cut.number}, {cut.pattern}, after {cut.call} {last}"
        for one in wrong_after(world, SCENARIOS[name], power_cut=True):
            yield f"{where}: {one}"


@pytest.mark.parametrize("durability", ["batch", "strict", "none"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_power_cut_at_any_moment_leaves_nothing_broken_that_is_called_valid(
    folder: Path, name: str, durability: Durability
) -> None:
    world = World(folder / "world", durability)
    recording = recorded(name, world)

    wrong = list(found_wrong(name, world, recording, STATES[durability]))

    assert wrong == []


@pytest.mark.parametrize("name", ["add-one", "add-several"])
def test_a_disk_that_does_not_wait_is_found_out(folder: Path, name: str) -> None:
    """The states are hostile enough: without the barrier some row has no bytes."""
    world = World(folder / "world", "batch")
    recording = recorded(name, world, lying=True)

    wrong = found_wrong(name, world, recording, ENOUGH_TO_TELL)

    assert any(": called valid: " in one for one in wrong)


@pytest.mark.parametrize("name", ["install-update", "copies-update"])
def test_a_project_that_a_disk_which_does_not_wait_spoils_is_found_out(
    folder: Path, name: str
) -> None:
    world = World(folder / "world", "batch")
    recording = recorded(name, world, lying=True)

    wrong = found_wrong(name, world, recording, ENOUGH_TO_TELL)

    assert any(": generation 2: " in one for one in wrong)
