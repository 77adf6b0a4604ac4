from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from spm_store.shelves import shelf_path, shelve
from tests.support.stored import GREETER

if TYPE_CHECKING:
    from spm_store.store import Store


def test_a_shelf_shows_a_tree_by_version_and_is_read_only(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")

    shelf = shelve(tree.path, "1.0.0")

    assert shelf == shelf_path(tree.path)
    assert (shelf / "1.0.0").samefile(tree.path)
    assert stat.S_IMODE(shelf.stat().st_mode) == 0o555
    assert list((store.root / "trash").iterdir()) == []


def test_a_second_version_of_the_same_tree_stands_on_the_same_shelf(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")
    shelve(tree.path, "1.0.0")

    shelf = shelve(tree.path, "1.0.0+again")

    assert sorted(path.name for path in shelf.iterdir()) == ["1.0.0", "1.0.0+again"]


def test_what_stands_in_place_of_the_link_is_put_away(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")
    shelf = shelve(tree.path, "1.0.0")
    shelf.chmod(0o755)
    (shelf / "1.0.0").unlink()
    (shelf / "1.0.0").mkdir()
    (shelf / "1.0.0" / "SKILL.md").write_text("another skill")

    shelve(tree.path, "1.0.0")

    assert (shelf / "1.0.0").samefile(tree.path)
    assert stat.S_IMODE(shelf.stat().st_mode) == 0o555


def test_many_may_shelve_one_tree_at_once(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")
    versions = [f"1.0.{number}" for number in range(20)]

    with ThreadPoolExecutor(8) as pool:
        shelves = set(pool.map(shelve, [tree.path] * len(versions), versions))

    assert sorted(path.name for path in shelves.pop().iterdir()) == sorted(versions)


def test_a_shelf_goes_with_its_tree(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")
    shelf = shelve(tree.path, "1.0.0")

    store.remove(tree.digest)

    assert not shelf.exists()
    assert list((store.root / "trash").iterdir()) == []
