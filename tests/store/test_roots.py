"""Roots say what projects need, in files that are whole, strict, and never taken for empty."""

from __future__ import annotations

import errno
import os
import re
import stat
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spm_store.errors import RootUnreadable, StoreFailure
from spm_store.filesystems import Mount
from spm_store.presence import Lookout
from spm_store.roots import Root, decode, encode, escape, root_path, unescape
from tests.support.stored import GREETER, contents, names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from spm_store.store import Store

SET, OTHER_SET = "5e" * 32, "07" * 32


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def kept(store: Store, project: Path) -> Path:
    """The file of a root for ``project``."""
    store.add(GREETER, name="greeter")
    store.keep(project, {3: SET, 4: OTHER_SET})
    return Path(root_path(os.fspath(store.root), os.fspath(project)))


def test_a_root_says_what_the_project_needs(store: Store, project: Path, kept: Path) -> None:
    (root,) = store.roots()

    assert (root.kind, root.place) == ("project", project)
    assert root.generations == {3: SET, 4: OTHER_SET}
    assert stat.S_IMODE(kept.stat().st_mode) == 0o644


def test_a_root_is_replaced_whole(store: Store, project: Path, kept: Path) -> None:
    store.keep(project, {5: SET})

    assert store.roots()[0].generations == {5: SET}
    assert names(kept.parent) == [kept.name]


def test_keeping_the_same_writes_nothing(store: Store, project: Path, kept: Path) -> None:
    before = kept.stat()

    store.keep(project, {4: OTHER_SET, 3: SET})

    assert kept.stat().st_ino == before.st_ino


def test_a_profile_is_a_root_of_its_own_kind(store: Store, tmp_path: Path) -> None:
    store.add(GREETER, name="greeter")

    store.keep(tmp_path, {1: SET}, kind="profile")

    assert store.roots()[0].kind == "profile"


def test_forgetting_a_project_removes_its_root(store: Store, project: Path, kept: Path) -> None:
    assert store.forget(project)

    assert not kept.exists()
    assert store.roots() == ()
    assert not store.forget(project)


def test_a_project_reached_by_a_symlink_is_the_same_project(
    store: Store, project: Path, kept: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(project)

    store.keep(tmp_path / "link", {9: SET})

    assert root_path(os.fspath(store.root), os.fspath(tmp_path / "link")) == os.fspath(kept)
    assert [root.place for root in store.roots()] == [project]


def test_a_store_without_roots_has_none(store: Store) -> None:
    assert store.roots() == ()


def test_an_interrupted_writer_leaves_nothing_that_counts(store: Store, kept: Path) -> None:
    (kept.parent / f".new-{'0' * 32}").write_bytes(b"spm root 1\nki")

    assert len(store.roots()) == 1


def test_a_full_disk_leaves_the_old_root(
    store: Store, project: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(store.root)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", os.fspath(kept))

    monkeypatch.setattr(store.disk, "sync", full)
    with pytest.raises(StoreFailure) as refused:
        store.keep(project, {8: SET})

    assert refused.value.message == f"{kept}: no space left on device"
    assert contents(store.root) == before


GOOD = encode(Root("project", Path("/a b"), Path("/"), "1f", {1: SET, 12: OTHER_SET})).decode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "it does not begin with `spm root 1`"),
        (GOOD.replace("root 1", "root 2", 1), "it does not begin with `spm root 1`"),
        (GOOD.replace("kind project", "kind tenant"), "`tenant` is no kind of root"),
        (GOOD.replace("kind project\n", ""), "`kind` is missing"),
        (GOOD[: GOOD.index("mount")], "it is cut off"),
        (GOOD.removesuffix("end\n"), "it is cut off"),
        (GOOD[:-1], "it is not what spm writes"),
        (GOOD + "more\n", "it is not what spm writes"),
        (GOOD.replace("%20", "%2z"), "`/a%2zb` is not escaped rightly"),
        (GOOD.replace("%20", "%2"), "it is not what spm writes"),
        (GOOD.replace("generation 1 ", "generation 01 "), "it is not what spm writes"),
        (GOOD.replace("generation 1 ", "generation -1 "), "names no generation"),
        (GOOD.replace(SET, SET.upper()), "names no generation"),
        (GOOD.replace("generation 12", "generation 1"), "it is not what spm writes"),
        (GOOD.replace("/a%20b", "/%61%20b"), "it is not what spm writes"),
        (GOOD.replace("\n", "\r\n"), "it does not begin with `spm root 1`"),
        (GOOD.replace("/a", "/ä"), "codec can't decode"),
    ],
)
def test_a_root_that_is_not_what_was_written_is_refused(
    store: Store, kept: Path, data: str, reason: str
) -> None:
    kept.write_bytes(data.encode())

    with pytest.raises(RootUnreadable, match=re.escape(reason)) as refused:
        store.roots()

    assert refused.value.path == os.fspath(kept)
    assert refused.value.hint == (
        "make it readable, or remove it and run `spm install` in the project it spoke of"
    )


