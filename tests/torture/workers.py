"""What each process does over and over, until it is killed or told to stop.

What it sees that must not be, it reports; it goes on, so that one run finds much.
"""

from __future__ import annotations

import json
import os
import time
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from spm.rollback import EditedSince
from spm_store.errors import TreeDamaged, TreeMissing
from tests.support.installed import (
    held,
    install,
    roll_back,
    strays_in,
    view_of,
    wrong_in_texts,
    wrong_in_users,
    wrong_in_view,
)
from tests.torture.world import NAMES, VERSIONS, by_digest, skills

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from spm_spec.digests import Digest
    from spm_spec.manifest import LinkMode
    from spm_store.store import Store
    from tests.support.installed import Skill
    from tests.torture.world import World

_LINE_BYTES = 4000  # less than PIPE_BUF, so that a line is written whole or not at all


class Worker:
    """One process at work."""

    def __init__(self, world: World, chance: random.Random, report: int) -> None:
        """Know the world, and the descriptor to report to."""
        self.world = world
        self.chance = chance
        self._report = report

    def say(self, event: str, detail: str = "") -> None:
        """Report an event; a detail makes it a violation."""
        line = json.dumps({"event": event, "process": os.getpid(), "detail": detail})
        os.write(self._report, line.encode()[:_LINE_BYTES] + b"\n")

    def work(self, act: Act) -> None:
        """Do one thing after another."""
        with self.world.store(self.chance.choice(("none", "none", "batch"))) as store:
            while not self.world.stop.exists():
                try:
                    act(self, store)
                except Exception as error:  # noqa: BLE001 - none of this may happen
                    where = traceback.format_tb(error.__traceback__)[-3:]
                    detail = f"{type(error).__name__}: {error}\n{''.join(where)}"
                    self.say(f"{act.__name__} failed", detail[: _LINE_BYTES // 2])


def install_something(worker: Worker, store: Store) -> None:
    """Change what a project shows, and load all of it."""
    chance = worker.chance
    project = chance.choice(worker.world.projects)
    with held(project):
        before = view_of(project) or {}
        since = time.monotonic()
        if chance.random() < 0.15:
            event, expected = _roll_back(store, project), None
        else:
            event, expected = _next_view(chance, before)
            mode: LinkMode = chance.choice(("symlink", "symlink", "copy"))
            wanted = [skills()[item] for item in sorted(expected.items())]
            try:
                install(store, project, wanted, mode)
            except TreeDamaged as error:  # no copy is made of it
                if not worker.world.is_planted(error.digest, since, time.monotonic()):
                    raise
                event, expected = "refused to copy damage", None
        _look_at(worker, project, since)
        shown = view_of(project) or {}
        if expected is not None and shown != expected:
            worker.say("another view", f"{project.name} shows {shown} instead of {expected}")
        if not event.startswith("refused"):
            texts = wrong_in_texts(project) + strays_in(project)
            if texts:
                worker.say("texts", f"{project.name} after {event}: {texts}")
    worker.say(event)


def _roll_back(store: Store, project: Path) -> str:
    """Go back; an install that was killed after its switch has left texts of another."""
    try:
        return "rolled back" if roll_back(store, project) else "refused to roll back: the oldest"
    except EditedSince:
        return "refused to roll back: other texts"


def _next_view(chance: random.Random, before: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    what = chance.random()
    if before and what < 0.3:
        name = chance.choice(sorted(before))
        return "updated", {**before, name: chance.choice(VERSIONS)}
    if len(before) > 1 and what < 0.5:
        gone = chance.choice(sorted(before))
        return "removed", {name: version for name, version in before.items() if name != gone}
    names = chance.sample(NAMES, chance.randint(1, 6))
    return "installed", {name: chance.choice(VERSIONS) for name in names}


def _look_at(worker: Worker, project: Path, since: float) -> None:
    """Hash everything the project shows; only the repairer may have damaged it."""
    wrong = wrong_in_view(worker.world.root, project)
    until = time.monotonic()
    if wrong and not any(
        worker.world.is_planted(skills()[item].digest, since, until)
        for item in (view_of(project) or {}).items()
    ):
        worker.say("a broken view", f"{project.name}: {wrong}")
    users = wrong_in_users(project)
    if users:
        worker.say("the user's", f"{project.name}: {users}")


def collect(worker: Worker, store: Store) -> None:
    """Remove all that nothing needs."""
    done = store.collect(max_age=0, wait=worker.chance.random() < 0.7)
    worker.say("skipped a collection" if done.skipped else "collected")
    time.sleep(worker.chance.random() * 0.1)  # who collects all the time lets nobody publish


def verify(worker: Worker, store: Store) -> None:
    """Look for damage in everything, or load a skill that some project shows."""
    if worker.chance.random() < 0.7:
        _load(worker, store)
        return
    since = time.monotonic()
    damages = store.verify(jobs=1)
    until = time.monotonic()
    for damage in damages:
        if not worker.world.is_planted(damage.digest, since, until):
            worker.say("damage", str(damage))
    worker.say("verified")


def _load(worker: Worker, store: Store) -> None:
    """Pin a skill as a loader does, use it for a while, and look again."""
    from spm_store.trees import damage_of

    project = worker.chance.choice(worker.world.projects)
    view = view_of(project)
    if not view:
        return
    wanted = skills()[worker.chance.choice(sorted(view.items()))]
    since = time.monotonic()
    try:
        with store.pinned(wanted.digest, f"running {wanted.name}") as tree:
            time.sleep(worker.chance.random() * 0.02)
            damage = damage_of(os.fspath(tree.path), wanted.digest)
    except TreeDamaged as error:
        damage = str(error)
    except TreeMissing:
        # Gone before it was pinned: then no project may show it still.
        damage = "missing" if (view_of(project) or {}).get(wanted.name) == wanted.version else None
        damage = damage and _missing_still(store, project, wanted)
    if damage and not worker.world.is_planted(wanted.digest, since, time.monotonic()):
        worker.say("a load", f"{wanted.name} of {project.name}: {damage}")
    worker.say("loaded")


def _missing_still(store: Store, project: Path, wanted: Skill) -> str | None:
    """Look again while nobody changes the project, which may have come and gone meanwhile."""
    with held(project):
        shown = (view_of(project) or {}).get(wanted.name) == wanted.version
        return "missing" if shown and store.get(wanted.digest) is None else None


def repair(worker: Worker, store: Store) -> None:
    """Break one file of one tree, and make it whole again."""
    worker.world.root.mkdir(parents=True, exist_ok=True)
    mend(worker, store)
    trees = list(store.trees())
    if trees and worker.chance.random() < 0.5:
        tree = worker.chance.choice(trees)
        worker.world.note("plant", tree.digest)
        with suppress(OSError):
            _break(worker.chance, tree.path)
        worker.say("broke a file")
    time.sleep(worker.chance.random() * 0.1)
    mend(worker, store)
    worker.say("repaired")


def mend(worker: Worker, store: Store) -> None:
    """Repair what is damaged; what the store cannot, is added again as if it were fetched."""
    broken = [one.digest for one in worker.world.planted() if one.until == float("inf")]
    missing = store.repair(store.verify(jobs=1)).missing
    for digest in missing:
        if digest in by_digest():
            _add_again(store, by_digest()[digest])
    for digest in broken:
        _check_mended(worker, store, digest)


def _add_again(store: Store, one: Skill) -> None:
    with store.transaction() as transaction:
        transaction.add(one.files, name=one.name, replace=True)


def _check_mended(worker: Worker, store: Store, digest: Digest) -> None:
    try:
        store.verified(digest)
    except TreeMissing:
        pass  # collected meanwhile
    except TreeDamaged as error:
        worker.say("not repaired", str(error))
        return
    worker.world.note("done", digest)


def _break(chance: random.Random, tree: Path) -> None:
    """Do to a file of one tree alone what a disk, an agent or a person may do."""
    file = tree / "SKILL.md"
    tree.chmod(0o755)
    try:
        how = chance.choice(("bytes", "shorter", "gone", "mode"))
        if how == "gone":
            file.unlink()
        elif how == "mode":
            file.chmod(0o644)
        else:
            file.chmod(0o644)
            data = file.read_bytes()
            file.write_bytes(data[:-5] if how == "shorter" else data[:-5] + b"wrong")
            file.chmod(0o444)
    finally:
        tree.chmod(0o555)


Act: TypeAlias = "Callable[[Worker, Store], None]"
ROLES: dict[str, tuple[int, Act]] = {
    "installer": (8, install_something),
    "collector": (2, collect),
    "verifier": (2, verify),
    "repairer": (1, repair),
}
"""How many there are of each, and what they do."""
