"""The store's whole story on every file system that this machine can mount.

What cannot be mounted is skipped, with the words of whoever refused.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spm_spec.tree import FileEntry, InvalidTree
from spm_store.durable import Disk
from spm_store.errors import TreeDamaged
from spm_store.layout import copy_skill, link_skill, unlink_skill
from spm_store.sets import Shown
from spm_store.store import Store
from tests.support.file_systems import FileSystems, Unavailable, remount, skip
from tests.support.program import Program, snapshot, write_skill
from tests.support.stored import COUNTER, GREETER, contents, names

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
ORDINARY = "ordinary"
FOR_STORES = [ORDINARY, "tmpfs", "xfs", "btrfs", "casefold", "overlay"]
FOR_PROJECTS = [*FOR_STORES, "vfat"]
SHARES_EXTENTS = {"xfs", "btrfs"}
DIES = """
import os, sys
from pathlib import Path
from spm_store.durable import Disk
from spm_store.store import Store
from tests.support.stored import COUNTER

class Dying(Disk):
    def commit(self, write):
        os._exit(9)

store = Store(Path(sys.argv[1]), disk=Dying())
store.add(COUNTER, name="counter")
"""
ADDS = """
import sys
from pathlib import Path
from spm_store.store import Store
from tests.support.stored import COUNTER, GREETER

with Store.open(Path(sys.argv[1])) as store:
    for _ in range(10):
        store.add(GREETER, name="greeter")
        store.add(COUNTER, name="counter")
    assert store.verify() == ()
