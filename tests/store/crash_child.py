"""Run one scenario again and again, killed before, inside or after each change of the disk.

``python -m tests.store.crash_child FOLDER SCENARIO PART PARTS`` prints one JSON line a point:
where it was, and what was wrong afterwards (nothing, if all is well); before them one line with
the calls of a whole run, and what changed the disk without a call. With FOLDER alone it prints
such a line for every scenario. It forks, so it stays out of the process that runs the tests.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from tests.store.crash_invariants import wrong_after
from tests.store.crash_scenarios import SCENARIOS
from tests.store.crash_world import World
from tests.store.dying_disk import DyingDisk, points_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.store.crash_world import Scenario
    from tests.store.disk_model import State
    from tests.store.dying_disk import Point


def forked(act: Callable[[], None]) -> int:
    """Do something in a process of its own; return how that ended."""
    child = os.fork()
    if child == 0:
        try:
            act()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - nothing of this may go on in the child
            traceback.print_exc()
            os._exit(1)
    return os.waitpid(child, 0)[1]


def count(world: World, scenario: Scenario, log: Path) -> dict[str, list[str]]:
    """Return the calls of a run that nobody interrupts."""

    def act() -> None:
        disk = DyingDisk(None, log)
        disk.guard(os.fspath(world.folder))
        scenario.act(world, disk)
        log.write_text(json.dumps({"calls": disk.calls, "around": sorted(set(disk.around))}))

    if forked(act) != 0:
        raise AssertionError("a run that nobody interrupts failed")
    answer: dict[str, list[str]] = json.loads(log.read_text())
    return answer


def try_point(world: World, scenario: Scenario, log: Path, point: Point, before: State) -> object:
    """Kill one run at ``point`` and return what was wrong."""
    world.put_back(before)
    log.write_text("")
    status = forked(lambda: scenario.act(world, DyingDisk(point, log)))
    if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
        # Another run may need fewer calls: names are random, and so is their order.
        return {"where": "", "wrong": [] if status == 0 else ["the run failed"]}
    return {"where": log.read_text(), "wrong": wrong_after(world, scenario)}


def run(folder: Path, name: str, part: int = 0, parts: int = 0) -> None:
    """Try each ``parts``-th point; none if ``parts`` is 0."""
    scenario, log = SCENARIOS[name], folder / "log"
    world = World(folder / name, scenario.durability)
    scenario.prepare(world)
    before = world.state()
    whole = count(world, scenario, log)
    print(json.dumps(whole), flush=True)  # noqa: T201 - its answer
    points = points_of(whole["calls"])[part::parts] if parts else []
    for point in points:
        answer = try_point(world, scenario, log, point, before)
        print(json.dumps(answer), flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    if sys.argv[2:]:
        run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        for each in SCENARIOS:
            run(Path(sys.argv[1]), each)
