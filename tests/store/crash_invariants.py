"""What must hold after an interruption, and after the next commands."""

from __future__ import annotations

import os
import traceback
from typing import TYPE_CHECKING

from spm_store.errors import TreeDamaged, TreeMissing
from tests.store.crash_world import NEW, NEW_COPIES, OLD, OLD_COPIES, add
from tests.support.installed import (
    strays_in,
    view_of,
    wrong_in_texts,
    wrong_in_users,
    wrong_in_view,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spm_store.store import Store
    from tests.store.crash_world import Scenario, View, World


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
            if power_cut or scenario.damaged:
                wrong += _called_valid(store, scenario, trusted=trusted or not power_cut)
            else:  # which hashes every tree with a row
                wrong += [f"damage before repair: {one}" for one in store.verify()]
            lost = scenario.kept - {tree.digest for tree in store.trees()}
            wrong += [f"a tree that was valid is lost: {digest}" for digest in lost]
        add(world, *scenario.added)
        if not trusted and power_cut:
            _repair(world)
        scenario.again(world)
        with world.store() as store:
            wrong += _left_over(world, store)
            wrong += [f"damage after repair: {one}" for one in store.verify()]
        if scenario.views[-1] is not None:
            wrong += wrong_in_view(world.root, world.project) + wrong_in_texts(world.project)
            wrong += strays_in(world.project)
            wrong += _other_view(world, scenario.views[-1:])
        # Without waiting for the disk, what a power cut tore is replaced by force.
        edited = scenario.edited and (trusted or not power_cut)
        wrong += wrong_in_users(world.project, edited=edited)
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
            for one in {*OLD, *NEW, *OLD_COPIES, *NEW_COPIES}:
                transaction.add(one.files, name=one.name)


def _wrong_in_project(world: World, scenario: Scenario) -> list[str]:
    users = wrong_in_users(world.project, edited=scenario.edited)
    return users + wrong_in_view(world.root, world.project) + _other_view(world, scenario.views)


def _other_view(world: World, views: Sequence[View]) -> list[str]:
    view = view_of(world.project)
    return [] if view in views else [f"the project shows {view}"]


def _called_valid(store: Store, scenario: Scenario, *, trusted: bool) -> list[str]:
    """Return which rows speak of trees that are not whole."""
    wrong: list[str] = []
    for tree in store.trees(present=False):
        try:
            store.verified(tree.digest)
        except (TreeDamaged, TreeMissing) as error:
            if trusted and tree.digest not in scenario.damaged:
                wrong.append(f"called valid: {tree.name}: {error}")
    return wrong


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
