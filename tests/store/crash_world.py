"""Worlds in which something is interrupted: what is done, and what must hold afterwards."""

from __future__ import annotations

import os
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from spm_spec.tree import FileEntry, build_tree
from spm_store.durable import Disk, remove_tree
from spm_store.errors import TreeDamaged, TreeMissing
from spm_store.store import Store
from tests.store.disk_model import State
from tests.support.installed import (
    SKILLS,
    install,
    roll_back,
    skill,
    view_of,
    wrong_in_texts,
    wrong_in_view,
)
from tests.support.stored import COUNTER, GREETER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from spm_spec.digests import Digest
    from spm_store.durable import Durability
    from tests.support.installed import Skill

    View: TypeAlias = dict[str, str] | None

LARGE = (*GREETER, *(FileEntry(f"data/file-{n}", b"%d" % n) for n in range(14)))
ALL = {"greeter": GREETER, "counter": COUNTER, "large": LARGE}


DIGESTS = {name: build_tree(files).digest for name, files in ALL.items()}
OLD = (skill("first"), skill("second"))
NEW = (skill("first", "2.0.0"), skill("third", files=15))


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
    views: tuple[View, ...] = (None,)
    """What the project may show at any moment."""
    again: Callable[[World], None] = lambda _: None
    """The next command, beyond adding everything; the project then shows the last view."""


def nothing(world: World) -> None:
    """Prepare no store at all, and an empty project."""
    (world.project / SKILLS).mkdir(parents=True, exist_ok=True)


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
        store.remove(DIGESTS["greeter"])


def _clear(world: World, disk: Disk) -> None:
    with world.store(disk) as store:
        store.clear()


def with_old(world: World) -> None:
    """Prepare a project that shows `OLD`."""
    with_greeter(world)
    _install(world, OLD)


def with_both(world: World) -> None:
    """Prepare a project that shows `NEW` and showed `OLD`."""
    with_old(world)
    _install(world, NEW)


def _install(world: World, skills: Sequence[Skill], disk: Disk | None = None) -> None:
    with world.store(disk) as store:
        install(store, world.project, skills, disk)


def _roll_back(world: World, disk: Disk) -> None:
    with world.store(disk) as store:
        roll_back(store, world.project, disk)


def _view(skills: Sequence[Skill]) -> View:
    return {one.name: one.version for one in skills}


def _digests(skills: Sequence[Skill]) -> frozenset[Digest]:
    return frozenset(one.digest for one in skills)


_GREETER = frozenset({DIGESTS["greeter"]})
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
    "install-first": Scenario(
        lambda world, disk: _install(world, OLD, disk),
        with_greeter,
        kept=_GREETER,
        views=(None, _view(OLD)),
        again=lambda world: _install(world, OLD),
    ),
    "install-update": Scenario(
        lambda world, disk: _install(world, NEW, disk),
        with_old,
        kept=_GREETER | _digests(OLD),
        views=(_view(OLD), _view(NEW)),
        again=lambda world: _install(world, NEW),
    ),
    "rollback": Scenario(
        _roll_back,
        with_both,
        kept=_GREETER | _digests(OLD + NEW),
        views=(_view(NEW), _view(OLD)),
        again=lambda world: _install(world, OLD),
    ),
}


def wrong_after(world: World, scenario: Scenario, *, power_cut: bool = False) -> list[str]:
    """Return what is not as promised after an interruption; then nothing is left of it.

    A power cut may leave a blob that no row needs not whole, until it is collected.
    """
    wrong: list[str] = []
    trusted = world.durability != "none"
    try:
        wrong += _wrong_in_project(world, scenario) if trusted or not power_cut else []
        with world.store() as store:
            wrong += _called_valid(store, scenario, trusted=trusted or not power_cut)
            if not power_cut and not scenario.damaged:
                wrong += [f"damage before repair: {one}" for one in store.verify()]
        add(world, *ALL)
        scenario.again(world)
        with world.store() as store:
            wrong += [f"damage after repair: {one}" for one in store.verify() if not power_cut]
            for digest in DIGESTS.values():
                store.verified(digest)
            wrong += _left_over(world, store)
        if scenario.views[-1] is not None:
            wrong += wrong_in_view(world.root, world.project) + wrong_in_texts(world.project)
            wrong += _other_view(world, scenario.views[-1:])
    except Exception as error:  # noqa: BLE001 - whatever the next command says is a finding
        traceback.print_exc()
        wrong.append(f"the next command failed: {type(error).__name__}: {error}")
    return wrong


def _wrong_in_project(world: World, scenario: Scenario) -> list[str]:
    return wrong_in_view(world.root, world.project) + _other_view(world, scenario.views)


def _other_view(world: World, views: Sequence[View]) -> list[str]:
    view = view_of(world.project)
    return [] if view in views else [f"the project shows {view}"]


def _called_valid(store: Store, scenario: Scenario, *, trusted: bool) -> list[str]:
    """Return which rows speak of trees that are not whole, and which rows are lost."""
    wrong: list[str] = []
    for tree in store.trees(present=False):
        try:
            store.verified(tree.digest)
        except (TreeDamaged, TreeMissing) as error:
            if trusted and tree.digest not in scenario.damaged:
                wrong.append(f"called valid: {tree.name}: {error}")
    lost = scenario.kept - {tree.digest for tree in store.trees()}
    return wrong + [f"a tree that was valid is lost: {digest}" for digest in lost]


def _left_over(world: World, store: Store) -> list[str]:
    """Return what is there that no one needs, after the commands that clear up."""
    store.sweep()
    wrong = [f"left over: {path.name}" for path in store.leftovers()]
    for folder in ("tmp", "trash"):
        wrong += [f"in {folder}: {path.name}" for path in (world.root / folder).iterdir()]
    return wrong
