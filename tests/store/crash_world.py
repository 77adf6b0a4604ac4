"""Worlds in which something is interrupted: what is done, and what must hold afterwards."""

from __future__ import annotations

import os
import sqlite3
import traceback
from contextlib import closing
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
    first: Callable[[World], None] | None = None
    """The command without which nothing can be read."""
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


def with_garbage(world: World) -> None:
    """Prepare what `with_both` does, and trees that nothing needs."""
    with_both(world)
    add(world, *ALL)


def _install(world: World, skills: Sequence[Skill], disk: Disk | None = None) -> None:
    with world.store(disk) as store:
        install(store, world.project, skills, disk)


def _roll_back(world: World, disk: Disk) -> None:
    with world.store(disk) as store:
        roll_back(store, world.project, disk)


def _add_shelved(world: World, disk: Disk) -> None:
    with world.store(disk) as store, store.transaction() as transaction:
        for one in NEW:
            transaction.add(one.files, name=one.name, version=one.version)


def _collect(world: World, disk: Disk | None = None) -> None:
    with world.store(disk) as store:
        store.collect(max_age=0)


def with_damage(world: World) -> None:
    """Prepare a tree with a file that is not what its blob is, and one that is missing."""
    with_old(world)
    with world.store() as store:
        tree = store.verified(DIGESTS["greeter"]).path
    (tree / "src").chmod(0o755)
    for name in ("skill.py", "__init__.py"):
        (tree / "src" / name).unlink()
    (tree / "src" / "skill.py").write_bytes(b"damage")
    (tree / "src").chmod(0o555)


def _repair_it(world: World, disk: Disk | None = None) -> None:
    with world.store(disk) as store:
        store.repair(store.verify())


def _replace(world: World, disk: Disk) -> None:
    with world.store(disk) as store, store.transaction() as transaction:
        transaction.add(GREETER, name="greeter", replace=True)


def without_index(world: World) -> None:
    """Prepare a store that lost its index."""
    with_old(world)
    (world.root / "index.sqlite").unlink()


def with_broken_index(world: World) -> None:
    """Prepare a store whose index is no database."""
    without_index(world)
    (world.root / "index.sqlite").write_bytes(b"damage" * 1000)


def _rebuild(world: World, disk: Disk | None = None) -> None:
    with world.store(disk) as store:
        store.rebuild()


def with_bundle(world: World) -> None:
    """Prepare a bundle of everything, and a store with a part of it."""
    with_greeter(world)
    add(world, "large")
    with world.store() as store:
        store.add(NEW[1].files, name=NEW[1].name)
        trees = {DIGESTS["large"]: "1.0.0", NEW[1].digest: NEW[1].version}
        bundle = bytearray()
        store.export(trees, bundle.extend)
        for digest in trees:
            store.remove(digest)
    (world.folder / "bundle").write_bytes(bundle)


def _import(world: World, disk: Disk | None = None) -> None:
    with world.store(disk) as store, (world.folder / "bundle").open("rb") as file:
        store.import_bundle(file.read, origin="bundle")


def with_format_1(world: World) -> None:
    """Prepare the store of a spm that knew of no use of trees."""
    with_greeter(world)
    with closing(sqlite3.connect(world.root / "index.sqlite")) as connection:
        connection.executescript(_FORMAT_1)


_FORMAT_1 = """
CREATE TABLE old (
    digest BLOB PRIMARY KEY, name TEXT NOT NULL, size INTEGER NOT NULL, files INTEGER NOT NULL,
    added INTEGER NOT NULL, directories BLOB NOT NULL
);
INSERT INTO old SELECT digest, name, size, files, added, directories FROM trees;
DROP TABLE trees;
ALTER TABLE old RENAME TO trees;
PRAGMA user_version = 1;
"""


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
    "add-shelved": Scenario(_add_shelved, with_greeter, kept=_GREETER),
    "collect": Scenario(
        _collect,
        with_garbage,
        kept=_digests(OLD + NEW),
        views=(_view(NEW),),
        again=_collect,
    ),
    "repair": Scenario(
        _repair_it,
        with_damage,
        kept=_GREETER | _digests(OLD),
        damaged=_GREETER,
        views=(_view(OLD),),
        again=_repair_it,
    ),
    "replace": Scenario(
        _replace, with_damage, kept=_GREETER, damaged=_GREETER, views=(_view(OLD),)
    ),
    "rebuild": Scenario(_rebuild, with_old, kept=_GREETER | _digests(OLD), views=(_view(OLD),)),
    "rebuild-missing": Scenario(
        _rebuild,
        without_index,
        kept=_GREETER | _digests(OLD),
        first=_rebuild,
        views=(_view(OLD),),
    ),
    "rebuild-damaged": Scenario(
        _rebuild,
        with_broken_index,
        kept=_GREETER | _digests(OLD),
        first=_rebuild,
        views=(_view(OLD),),
    ),
    "import": Scenario(_import, with_bundle, kept=_GREETER, again=_import),
    "migrate": Scenario(
        lambda world, disk: add(world, "counter", disk=disk), with_format_1, kept=_GREETER
    ),
}


def wrong_after(world: World, scenario: Scenario, *, power_cut: bool = False) -> list[str]:
    """Return what is not as promised after an interruption; then nothing is left of it.

    A power cut may leave a blob that no row needs not whole, until it is collected.
    """
    wrong: list[str] = []
    trusted = world.durability != "none"
    try:
        if scenario.first:
            scenario.first(world)
        wrong += _wrong_in_project(world, scenario) if trusted or not power_cut else []
        with world.store() as store:
            wrong += _called_valid(store, scenario, trusted=trusted or not power_cut)
            if not power_cut and not scenario.damaged:
                wrong += [f"damage before repair: {one}" for one in store.verify()]
        add(world, *ALL)
        with world.store() as store:
            for digest in DIGESTS.values():
                store.verified(digest)
        if not trusted and power_cut:
            _repair(world)
        scenario.again(world)
        with world.store() as store:
            wrong += _left_over(world, store)
            wrong += [f"damage after repair: {one}" for one in store.verify()]
        if scenario.views[-1] is not None:
            wrong += wrong_in_view(world.root, world.project) + wrong_in_texts(world.project)
            wrong += _other_view(world, scenario.views[-1:])
    except Exception as error:  # noqa: BLE001 - whatever the next command says is a finding
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{last.filename.rpartition('/')[2]}:{last.lineno}"
        wrong.append(f"the next command failed: {type(error).__name__} in {where}: {error}")
    return wrong


def _repair(world: World) -> None:
    """Do what helps a store that never waited for the disk: repair it, and add all again."""
    with world.store() as store:
        store.repair(store.verify())
        with store.transaction() as transaction:
            for one in (*OLD, *NEW):
                transaction.add(one.files, name=one.name)


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
    store.collect(max_age=0)
    wrong = [f"left over: {path.name}" for path in store.leftovers()]
    shown = {name for root in store.roots() for name in root.generations.values()}
    sets = {path.name for path in (world.root / "sets").glob("*")}
    wrong += [f"a set nobody shows: {name}" for name in sorted(sets - shown)]
    needed = {os.fspath(path.name) for path in (world.root / "trees").iterdir()}
    shelves = {path.name for path in (world.root / "shelves").glob("*")}
    wrong += [f"a shelf without a tree: {name}" for name in sorted(shelves - needed)]
    wrong += [f"unfinished: {path.name}" for path in (world.root / "roots").glob(".*")]
    for folder in ("tmp", "trash"):
        wrong += [f"in {folder}: {path.name}" for path in (world.root / folder).iterdir()]
    return wrong
