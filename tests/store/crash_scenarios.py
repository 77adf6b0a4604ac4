"""What is interrupted: commands that change a store and a project, each in its own world."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from spm_store.durable import Disk, remove_tree
from tests.store.crash_world import (
    ALL,
    DIGESTS,
    NEW,
    NEW_COPIES,
    OLD,
    OLD_COPIES,
    Scenario,
    add,
    nothing,
    with_greeter,
)
from tests.support.installed import (
    SKILLS,
    edit_copy,
    held,
    install,
    roll_back,
    view_of,
    wrong_in_texts,
)
from tests.support.stored import GREETER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spm_spec.digests import Digest
    from spm_spec.manifest import LinkMode
    from tests.store.crash_world import View, World
    from tests.support.installed import Skill


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


def with_trees(world: World) -> None:
    """Prepare a store with all that is copied, and a project that shows nothing."""
    with_greeter(world)
    with world.store() as store, store.transaction() as transaction:
        for one in {*OLD_COPIES, *NEW_COPIES}:
            transaction.add(one.files, name=one.name, version=one.version)


def with_old_copies(world: World) -> None:
    """Prepare a project that shows private copies, one of which a user edited."""
    with_trees(world)
    _install(world, OLD_COPIES, mode="copy")
    edit_copy(world.project)


def with_both_copies(world: World) -> None:
    """Prepare what `with_old_copies` does, and then an update; a copy of before is gone."""
    with_old_copies(world)
    _install(world, NEW_COPIES, mode="copy")
    gone = next((world.project / SKILLS / ".copies").glob("*-second"))
    remove_tree(Disk(), os.fspath(gone))


def _install(
    world: World, skills: Sequence[Skill], disk: Disk | None = None, mode: LinkMode = "symlink"
) -> None:
    force = disk is None and world.durability == "none" and mode == "copy"
    with world.store(disk) as store, held(world.project):
        install(store, world.project, skills, mode, force=force)


def _roll_back(world: World, disk: Disk | None = None) -> None:
    with world.store(disk) as store, held(world.project):
        roll_back(store, world.project)


def _roll_back_to(world: World, skills: Sequence[Skill], mode: LinkMode = "symlink") -> None:
    """Do it again unless it was done: a second rollback goes further back. Then install."""
    if view_of(world.project) != _view(skills):
        _roll_back(world)
    wrong = wrong_in_texts(world.project)
    if wrong and world.durability != "none":
        raise AssertionError(wrong)
    _install(world, skills, mode=mode)


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
    """Prepare the store of a spm that knew of no use of trees, and kept blobs in 256 folders."""
    with_greeter(world)
    blobs = world.root / "blobs"
    for blob in list(blobs.glob("?/*")):
        (blobs / blob.name[:2]).mkdir(exist_ok=True)
        blob.rename(blobs / blob.name[:2] / blob.name)
    for folder in blobs.glob("?"):
        folder.rmdir()
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
    "add-first": Scenario(
        lambda world, disk: add(world, "counter", disk=disk), nothing, durability="strict"
    ),
    "add-one": Scenario(
        lambda world, disk: add(world, "counter", disk=disk), with_greeter, kept=_GREETER
    ),
    "add-several": Scenario(
        lambda world, disk: add(world, "counter", "large", disk=disk),
        with_greeter,
        kept=_GREETER,
        added=tuple(ALL),
        durability="batch",
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
        again=lambda world: _roll_back_to(world, OLD),
        durability="batch",
    ),
    "copies-first": Scenario(
        lambda world, disk: _install(world, OLD_COPIES[1:], disk, "copy"),
        with_trees,
        kept=_GREETER | _digests(OLD_COPIES + NEW_COPIES),
        views=(None, _view(OLD_COPIES[1:])),
        again=lambda world: _install(world, OLD_COPIES[1:], mode="copy"),
        durability="batch",
    ),
    "copies-update": Scenario(
        lambda world, disk: _install(world, NEW_COPIES, disk, "copy"),
        with_old_copies,
        kept=_GREETER | _digests(OLD_COPIES + NEW_COPIES),
        views=(_view(OLD_COPIES), _view(NEW_COPIES)),
        again=lambda world: _install(world, NEW_COPIES, mode="copy"),
        durability="batch",
        edited=True,
    ),
    "copies-rollback": Scenario(
        _roll_back,
        with_both_copies,
        kept=_GREETER | _digests(OLD_COPIES + NEW_COPIES),
        views=(_view(NEW_COPIES), _view(OLD_COPIES)),
        again=lambda world: _roll_back_to(world, OLD_COPIES, "copy"),
        durability="batch",
        edited=True,
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
