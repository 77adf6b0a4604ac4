"""Worlds in which something is interrupted: what is done, and what must hold afterwards."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spm_spec.tree import FileEntry, build_tree
from spm_store.durable import Disk, remove_tree
from spm_store.store import Store
from tests.store.disk_model import State
from tests.support.stored import COUNTER, GREETER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from spm_spec.digests import Digest
    from spm_store.durable import Durability

LARGE = (*GREETER, *(FileEntry(f"data/file-{n}", b"%d" % n) for n in range(14)))
ALL = {"greeter": GREETER, "counter": COUNTER, "large": LARGE}


def digest_of(name: str) -> Digest:
    """Return the digest of one of ``ALL``."""
    return build_tree(ALL[name]).digest


@dataclass(frozen=True, slots=True)
class World:
    """A folder with a store and a project."""

    folder: Path
    durability: Durability = "none"

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
    kept: frozenset[str] = frozenset()
    """The skills that are in the store before, during and after it."""
    damaged: frozenset[str] = frozenset()
    """The skills that are damaged before it, and may be after an interruption."""
    whole: Callable[[World], list[str]] = lambda _: []
    """Says what is wrong with the project, before anything is done about it."""
    again: Callable[[World], None] = lambda _: None
    """The next command, beyond adding everything."""


def nothing(world: World) -> None:
    """Prepare no store at all."""
    world.folder.mkdir(exist_ok=True)


def with_greeter(world: World) -> None:
    """Prepare a store with one tree."""
    nothing(world)
    with world.store() as store:
        store.add(GREETER, name="greeter")


def add(world: World, *names: str, disk: Disk | None = None) -> None:
    """Add skills in one transaction."""
    with world.store(disk) as store, store.transaction() as transaction:
        for name in names:
            transaction.add(ALL[name], name=name)


def _remove(world: World, disk: Disk) -> None:
    with world.store(disk) as store:
        store.remove(digest_of("greeter"))


def _clear(world: World, disk: Disk) -> None:
    with world.store(disk) as store:
        store.clear()


_GREETER = frozenset({"greeter"})
SCENARIOS: dict[str, Scenario] = {
    "add-first": Scenario(lambda world, disk: add(world, "counter", disk=disk), nothing),
    "add-one": Scenario(
        lambda world, disk: add(world, "counter", disk=disk), with_greeter, kept=_GREETER
    ),
    "add-several": Scenario(
        lambda world, disk: add(world, "counter", "large", disk=disk), with_greeter, kept=_GREETER
    ),
    "remove": Scenario(_remove, with_greeter),
    "clear": Scenario(_clear, with_greeter),
}


def wrong_after(world: World, scenario: Scenario, *, power_cut: bool = False) -> list[str]:
    """Return what is not as promised after an interruption; then nothing is left of it."""
    wrong = scenario.whole(world)
    try:
        with world.store() as store:
            wrong += _called_valid(store, scenario, trusted=world.durability != "none")
            if not power_cut:  # which may leave a blob that no row needs not whole
                wrong += _damages(store, scenario)
        scenario.again(world)
        add(world, *ALL)
        with world.store() as store:
            wrong += [f"damage after repair: {one}" for one in store.verify() if not power_cut]
            for name in ALL:
                store.verified(digest_of(name))
            wrong += _left_over(world, store)
    except Exception as error:  # noqa: BLE001 - whatever the next command says is a finding
        wrong.append(f"the next command failed: {type(error).__name__}: {error}")
    return wrong


def _called_valid(store: Store, scenario: Scenario, *, trusted: bool) -> list[str]:
    """Return which rows speak of trees that are not whole, and which rows are lost."""
    from spm_store.errors import TreeDamaged, TreeMissing

    wrong: list[str] = []
    hurt = {digest_of(name) for name in scenario.damaged}
    for tree in store.trees(present=False):
        try:
            store.verified(tree.digest)
        except (TreeDamaged, TreeMissing) as error:
            if trusted and tree.digest not in hurt:
                wrong.append(f"called valid: {tree.name}: {error}")
    there = {tree.digest for tree in store.trees()}
    lost = [name for name in scenario.kept if digest_of(name) not in there]
    return wrong + [f"a tree that was valid is lost: {name}" for name in lost]


def _damages(store: Store, scenario: Scenario) -> list[str]:
    if scenario.damaged:
        return []
    return [f"damage before repair: {damage}" for damage in store.verify()]


def _left_over(world: World, store: Store) -> list[str]:
    """Return what is there that no one needs, after the commands that clear up."""
    store.sweep()
    wrong = [f"left over: {path.name}" for path in store.leftovers()]
    for folder in ("tmp", "trash"):
        wrong += [f"in {folder}: {path.name}" for path in (world.root / folder).iterdir()]
    return wrong
