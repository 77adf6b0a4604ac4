"""Whoever can write into a store or a project must not gain more than that by it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from spm_spec.digests import blob_digest
from spm_spec.tree import FileEntry, InvalidTree, build_tree
from spm_store.errors import NotOurs, TreeDamaged
from spm_store.folder import FolderRefused, read_folder
from spm_store.layout import copy_skill, link_skill, unlink_skill
from spm_store.store import Store
from tests.support.stored import COUNTER, GREETER, contents, move_folder, names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store" / "v1") as opened:
        yield opened


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A folder of the user's that no attack may read into the store, change or remove."""
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "SKILL.md").write_bytes(GREETER[0].data)
    return folder


def test_a_symlink_planted_where_a_tree_goes_is_not_followed(store: Store, precious: Path) -> None:
    store.add(COUNTER, name="counter")
    digest = build_tree(GREETER).digest
    before = contents(precious)
    (store.root / "trees" / f"{digest.hex}-greeter").symlink_to(precious)

    tree = store.add(GREETER, name="greeter")

    assert not tree.path.is_symlink()
    assert store.verified(digest) == tree
    assert contents(precious) == before


def test_a_half_tree_planted_where_a_tree_goes_is_replaced(store: Store) -> None:
    store.add(COUNTER, name="counter")
    digest = build_tree(GREETER).digest
    planted = store.root / "trees" / f"{digest.hex}-greeter"
    planted.mkdir()
    (planted / "SKILL.md").write_text("evil")

    assert store.get(digest) is None
    assert store.verified(store.add(GREETER, name="greeter").digest).path == planted
    assert (planted / "SKILL.md").read_bytes() == GREETER[0].data


@pytest.mark.parametrize("planted", ["symlink", "folder", "other-bytes", "empty", "writable"])
def test_a_blob_planted_before_its_time_is_replaced_not_shared(
    store: Store, precious: Path, planted: str
) -> None:
    store.add(COUNTER, name="counter")
    digits = blob_digest(GREETER[0].data).hex
    blob = store.root / "blobs" / digits[0] / digits
    blob.parent.mkdir(exist_ok=True)
    if planted == "symlink":
        blob.symlink_to(precious / "SKILL.md")
    elif planted == "folder":
        blob.mkdir()
        (blob / "file").write_text("x")
    else:
        same = GREETER[0].data
        blob.write_bytes({"other-bytes": b"-" * len(same), "empty": b""}.get(planted, same))
        blob.chmod(0o666 if planted == "writable" else 0o444)

    tree = store.add(GREETER, name="greeter")

    assert store.verified(tree.digest) == tree
    assert store.verify() == ()
    assert not blob.is_symlink()
    assert (tree.path / "SKILL.md").lstat().st_mode & 0o777 == 0o444
    assert (precious / "SKILL.md").read_bytes() == GREETER[0].data


def test_a_file_replaced_by_a_symlink_to_the_same_bytes_is_damage(
    store: Store, precious: Path
) -> None:
    """The bytes are right today; whoever owns the other file could change them tomorrow."""
    tree = store.add(GREETER, name="greeter")
    tree.path.chmod(0o755)
    (tree.path / "SKILL.md").unlink()
    (tree.path / "SKILL.md").symlink_to(precious / "SKILL.md")

    with pytest.raises(TreeDamaged, match="is neither a file nor a folder with files"):
        store.verified(tree.digest)


def test_a_tree_replaced_by_a_symlink_to_the_same_tree_is_not_there(
    store: Store, tmp_path: Path
) -> None:
    tree = store.add(GREETER, name="greeter")
    move_folder(tree.path, tmp_path / "elsewhere")
    tree.path.symlink_to(tmp_path / "elsewhere")

    assert store.get(tree.digest) is None
    assert store.paths_of([tree.digest]) == {}


def test_a_symlink_planted_as_a_lease_or_trash_is_removed_not_followed(
    store: Store, precious: Path
) -> None:
    store.add(COUNTER, name="counter")
    (store.root / "trash" / "link").symlink_to(precious)
    (store.root / "tmp" / "dead").mkdir()
    (store.root / "tmp" / "dead" / "link").symlink_to(precious)
    before = contents(precious)

    store.add(GREETER, name="greeter")
    store.clear()

    assert contents(precious) == before
    assert names(store.root / "trash") == names(store.root / "tmp") == []


@pytest.mark.parametrize(
    "path",
    ["../escape", "/etc/passwd", "a/../../escape", "a//b", "a\\b", ".", "CON", "x:stream", "a\0b"],
)
def test_no_path_of_a_file_leaves_the_tree(store: Store, tmp_path: Path, path: str) -> None:
    before = contents(tmp_path)

    with pytest.raises(InvalidTree):
        store.add([FileEntry(path, b"x")], name="evil")

    assert contents(tmp_path) == before


def test_a_skill_cannot_pass_as_a_private_copy_to_be_deleted_unasked(
    store: Store, precious: Path
) -> None:
    """A marker alone is not enough: the files must be those of its digest."""
    tree = store.add(GREETER, name="greeter")
    (precious / ".spm-copy").write_text(f"{tree.digest}\n")
    before = contents(precious)

    changed = "a private copy that was changed since it was installed"
    with pytest.raises(NotOurs, match=changed):
        unlink_skill(precious)
    with pytest.raises(NotOurs, match=changed):
        link_skill(tree.path, precious)

    assert contents(precious) == before


def test_a_tree_with_a_symlink_in_it_is_not_copied_into_a_project(
    store: Store, tmp_path: Path, precious: Path
) -> None:
    tree = store.add(GREETER, name="greeter")
    tree.path.chmod(0o755)
    (tree.path / "way-out").symlink_to(precious)

    with pytest.raises(TreeDamaged):
        copy_skill(tree.path, tmp_path / "project" / "greeter")

    assert names(tmp_path / "project") == []


def test_a_source_folder_cannot_bring_in_a_file_of_the_user(tmp_path: Path, precious: Path) -> None:
    skill = tmp_path / "skill"
    (skill / "docs").mkdir(parents=True)
    (skill / "docs" / "secrets").symlink_to(precious)

    with pytest.raises(FolderRefused) as caught:
        read_folder(skill)

    assert caught.value.reason == "symlink-leaves"
    assert caught.value.path == "docs/secrets"


def test_a_pipe_in_place_of_a_stored_file_does_not_hang_a_load(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")
    tree.path.chmod(0o755)
    (tree.path / "SKILL.md").unlink()
    os.mkfifo(tree.path / "SKILL.md")

    with pytest.raises(TreeDamaged):
        store.verified(tree.digest)