def test_a_root_under_the_name_of_another_is_refused(store: Store, kept: Path) -> None:
    kept.rename(kept.with_name("0" * 32))

    with pytest.raises(RootUnreadable, match="the root is damaged: it speaks of"):
        store.roots()


def test_a_root_that_is_too_large_or_no_file_is_refused(store: Store, kept: Path) -> None:
    kept.write_bytes(b"x" * (64 * 1024 + 1))
    with pytest.raises(RootUnreadable, match="the root is larger than 65536 bytes"):
        store.roots()

    kept.unlink()
    kept.mkdir()
    with pytest.raises(RootUnreadable, match="invalid argument"):
        store.roots()

    kept.rmdir()
    kept.symlink_to("/etc/passwd")
    with pytest.raises(RootUnreadable):
        store.roots()


def test_a_root_with_too_many_generations_is_refused(store: Store, kept: Path) -> None:
    lines = "".join(f"generation {number} {SET}\n" for number in range(1, 66))
    kept.write_text(GOOD[: GOOD.index("generation")] + lines + "end\n")

    with pytest.raises(RootUnreadable, match="it is not what spm writes"):
        store.roots()


@given(st.binary(min_size=1).filter(lambda path: b"\0" not in path))
def test_any_path_survives_escaping_in_one_line(path: bytes) -> None:
    escaped = escape(os.fsdecode(path))

    assert os.fsencode(unescape(escaped)) == path
    assert escaped.isascii()
    assert escaped.isprintable()
    assert " " not in escaped


@given(st.binary(max_size=300))
def test_any_bytes_are_a_root_or_a_value_error(data: bytes) -> None:
    try:
        root = decode(data)
    except ValueError:
        return
    assert encode(root) == data


def test_a_place_with_strange_bytes_is_kept(store: Store, tmp_path: Path) -> None:
    store.add(GREETER, name="greeter")
    place = tmp_path / os.fsdecode(b"line\nfeed %\xff \xc3\xa9")
    place.mkdir()

    store.keep(place, {1: SET})

    assert store.roots()[0].place == place


# Whether a project is gone.

HOME = (Mount("/", "ext4", "/dev/a", frozenset(), "8:1"),)
DISK = Mount("/disk", "ext4", "/dev/b", frozenset(), "8:2")


def lookout(
    there: Mapping[str, int | OSError],
    mounts: tuple[Mount, ...] = (*HOME, DISK),
    systems: Mapping[str, int] | None = None,
) -> Lookout:
    """Return one that sees only the folders (by mode) and file systems given."""
    known = {"/": 0xAA, "/disk": 0xBB} if systems is None else systems

    def status(path: str) -> os.stat_result:
        found = there.get(path, FileNotFoundError(errno.ENOENT, "No such file"))
        if isinstance(found, OSError):
            raise found
        return cast("os.stat_result", SimpleNamespace(st_mode=found, st_dev=7))

    def system(path: str) -> os.statvfs_result:
        return cast("os.statvfs_result", SimpleNamespace(f_fsid=known[path]))

    return Lookout(status, system, lambda: mounts)


FOLDER, LINK, FILE = stat.S_IFDIR, stat.S_IFLNK, stat.S_IFREG
ABOVE = {"/": FOLDER, "/disk": FOLDER, "/disk/work": FOLDER}
PLACE = "/disk/work/project"
ROOT = Root("project", Path(PLACE), Path("/disk"), "bb", {})


