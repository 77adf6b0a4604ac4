"""Run one scenario again and again, killed before or after each call that changes the disk.

``python -m tests.store.crash_child SCENARIO FOLDER FIRST STEP`` prints one JSON line per crash
point: which call, when, and what was wrong afterwards (nothing, if all is well). It forks, so it
stays out of the process that runs the tests.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from spm_spec.tree import FileEntry, build_tree
from spm_store.durable import Disk
from spm_store.store import Store
from tests.support.stored import COUNTER, GREETER

if TYPE_CHECKING:
    from collections.abc import Callable

LARGE = (*GREETER, *(FileEntry(f"data/file-{n}", b"%d" % n) for n in range(8)))
CALLS = (
    "make_folder",
    "write_file",
    "link",
    "clone",
    "move",
    "set_mode",
    "sync",
    "sync_all",
    "commit",
    "remove_file",
    "remove_folder",
)


class DyingDisk(Disk):
    """A disk whose user is killed before (2n) or after (2n + 1) its call number n."""

    def __init__(self, point: int, log: Path) -> None:
        self.point = point
        self.log = log
        self.calls = 0
        for name in CALLS:
            setattr(self, name, self._dying(name, getattr(super(), name)))

    def _dying(self, name: str, call: Callable[..., object]) -> Callable[..., object]:
        def called(*arguments: object) -> object:
            number, self.calls = self.calls, self.calls + 1
            if self.point == 2 * number:
                self._die(f"before {name} {number}")
            try:
                return call(*arguments)
            finally:  # a call that was refused is a point too
                if self.point == 2 * number + 1:
                    self._die(f"after {name} {number}")

        return called

    def _die(self, where: str) -> None:
        self.log.write_text(where)
        os.kill(os.getpid(), signal.SIGKILL)


def add_one(store: Store) -> None:
    store.add(COUNTER, name="counter")


def add_several(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.add(COUNTER, name="counter")
        transaction.add(LARGE, name="large")


def remove(store: Store) -> None:
    store.remove(build_tree(GREETER).digest)


def clear(store: Store) -> None:
    store.clear()


SCENARIOS: dict[str, Callable[[Store], None]] = {
    "add-one": add_one,
    "add-several": add_several,
    "remove": remove,
    "clear": clear,
}


def wrong_after(root: Path, *, added: bool) -> list[str]:
    """Return what is not as promised after a crash; ``added``: nothing was being removed."""
    wrong: list[str] = []
    with Store.open(root, durability="none") as store:
        wrong += [f"damage before repair: {damage}" for damage in store.verify()]
        valid = {tree.digest for tree in store.trees()}
        if added and build_tree(GREETER).digest not in valid:
            wrong.append("a tree that was valid is lost")
        for digest in valid:
            store.verified(digest)
        add_several(store)
        store.add(GREETER, name="greeter")
        wrong += [f"damage after repair: {damage}" for damage in store.verify()]
        wrong += [f"not added: {tree}" for tree in (COUNTER, LARGE) if not _is_in(store, tree)]
        wrong += [f"left over: {path}" for path in store.leftovers()]
        wrong += [f"unfinished: {path}" for path in (root / "tmp").iterdir()]
        wrong += [f"trash: {path}" for path in (root / "trash").iterdir()]
    return wrong


def _is_in(store: Store, files: tuple[FileEntry, ...]) -> bool:
    return bool(store.verified(build_tree(files).digest))


def run(scenario: str, folder: Path, point: int, step: int) -> int:
    """Try each ``step``-th point until one lies behind the last call; return that one."""
    while True:
        root, log = folder / str(point) / "v1", folder / f"{point}.log"
        with Store.open(root, durability="none") as store:
            if scenario != "add-first":
                store.add(GREETER, name="greeter")
        child = os.fork()
        if child == 0:
            act = SCENARIOS.get(scenario, add_one)
            with Store(root, disk=DyingDisk(point, log)) as store:
                act(store)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if not killed:
            return point if os.WEXITSTATUS(status) == 0 else -1
        wrong = wrong_after(root, added=scenario in {"add-one", "add-several"})
        print(json.dumps({"where": log.read_text(), "wrong": wrong}), flush=True)  # noqa: T201 - its answer
        point += step


if __name__ == "__main__":
    end = run(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    sys.exit(0 if end > 0 else 1)
