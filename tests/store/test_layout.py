from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from spm_store.copies import is_changed
from spm_store.durable import Disk
from spm_store.errors import NotOurs, TreeDamaged
from spm_store.layout import copy_skill, copy_skills, is_ours, link_skill, unlink_skill
from tests.support.stored import COUNTER, GREETER, contents, names

if TYPE_CHECKING:
    from pathlib import Path

    from spm_store.store import Store

FORCE_HINT = "move it away, or replace it with `--force`"


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    return tmp_path / "project" / "skills" / "greeter" / "1.0.0"


def test_link_makes_one_symlink_and_the_folders_above(store: Store, destination: Path) -> None:
    tree = store.add(GREETER, name="greeter")

    assert link_skill(tree.path, destination)

    assert destination.readlink() == tree.path
    assert names(destination.parent) == ["1.0.0"]
    assert is_ours(destination, store.root)


def test_linking_again_changes_nothing(store: Store, destination: Path) -> None:
    tree = store.add(GREETER, name="greeter")
    link_skill(tree.path, destination)
    before = destination.lstat()

    assert not link_skill(tree.path, destination)

    assert destination.lstat() == before


def test_link_replaces_a_link_of_ours(store: Store, destination: Path) -> None:
    link_skill(store.add(GREETER, name="greeter").path, destination)
    other = store.add(COUNTER, name="counter")

    assert link_skill(other.path, destination)

    assert destination.readlink() == other.path
    assert names(destination.parent) == ["1.0.0"]


def test_link_replaces_a_link_into_a_store_that_moved(
    store: Store, destination: Path, tmp_path: Path
) -> None:
    tree = store.add(GREETER, name="greeter")
    destination.parent.mkdir(parents=True)
    destination.symlink_to(tmp_path / "gone" / "v1" / "trees" / tree.path.name)

    assert link_skill(tree.path, destination)

    assert destination.readlink() == tree.path


def test_link_refuses_a_symlink_of_the_user(
    store: Store, destination: Path, tmp_path: Path
) -> None:
    tree = store.add(GREETER, name="greeter")
    destination.parent.mkdir(parents=True)
    destination.symlink_to(tmp_path)

    with pytest.raises(NotOurs) as caught:
        link_skill(tree.path, destination)

    assert caught.value.message == (
        f"{destination}: a symlink to `{tmp_path}`, which is in no store of spm"
    )
    assert caught.value.hint == FORCE_HINT
    assert destination.readlink() == tmp_path
    assert not is_ours(destination)


def test_force_replaces_the_users_symlink_and_not_what_it_points_to(
    store: Store, destination: Path, tmp_path: Path
) -> None:
    tree = store.add(GREETER, name="greeter")
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("mine")
    destination.parent.mkdir(parents=True)
    destination.symlink_to(precious)

    assert link_skill(tree.path, destination, force=True)

    assert destination.readlink() == tree.path
    assert (precious / "file").read_text() == "mine"


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_link_refuses_what_spm_did_not_put_there(
    store: Store, destination: Path, kind: str
) -> None:
    tree = store.add(GREETER, name="greeter")
    destination.parent.mkdir(parents=True)
    if kind == "folder":
        destination.mkdir()
        (destination / "notes").write_text("mine")
    else:
        destination.write_text("mine")
    before = contents(destination.parent)

    with pytest.raises(NotOurs) as caught:
        link_skill(tree.path, destination)

    assert caught.value.message == f"{destination}: a {kind} that spm did not put there"
    assert contents(destination.parent) == before
    assert link_skill(tree.path, destination, force=True)
    assert destination.readlink() == tree.path
    assert names(destination.parent) == ["1.0.0"]


def test_removing_a_forced_folder_follows_no_symlink(
    store: Store, destination: Path, tmp_path: Path
) -> None:
    tree = store.add(GREETER, name="greeter")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("mine")
    destination.mkdir(parents=True)
    (destination / "way-out").symlink_to(tmp_path / "precious")

    link_skill(tree.path, destination, force=True)

    assert (tmp_path / "precious" / "file").read_text() == "mine"


def test_link_goes_on_after_a_crash_left_its_temporary_names(
    store: Store, destination: Path
) -> None:
    link_skill(store.add(GREETER, name="greeter").path, destination)
    destination.with_name(".1.0.0.spm-new").symlink_to("/nowhere")
    destination.with_name(".1.0.0.spm-old").mkdir()
    counter = store.add(COUNTER, name="counter")

    assert link_skill(counter.path, destination)

    assert destination.readlink() == counter.path
    assert names(destination.parent) == ["1.0.0"]


