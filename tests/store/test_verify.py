from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spm_spec.tree import FileEntry
from spm_store.damage import Damage
from spm_store.errors import TreeDamaged
from spm_store.store import Store
from tests.support.stored import COUNTER, GREETER, contents, move_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from spm_store.store import StoredTree

ROOT = Path(__file__).parents[2]


def overwrite(path: Path, data: bytes) -> None:
    """Give the file new bytes under a new inode, as one who may do anything could."""
    mode = path.lstat().st_mode
    path.parent.chmod(0o755)
    path.unlink()
    path.write_bytes(data)
    path.chmod(mode & 0o777)
    path.parent.chmod(0o555)


def change_in_place(tree: StoredTree) -> Path:
    path = tree.path / "SKILL.md"
    path.chmod(0o644)
    path.write_bytes(b"-" * path.lstat().st_size)
    path.chmod(0o444)
    return path


def replace_file(tree: StoredTree) -> Path:
    overwrite(tree.path / "SKILL.md", b"other")
    return tree.path / "SKILL.md"


def lose_file(tree: StoredTree) -> Path:
    (tree.path / "src").chmod(0o755)
    (tree.path / "src" / "skill.py").unlink()
    (tree.path / "src").chmod(0o555)
    return tree.path / "src" / "skill.py"


def plant_file(tree: StoredTree) -> Path:
    (tree.path / "src").chmod(0o755)
    (tree.path / "src" / "planted.py").write_text("x")
    (tree.path / "src").chmod(0o555)
    return tree.path / "src" / "planted.py"


def plant_folder(tree: StoredTree) -> Path:
    tree.path.chmod(0o755)
    (tree.path / "planted").mkdir(mode=0o555)
    tree.path.chmod(0o555)
    return tree.path / "planted"


def plant_symlink(tree: StoredTree) -> Path:
    tree.path.chmod(0o755)
    (tree.path / "planted").symlink_to("/etc/passwd")
    tree.path.chmod(0o555)
    return tree.path / "planted"


def plant_pipe(tree: StoredTree) -> Path:
    tree.path.chmod(0o755)
    os.mkfifo(tree.path / "planted")
    tree.path.chmod(0o555)
    return tree.path / "planted"


def lose_executable_bit(tree: StoredTree) -> Path:
    (tree.path / "scripts" / "greet.sh").chmod(0o444)
    return tree.path / "scripts" / "greet.sh"


def lose_tree(tree: StoredTree) -> Path:
    move_folder(tree.path, tree.path.parents[1] / "trash" / "moved")
    return tree.path


def replace_tree(tree: StoredTree) -> Path:
    elsewhere = tree.path.parents[1] / "trash" / "moved"
    move_folder(tree.path, elsewhere)
    tree.path.symlink_to(elsewhere)
    return tree.path


@pytest.mark.parametrize(
    ("harm", "kind"),
    [
        (change_in_place, "wrong-bytes"),
        (replace_file, "wrong-bytes"),
        (lose_file, "missing-file"),
        (plant_file, "extra-file"),
        (plant_folder, "extra-file"),
        (plant_symlink, "foreign-entry"),
        (plant_pipe, "foreign-entry"),
        (lose_executable_bit, "wrong-mode"),
        (lose_tree, "missing-tree"),
        (replace_tree, "foreign-entry"),
    ],
)
def test_verify_names_each_damage_and_adding_again_repairs_it(
    store: Store, harm: Callable[[StoredTree], Path], kind: str
) -> None:
    tree = store.add(GREETER, name="greeter")

    place = harm(tree)

    found = {(damage.kind, damage.path) for damage in store.verify()}
    assert (kind, place) in found
    assert store.add(GREETER, name="greeter") == tree
    assert store.verify() == ()


@pytest.mark.parametrize("harm", [change_in_place, lose_file, plant_symlink, lose_executable_bit])
def test_verified_refuses_a_damaged_tree(store: Store, harm: Callable[[StoredTree], Path]) -> None:
    tree = store.add(GREETER, name="greeter")
    other = store.add(COUNTER, name="counter") if harm is not lose_file else None
    harm(tree)

    with pytest.raises(TreeDamaged) as caught:
        store.verified(tree.digest)

    assert caught.value.message.startswith(f"{tree.path}: the tree is damaged: ")
    assert caught.value.hint == "`spm install --force` stores it again"
    assert other is None or store.verified(other.digest) == other


