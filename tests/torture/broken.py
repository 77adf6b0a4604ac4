"""Torture of a store that somebody breaks without saying so, as a bug would.

``python -m tests.torture.broken silently|before FOLDER``: a process breaks files all the time,
or a tree that a project shows is gone before the run begins. It forks, so it stays out of the
process that runs the tests.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.installed import held, install
from tests.torture.run import Run
from tests.torture.workers import ROLES
from tests.torture.world import World, skills

if TYPE_CHECKING:
    from spm_store.store import Store
    from tests.torture.workers import Worker


def break_silently(_: Worker, store: Store) -> None:
    """Break every file of its kind."""
    for tree in store.trees():
        (tree.path / "SKILL.md").chmod(0o644)
        (tree.path / "SKILL.md").write_bytes(b"wrong")


def remove_before(world: World) -> None:
    """Remove a tree although a project shows it."""
    one = skills()["skill-a", "1.0.0"]
    with world.store() as store, held(world.projects[0]):
        install(store, world.projects[0], [one])
        store.remove(one.digest)


def main(how: str, folder: Path) -> None:
    """Run, and print what was found."""
    world = World(folder / "world")
    world.make()
    if how == "before":
        remove_before(world)
        roles = {}
    else:
        roles = {name: (1, ROLES[name][1]) for name in ("installer", "verifier")}
        roles["vandal"] = (1, break_silently)
    print(Run(world, 1, roles=roles, most_violations=1).run(20 if roles else 0).text())  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