def test_copy_is_private_writable_and_keeps_the_executable_bit(
    store: Store, destination: Path
) -> None:
    tree = store.add(GREETER, name="greeter")

    assert copy_skill(tree.path, destination)

    script = destination / "scripts" / "greet.sh"
    assert stat.S_IMODE(script.lstat().st_mode) == 0o755
    assert stat.S_IMODE((destination / "SKILL.md").lstat().st_mode) == 0o644
    assert stat.S_IMODE((destination / "src").lstat().st_mode) == 0o755
    assert not script.samefile(tree.path / "scripts" / "greet.sh")
    assert (destination / ".spm-copy").read_text() == f"{tree.digest}\n"
    assert is_ours(destination)
    assert not is_changed(str(destination))
    assert not copy_skill(tree.path, destination)


def test_no_copy_is_made_of_a_damaged_tree(store: Store, destination: Path) -> None:
    tree = store.add(GREETER, name="greeter")
    (tree.path / "SKILL.md").chmod(0o644)
    (tree.path / "SKILL.md").write_text("edited")

    with pytest.raises(TreeDamaged, match="the tree is damaged: "):
        copy_skill(tree.path, destination)

    assert names(destination.parent) == []


def test_copies_are_on_the_disk_before_they_have_their_names(
    store: Store, destination: Path
) -> None:
    calls: list[str] = []

    class TellingDisk(Disk):
        def sync(self, path: str) -> None:
            calls.append(f"sync {os.path.relpath(path, destination.parents[2])}")

        def move(self, source: str, target: str) -> None:
            calls.append("move")
            super().move(source, target)

    tree = store.add(COUNTER, name="counter")

    made = copy_skills({str(destination): str(tree.path)}, sync=True, disk=TellingDisk())

    before, after = calls[: calls.index("move")], calls[calls.index("move") + 1 :]
    new = "skills/greeter/.1.0.0.spm-new"
    assert made == (str(destination),)
    assert sorted(before) == sorted(
        f"sync {new}{name}"
        for name in (
            "",
            "/.spm-copy",
            "/SKILL.md",
            "/assets",
            "/assets/__init__.py",
            "/src",
            "/src/skill.py",
        )
    )
    assert len(after) == 3


def test_editing_a_copy_does_not_reach_the_store(store: Store, destination: Path) -> None:
    tree = store.add(GREETER, name="greeter")
    copy_skill(tree.path, destination)

    (destination / "SKILL.md").write_text("edited")

    assert is_changed(str(destination))
    assert store.verified(tree.digest) == tree


@pytest.mark.parametrize("act", [copy_skill, link_skill])
def test_a_copy_the_user_changed_is_not_replaced_without_force(
    store: Store, destination: Path, act: object
) -> None:
    copy_skill(store.add(GREETER, name="greeter").path, destination)
    (destination / "new-file").write_text("mine")
    before = contents(destination)
    counter = store.add(COUNTER, name="counter")
    assert callable(act)

    with pytest.raises(NotOurs) as caught:
        act(counter.path, destination)

    assert caught.value.message == (
        f"{destination}: a private copy that was changed since it was installed"
    )
    assert contents(destination) == before
    assert act(counter.path, destination, force=True)
    assert (destination / "SKILL.md").read_bytes() == COUNTER[0].data
    assert names(destination.parent) == ["1.0.0"]


def test_link_and_copy_replace_each_other(store: Store, destination: Path) -> None:
    tree = store.add(GREETER, name="greeter")

    copy_skill(tree.path, destination)
    assert link_skill(tree.path, destination)
    assert destination.is_symlink()
    assert copy_skill(tree.path, destination)

    assert not destination.is_symlink()
    assert names(destination.parent) == ["1.0.0"]


@pytest.mark.parametrize("lay", [copy_skill, link_skill])
def test_unlink_removes_ours_and_leaves_the_store(
    store: Store, destination: Path, lay: object
) -> None:
    tree = store.add(GREETER, name="greeter")
    assert callable(lay)
    lay(tree.path, destination)

    assert unlink_skill(destination)

    assert names(destination.parent) == []
    assert store.verified(tree.digest) == tree
    assert not unlink_skill(destination)


def test_unlink_refuses_what_is_not_ours(destination: Path) -> None:
    destination.mkdir(parents=True)
    (destination / "notes").write_text("mine")

    with pytest.raises(NotOurs) as caught:
        unlink_skill(destination)

    assert caught.value.message == f"{destination}: a folder that spm did not put there"
    assert (destination / "notes").read_text() == "mine"