def test_a_project_whose_folder_is_there_is_there() -> None:
    assert lookout({**ABOVE, PLACE: FOLDER}).presence(ROOT) == ("there", "")


def test_a_deleted_project_is_gone() -> None:
    assert lookout(ABOVE).presence(ROOT) == ("gone", "")


def test_a_project_whose_parents_were_deleted_is_gone() -> None:
    assert lookout({"/": FOLDER, "/disk": FOLDER}).presence(ROOT) == ("gone", "")


def test_a_project_with_a_file_in_its_place_is_gone() -> None:
    assert lookout({**ABOVE, PLACE: FILE}).presence(ROOT) == ("gone", "")
    refused = NotADirectoryError(errno.ENOTDIR, "no")
    parent: dict[str, int | OSError] = {**ABOVE, "/disk/work": FILE, PLACE: refused}
    assert lookout(parent).presence(ROOT) == ("gone", "")


def test_a_project_on_a_disk_that_is_not_mounted_is_kept() -> None:
    seen = lookout({"/": FOLDER, "/disk": FOLDER}, mounts=HOME)

    assert seen.presence(ROOT) == ("out-of-reach", "`/disk` is not mounted")


def test_a_project_under_a_newer_mount_is_kept() -> None:
    mounts = (*HOME, DISK, DISK._replace(place="/disk/work"))
    seen = lookout(ABOVE, mounts, {"/": 1, "/disk": 0xBB, "/disk/work": 0xBB})

    assert seen.presence(ROOT) == ("out-of-reach", "`/disk` is not mounted")


def test_a_project_is_kept_if_another_file_system_is_in_place_of_its_own() -> None:
    seen = lookout(ABOVE, systems={"/": 0xAA, "/disk": 0xCC})

    assert seen.presence(ROOT) == (
        "out-of-reach",
        "another file system is mounted at `/disk`",
    )


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE, errno.ELOOP])
def test_a_project_that_cannot_be_looked_at_is_kept(number: int) -> None:
    seen = lookout({**ABOVE, PLACE: OSError(number, os.strerror(number))})

    assert seen.presence(ROOT) == ("out-of-reach", os.strerror(number).lower())


def test_a_project_behind_a_symlink_is_kept() -> None:
    """It was moved, and a link was left; where that leads may be unmounted."""
    seen = lookout({**ABOVE, PLACE: LINK})

    assert seen.presence(ROOT) == ("out-of-reach", "a symlink stands on the way to it")


def test_a_project_is_kept_where_nothing_says_what_is_mounted() -> None:
    seen = lookout(ABOVE, mounts=())

    assert seen.presence(ROOT)[0] == "out-of-reach"


def test_file_systems_that_share_an_identity_are_told_apart_by_device() -> None:
    """Every container of a machine may give the identity of the disk below."""
    mounts = (HOME[0]._replace(kind="overlay"),)

    assert lookout(ABOVE, mounts).seat_of("/work").system == "aa.7"
    assert lookout(ABOVE, HOME, {"/": 0}).seat_of("/work").system == "0.7"


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A folder with a tmpfs on it; skipped where that is not allowed."""
    place = tmp_path / "mounted"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "none", os.fspath(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", os.fspath(place)], capture_output=True, check=False)


def test_a_project_on_a_real_disk_is_kept_while_it_is_unmounted(
    store: Store, mounted: Path
) -> None:
    store.add(GREETER, name="greeter")
    (mounted / "project").mkdir()
    store.keep(mounted / "project", {1: SET})
    (root,) = store.roots()
    assert Lookout().presence(root) == ("there", "")

    (mounted / "project").rmdir()
    assert Lookout().presence(root) == ("gone", "")
    subprocess.run(["umount", os.fspath(mounted)], check=True)

    assert Lookout().presence(root) == ("out-of-reach", f"`{mounted}` is not mounted")
    subprocess.run(["mount", "-t", "tmpfs", "none", os.fspath(mounted)], check=True)
    assert Lookout().presence(root)[0] == "out-of-reach"
