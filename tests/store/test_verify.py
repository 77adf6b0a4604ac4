from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from spm_store.damage import Damage
from spm_store.errors import TreeDamaged
from tests.support.stored import COUNTER, GREETER, move_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from spm_store.store import Store, StoredTree


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

    assert [(damage.kind, damage.path, damage.digest.hex) for damage in store.verify()] == [
        ("missing-blob", blob, digits)
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
