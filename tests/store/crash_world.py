"""Worlds in which something is interrupted: what is done, and what must hold afterwards."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from spm_spec.tree import FileEntry, build_tree
from spm_store.durable import Disk, remove_tree
from spm_store.store import Store
from tests.store.disk_model import State
from tests.support.installed import (
    EDITED,
    make_users,
    skill,
)
from tests.support.stored import COUNTER, GREETER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from spm_spec.digests import Digest
    from spm_store.durable import Durability

    View: TypeAlias = dict[str, str] | None

LARGE = (*GREETER, *(FileEntry(f"data/file-{n}", b"%d" % n) for n in range(14)))
ALL = {"greeter": GREETER, "counter": COUNTER, "large": LARGE}


DIGESTS = {name: build_tree(files).digest for name, files in ALL.items()}
OLD = (skill("first"), skill("second"))
NEW = (skill("first", "2.0.0"), skill("third", files=15))
KEPT = (skill(EDITED, files=1),)
"""What a user edits where there are private copies."""
OLD_COPIES = (*KEPT, skill("first", files=0), skill("second", files=0))
NEW_COPIES = (*KEPT, skill("first", "2.0.0", files=0), skill("third", files=10))


@dataclass(frozen=True, slots=True)
class World:
    """A folder with a store and a project."""

    folder: Path
    durability: Durability = "none"

    @property
    def project(self) -> Path:
        """The project's folder."""
        return self.folder / "project"

    @property
    def root(self) -> Path:
        """The store's layout folder."""
        return self.folder / "store" / "v1"

    def store(self, disk: Disk | None = None) -> Store:
        """Open the store."""
        return Store(self.root, durability=self.durability, disk=disk)

    def state(self) -> State:
        """Read everything."""
        return State.of(os.fspath(self.folder))

    def put_back(self, state: State) -> None:
        """Make the world what it was."""
        remove_tree(Disk(), os.fspath(self.folder))
        state.build(os.fspath(self.folder))


@dataclass(frozen=True, slots=True)
class Scenario:
    """Something that is interrupted."""

    act: Callable[[World, Disk], None]
    prepare: Callable[[World], None]
    kept: frozenset[Digest] = frozenset()
    """The trees that are in the store before, during and after it."""
    damaged: frozenset[Digest] = frozenset()
    """The trees that are damaged before it, and may be after an interruption."""
    first: Callable[[World], None] | None = None
    """The command without which nothing can be read."""
    views: tuple[View, ...] = (None,)
    """What the project may show at any moment."""
    added: tuple[str, ...] = ("greeter", "counter")
    """What is added afterwards, to see that adding works."""
    durability: Durability = "none"
    """With which it is killed; a kill asks nothing of the disk."""
    again: Callable[[World], None] = lambda _: None
    """The next command, beyond adding everything; the project then shows the last view."""
    edited: bool = False
    """Whether a user edited a private copy."""


def nothing(world: World) -> None:
    """Prepare no store at all, and an empty project."""
    make_users(world.project)


def with_greeter(world: World) -> None:
    """Prepare a store with one tree."""
    nothing(world)
    with world.store() as store:
        store.add(GREETER, name="greeter")


def add(world: World, *names: str, disk: Disk | None = None) -> None:
    """Add skills in one transaction, and load them."""
    with world.store(disk) as store:
        with store.transaction() as transaction:
            for name in names:
                transaction.add(ALL[name], name=name)
        for name in names:
            store.verified(DIGESTS[name])