def test_a_lost_blob_is_named_and_comes_back(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")
    blob = next(path for path in (store.root / "blobs").rglob("*-x"))
    digits = blob.name.removesuffix("-x")
    blob.unlink()

    assert [(damage.kind, damage.path, str(damage.digest)) for damage in store.verify()] == [
        ("missing-blob", blob, f"blake3:{digits}")
    ]
    store.remove(tree.digest)
    store.add(GREETER, name="greeter")
    assert store.verify() == ()


def test_a_writable_tree_is_damage(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")
    tree.path.chmod(0o755)
    (tree.path / "src").chmod(0o755)
    (tree.path / "SKILL.md").chmod(0o644)

    found = {(damage.kind, damage.path) for damage in store.verify()}

    assert {
        ("wrong-mode", tree.path),
        ("wrong-mode", tree.path / "src"),
        ("wrong-mode", tree.path / "SKILL.md"),
    } <= found


def test_a_tree_without_a_row_is_left_over_and_no_damage(store: Store) -> None:
    store.add(GREETER, name="greeter")
    half = store.root / "trees" / ("0" * 64 + "-half")
    half.mkdir()
    (half / "SKILL.md").write_text("half")

    assert store.verify() == ()
    assert store.leftovers() == (half,)


def test_progress_counts_to_the_end(store: Store) -> None:
    store.add(GREETER, name="greeter")
    store.add(COUNTER, name="counter")
    seen: list[tuple[int, int]] = []

    store.verify(lambda done, steps: seen.append((done, steps)))

    steps = seen[-1][1]
    assert seen == sorted(seen)
    assert seen[-1] == (steps, steps)
    assert {total for _, total in seen} == {steps}


def test_a_damage_reads_as_kind_and_place(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")

    damage = Damage("extra-file", tree.path / "x", tree.digest)

    assert str(damage) == f"extra-file: {tree.path}/x"


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_any_number_of_threads_reports_the_same(store: Store, jobs: int) -> None:
    with store.transaction() as adding:
        trees = [adding.add([*GREETER, FileEntry("n", b"%d" % n)], name="many") for n in range(40)]
        large = adding.add([FileEntry("data", os.urandom(9_000_000))], name="large")
    plant_file(trees[3])
    change_in_place(trees[7])
    lose_file(trees[39])
    overwrite(large.path / "data", b"\0" * 9_000_000)

    found = store.verify(jobs=jobs)

    assert found == store.verify(jobs=1)
    assert list(found) == sorted(found, key=lambda damage: (str(damage.path), damage.kind))
    shared = {damage.path for damage in found if damage.kind == "wrong-bytes"}
    assert {tree.path / "SKILL.md" for tree in trees} <= shared
    assert large.path / "data" in shared


def test_a_file_too_large_for_any_tree_is_damage_and_not_read_to_the_end(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")
    place = change_in_place(tree)
    place.chmod(0o644)
    os.truncate(place, 1 << 42)

    found = {(damage.kind, damage.path) for damage in store.verify()}

    assert ("wrong-bytes", place) in found
    with pytest.raises(TreeDamaged, match="it holds a file of more than 67108864 bytes"):
        store.verified(tree.digest)


def test_damage_of_lower_stores_is_named_by_its_path_and_nothing_there_changes(
    store: Store, tmp_path: Path
) -> None:
    with Store.open(tmp_path / "lower" / "v1") as below:
        tree = below.add(GREETER, name="greeter")
    place = replace_file(tree)
    before = contents(below.root)
    store.add(COUNTER, name="counter")

    with Store.open(store.root, lower=(below.root,)) as above:
        found = above.verify()

    assert {("wrong-bytes", place)} == {(damage.kind, damage.path) for damage in found}
    assert contents(below.root) == before


def test_what_comes_and_goes_while_everything_is_hashed_is_no_damage(store: Store) -> None:
    """Trees are removed and added again between the steps, their blobs and inodes with them."""
    with store.transaction() as adding:
        kept = [adding.add([*GREETER, FileEntry("n", b"%d" % n)], name="kept") for n in range(20)]
        going = [adding.add([*COUNTER, FileEntry("n", b"%d" % n)], name="gone") for n in range(20)]
    harmed = plant_file(kept[10])

    def meanwhile(done: int, _: int) -> None:
        with Store.open(store.root) as other:
            if done % 2:
                for tree in going[done % 20 :: 3]:
                    other.remove(tree.digest)
            else:
                other.add([*COUNTER, FileEntry("n", b"new %d" % done)], name="new")

    assert [(damage.kind, damage.path) for damage in store.verify(meanwhile)] == [
        ("extra-file", harmed)
    ]


def test_a_row_whose_directories_lead_nowhere_is_named_and_repaired(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")
    store.close()
    with closing(sqlite3.connect(store.root / "index.sqlite")) as connection, connection:
        connection.execute("UPDATE trees SET directories = x'0011'")

    found = store.verify()
    store.repair(found)

    assert [(damage.kind, damage.digest) for damage in found] == [("wrong-index", tree.digest)]
    assert store.verify() == ()


def test_a_root_that_cannot_be_read_is_named(store: Store) -> None:
    store.add(GREETER, name="greeter")
    root = store.root / "roots" / ("0" * 32)
    root.parent.mkdir()
    root.write_text("harm")

    assert [(damage.kind, damage.path) for damage in store.verify()] == [("unreadable", root)]


UNREADABLE = """
import ctypes, os, sys
from pathlib import Path
from spm_store.store import Store
from tests.support.stored import COUNTER, GREETER

root = Path(sys.argv[1])
with Store.open(root) as store:
    store.verify(jobs=2)
    store.repair(())
    store.rebuild()  # Afterwards nothing needs importing
os.setgroups([]), os.setgid(65534), os.setuid(65534)
root = Path(sys.argv[2])
with Store.open(root) as store:
    tree = store.add(GREETER, name="greeter")
    store.add(COUNTER, name="counter")
    (tree.path / "SKILL.md").chmod(0)
    (tree.path / "src").chmod(0)
    damages = store.verify(jobs=2)
    print(sorted({damage.kind for damage in damages}))
    print(store.verify(jobs=2) == damages)
    repair = store.repair(damages)
    print(len(repair.missing), len(repair.left))
    with store.transaction() as transaction:
        for digest in repair.missing:
            transaction.add(GREETER, name="greeter", expected=digest, replace=True)
    print(store.verify())
    for path in [tree.path, *tree.path.rglob("*")]:
        path.chmod(path.lstat().st_mode | 0o200)
    (root / "index.sqlite").unlink()
    print(store.rebuild().trees, store.verify())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become a user without permissions")
def test_what_an_ordinary_user_cannot_read_is_named_and_cured(store: Store) -> None:
    store.add(GREETER, name="greeter")
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, 65534, 65534)
        Path(folder).chmod(0o755)
        run = subprocess.run(
            [sys.executable, "-c", UNREADABLE, str(store.root), f"{folder}/v1"],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )

    assert run.stderr == ""
    assert run.stdout.splitlines() == ["['unreadable']", "True", "1 0", "()", "2 ()"]