"""


@pytest.fixture(scope="module")
def file_systems() -> Iterator[FileSystems]:
    """What this process mounted, gone after the last test."""
    with FileSystems() as made:
        yield made


def folder_on(
    kind: str, file_systems: FileSystems, tmp_path: Path, request: pytest.FixtureRequest
) -> Path:
    if kind == ORDINARY:
        return tmp_path
    try:
        return file_systems.folder(kind)
    except Unavailable as missing:
        skip(missing, request)
        raise


@pytest.fixture
def kind() -> str:
    """The file system of a test; tests say which they need."""
    return ORDINARY


@pytest.fixture
def disk(
    kind: str, file_systems: FileSystems, tmp_path: Path, request: pytest.FixtureRequest
) -> Path:
    """A new folder on that file system."""
    return folder_on(kind, file_systems, tmp_path, request)


@pytest.fixture
def store(disk: Path) -> Iterator[Store]:
    with Store.open(disk / "v1") as opened:
        yield opened


on_each = pytest.mark.parametrize("kind", FOR_STORES)


def files_of(tree: Path) -> dict[str, Path]:
    return {str(path.relative_to(tree)): path for path in tree.rglob("*") if path.is_file()}


def spoil(path: Path) -> None:
    """Change one file of the store, as a careless program does."""
    path.chmod(0o644)
    path.write_bytes(b"harm")


@on_each
def test_trees_are_stored_whole_with_their_executable_bits(store: Store) -> None:
    greeter = store.add(GREETER, name="greeter")
    counter = store.add(COUNTER, name="counter")

    assert store.verify() == ()
    assert store.verified(greeter.digest) == greeter
    assert {
        path: (file.read_bytes(), stat.S_IMODE(file.lstat().st_mode))
        for path, file in files_of(greeter.path).items()
    } == {file.path: (file.data, 0o555 if file.executable else 0o444) for file in GREETER}
    assert stat.S_IMODE(counter.path.lstat().st_mode) == 0o555


@on_each
def test_equal_files_share_their_bytes(kind: str, store: Store) -> None:
    """By extents where the file system can, else as one inode; empty files never."""
    same = files_of(store.add(GREETER, name="greeter").path)["src/skill.py"]
    too = files_of(store.add(COUNTER, name="counter").path)["src/skill.py"]
    empty = files_of(store.add(GREETER, name="greeter").path)["src/__init__.py"]

    shares_inode = same.lstat().st_ino == too.lstat().st_ino
    assert shares_inode != (kind in SHARES_EXTENTS)
    assert empty.lstat().st_nlink == 1


@on_each
def test_harm_to_one_file_is_found_refused_and_undone(store: Store) -> None:
    greeter = store.add(GREETER, name="greeter")
    spoil(greeter.path / "SKILL.md")

    damages = store.verify()
    with pytest.raises(TreeDamaged):
        store.verified(greeter.digest)
    again = store.add(GREETER, name="greeter")

    assert damages
    assert again == greeter
    assert store.verify() == ()
    assert store.verified(greeter.digest) == greeter


@on_each
def test_a_link_and_a_private_copy_show_what_is_stored(store: Store, disk: Path) -> None:
    tree = store.add(GREETER, name="greeter")
    linked, copied, cloned = (disk / "project" / name for name in ("linked", "copied", "cloned"))

    link_skill(tree.path, linked)
    copy_skill(tree.path, copied)
    copy_skill(tree.path, cloned, clone=True)

    for shown in (linked, copied, cloned):
        assert (shown / "scripts/greet.sh").read_bytes() == b"#!/bin/sh\necho hello\n"
        assert os.access(shown / "scripts/greet.sh", os.X_OK)
        assert shown == linked or not os.access(shown / "SKILL.md", os.X_OK) or os.geteuid() == 0
    inodes = {file.lstat().st_ino for file in files_of(tree.path).values()}
    for private in (copied, cloned):
        assert not inodes & {file.lstat().st_ino for file in files_of(private).values()}
        (private / "SKILL.md").write_bytes(b"mine")
    assert store.verify() == ()
    assert unlink_skill(linked)
    assert unlink_skill(copied, force=True)
    assert store.verified(tree.digest) == tree


@on_each
def test_what_a_project_shows_survives_the_collector_and_the_rest_goes(
    store: Store, disk: Path
) -> None:
    greeter = store.add(GREETER, name="greeter")
    counter = store.add(COUNTER, name="counter")
    project = disk / "project"
    project.mkdir()
    with store.lease("a test") as lease:
        lease.want([greeter.digest])
        shown = store.show([Shown("greeter", "1.0.0", greeter.digest)], lease)
        store.keep(project, {1: shown.digest})

    store.collect(max_age=0)

    assert [tree.name for tree in store.trees()] == ["greeter"]
    assert not counter.path.exists()
    assert (shown.path / "greeter/1.0.0/SKILL.md").is_file()
    assert store.verify() == ()
    assert names(store.root / "trash") == names(store.root / "tmp") == []


@on_each
def test_an_add_that_is_killed_before_its_row_leaves_nothing_that_counts(store: Store) -> None:
    greeter = store.add(GREETER, name="greeter")
    run = subprocess.run([sys.executable, "-c", DIES, str(store.root)], check=False, cwd=ROOT)

    left = [tree.name for tree in store.trees()]
    counter = store.add(COUNTER, name="counter")

    assert run.returncode == 9
    assert left == ["greeter"]
    assert store.verified(greeter.digest) == greeter
    assert store.verified(counter.digest) == counter
    assert store.verify() == ()
    assert names(store.root / "trash") == names(store.root / "tmp") == []


@on_each
def test_two_processes_that_add_the_same_both_succeed(disk: Path) -> None:
    words = [sys.executable, "-c", ADDS, str(disk / "v1")]
    runs = [subprocess.Popen(words, cwd=ROOT) for _ in range(2)]

    codes = [run.wait(timeout=40) for run in runs]

    assert codes == [0, 0]
    with Store.open(disk / "v1") as store:
        assert sorted(tree.name for tree in store.trees()) == ["counter", "greeter"]
        assert store.verify() == ()


@on_each
def test_names_that_differ_in_case_alone_are_refused_everywhere(store: Store) -> None:
    """Else the tree could not be laid out where the file system does not tell them apart."""
    store.add(GREETER, name="greeter")
    before = contents(store.root / "trees")

    with pytest.raises(InvalidTree) as caught:
        store.add([FileEntry("SKILL.md", b"one"), FileEntry("skill.md", b"two")], name="twins")

    assert caught.value.reason == "case-collision"
    assert contents(store.root / "trees") == before


@on_each
def test_names_swap_places_or_the_disk_says_it_cannot(disk: Path) -> None:
    (disk / "one").mkdir()
    (disk / "one" / "file").write_text("one")
    (disk / "other").mkdir()

    swapped = Disk().exchange(str(disk / "one"), str(disk / "other"))

    assert (disk / ("other" if swapped else "one") / "file").read_text() == "one"


@pytest.mark.parametrize("kind", ["tmpfs", "xfs"])
def test_a_store_on_a_read_only_disk_is_read_and_not_changed(store: Store) -> None:
    greeter = store.add(GREETER, name="greeter")
    store.close()
    mount = next(path for path in store.root.parents if path.is_mount())
    before = contents(store.root)

    remount(mount, read_only=True)
    try:
        with Store.open(store.root) as reader:
            verified = reader.verified(greeter.digest)
            damages = reader.verify()
            with pytest.raises(Exception, match="read-only file system") as refused:
                reader.add(COUNTER, name="counter")
    finally:
        remount(mount, read_only=False)

    assert verified == greeter
    assert damages == ()
    assert getattr(refused.value, "hint", "").startswith("mount it for writing")
    assert contents(store.root) == before


@pytest.mark.parametrize("kind", FOR_PROJECTS)
@pytest.mark.parametrize("mode", ["symlink", "copy", "reflink"])
def test_a_project_is_installed_changed_and_emptied(
    kind: str, disk: Path, tmp_path: Path, mode: str
) -> None:
    """The store is on the ordinary disk, so that copies cross file systems."""
    program = Program.below(tmp_path)
    for name in ("alpha", "beta"):
        write_skill(tmp_path, name, files={"scripts/run.sh": "#!/bin/sh\n"})
    project = disk / "project"
    project.mkdir()
    above = os.path.relpath(tmp_path, project)
    text = f'[skills]\nalpha = {{ path = "{above}/alpha" }}\n'
    more = f'beta = {{ path = "{above}/beta" }}\n'
    settings = f'\n[settings]\nlink-mode = "{mode}"\n'
    (project / "skills.toml").write_text(text + more + settings)

    installed = program("install", folder=project)
    shown = [project / ".roundtable/skills" / name / "1.0.0" for name in ("alpha", "beta")]
    there = [(path / "SKILL.md").is_file() for path in shown]
    settled = snapshot(project)
    again = program("install", folder=project)
    unchanged = snapshot(project) == settled
    (project / "skills.toml").write_text(text + settings)
    fewer = program("install", folder=project)

    assert (installed.code, again.code, fewer.code) == (0, 0, 0), installed.err + fewer.err
    assert there == [True, True]
    assert unchanged
    assert (shown[0] / "scripts/run.sh").read_text() == "#!/bin/sh\n"
    assert not shown[1].exists()
    assert shown[0].is_symlink() == (kind != "vfat" and mode == "symlink")
    assert program("store", "verify").code == 0
