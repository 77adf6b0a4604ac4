"""Network file systems: used in a mode that is safe there, or refused for writing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from spm_spec.errors import EXIT_ENVIRONMENT
from spm_store.errors import NetworkRefused
from spm_store.filesystems import mount_of, reach_of, read_mounts
from spm_store.store import Store
from tests.support.stored import COUNTER, GREETER, contents, names

UNSAFE_HINT = (
    "choose a folder on a local disk with `SPM_DATA`;"
    " this store can still be read, as a lower one in `SPM_STORE_PATH`"
)


def table_of(folder: Path, *lines: str) -> str:
    """Write a mount table of ``place kind source options`` and return its path."""
    text = "20 1 0:19 / / rw,relatime - ext4 /dev/vda rw\n"
    for number, line in enumerate(lines, 30):
        place, kind, source, options = line.split(" ")
        text += f"{number} 20 0:{number} / {place} rw shared:1 - {kind} {source} {options}\n"
    path = folder / "mountinfo"
    path.write_text(text)
    return str(path)


def opened(folder: Path, *lines: str) -> Store:
    return Store(folder / "disk" / "v1", mount_table=table_of(folder, *lines))


@pytest.mark.parametrize(
    ("kind", "source", "options", "reach"),
    [
        ("ext4", "/dev/sda1", "rw", "local"),
        ("xfs", "/dev/sda1", "rw", "local"),
        ("btrfs", "/dev/sda1", "rw,subvol=/a", "local"),
        ("tmpfs", "none", "rw", "local"),
        ("overlay", "overlay", "rw", "local"),
        ("fuseblk", "/dev/sdb1", "rw", "local"),
        ("fuse.gocryptfs", "/home/me/cipher", "rw", "local"),
        ("never-heard-of", "x", "rw", "local"),
        ("nfs", "server:/export", "rw,local_lock=none", "network"),
        ("nfs4", "server:/export", "rw,local_lock=none", "network"),
        ("ceph", "1.2.3.4:6789:/", "rw", "network"),
        ("lustre", "10.0.0.1@tcp:/fs", "rw,flock", "network"),
        ("nfs", "server:/export", "rw,nolock", "unsafe"),
        ("nfs", "server:/export", "rw,local_lock=all", "unsafe"),
        ("nfs", "server:/export", "rw,local_lock=flock", "unsafe"),
        ("nfs", "server:/export", "rw,local_lock=posix", "unsafe"),
        ("lustre", "10.0.0.1@tcp:/fs", "rw,localflock", "unsafe"),
        ("cifs", "//server/share", "rw", "unsafe"),
        ("smb3", "//server/share", "rw", "unsafe"),
        ("9p", "C:\\134", "rw", "unsafe"),
        ("virtiofs", "home", "rw", "unsafe"),
        ("fuse.sshfs", "me@server:/home", "rw", "unsafe"),
        ("fuse.rclone", "remote:", "rw", "unsafe"),
        ("davfs", "https://server/dav", "rw", "unsafe"),
        ("fuse.something", "server:/export", "rw", "unsafe"),
        ("fuse", "//server/share", "rw", "unsafe"),
    ],
)
def test_how_far_a_disk_reaches_is_told_by_its_kind(
    tmp_path: Path, kind: str, source: str, options: str, reach: str
) -> None:
    table = table_of(tmp_path, f"{tmp_path} {kind} {source} {options}")

    assert reach_of(f"{tmp_path}/store/v1", table) == reach


def test_the_nearest_mount_counts_and_of_one_place_the_last(tmp_path: Path) -> None:
    table = table_of(
        tmp_path,
        f"{tmp_path} nfs server:/a rw",
        f"{tmp_path}/in cifs //server/b rw",
        f"{tmp_path}/in xfs /dev/sdb rw",
        f"{tmp_path}/input cifs //server/c rw",
    )

    found = [mount_of(f"{tmp_path}/{path}", table) for path in ("", "in", "in/side", "inner")]

    assert [mount and mount.kind for mount in found] == ["nfs", "xfs", "xfs", "nfs"]
    assert [mount and mount.place for mount in found] == [
        str(tmp_path),
        f"{tmp_path}/in",
        f"{tmp_path}/in",
        str(tmp_path),
    ]


def test_a_link_is_followed_to_the_disk_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "near").symlink_to("far")
    table = table_of(tmp_path, f"{tmp_path}/far cifs //server/share rw")

    assert reach_of(f"{tmp_path}/near/store", table) == "unsafe"


def test_names_in_the_table_are_unescaped_and_odd_lines_left_out(tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.write_bytes(
        b"20 1 0:19 / /a\\040b\\011c\\134d rw - ext4 /dev/x rw\n"
        b"\n21 1 0:19 / /short - ext4\nno separator at all here really\n"
        b"22 1 0:19 / /\xff rw - ext4 /dev/y rw\n"
    )

    assert [mount.place for mount in read_mounts(str(table))] == ["/a b\tc\\d", "/\udcff"]


def test_without_a_table_every_disk_counts_as_local(tmp_path: Path) -> None:
    assert read_mounts(str(tmp_path / "none")) == ()
    assert mount_of("/", str(tmp_path / "none")) is None
    assert reach_of("/", str(tmp_path / "none")) == "local"


def test_this_machine_has_a_table_with_a_root() -> None:
    if not read_mounts():
        pytest.skip("this system has no mount table")

    mount = mount_of("/proc/self")

    assert mount is not None
    assert (mount.place, mount.kind) == ("/proc", "proc")


def test_a_store_without_dependable_locks_is_refused_at_the_first_write(tmp_path: Path) -> None:
    with opened(tmp_path, f"{tmp_path}/disk cifs //server/share rw") as store:
        for write in (
            lambda: store.add(GREETER, name="greeter"),
            lambda: store.lease("trying"),
            lambda: store.index.mark_used([], 0),
        ):
            with pytest.raises(NetworkRefused) as caught:
                write()
            assert caught.value.message == (
                f"{store.root}: the store is on a file system of kind `cifs`,"
                " where locks may not hold"
            )
            assert caught.value.hint == UNSAFE_HINT
            assert caught.value.exit_code == EXIT_ENVIRONMENT
        assert not store.root.exists()


def test_a_store_without_dependable_locks_can_be_read(tmp_path: Path) -> None:
    with Store.open(tmp_path / "disk" / "v1") as local:
        tree = local.add(GREETER, name="greeter")
    (local.root / "tmp" / ("d" * 32)).mkdir()
    before = contents(local.root)

    with opened(tmp_path, f"{tmp_path}/disk fuse.sshfs me@server:/ rw") as store:
        assert list(store.trees()) == [tree]
        with store.pinned(tree.digest, "running") as pinned:
            assert pinned == tree
        assert not store.is_writable()
        store.sweep()
        with pytest.raises(NetworkRefused):
            store.add(COUNTER, name="counter")

    assert contents(local.root) == before


def has_log(index: str) -> bool:
    """Whether the file says that it keeps a write-ahead log (SQLite file format, 1.3.3)."""
    return Path(index).read_bytes()[18] == 2


def test_on_a_network_disk_the_index_keeps_no_log(tmp_path: Path) -> None:
    with opened(tmp_path, f"{tmp_path}/disk nfs4 server:/export rw,local_lock=none") as store:
        tree = store.add(GREETER, name="greeter")

        assert not has_log(store.index.path)
        assert not [name for name in names(store.root) if name.endswith(("-wal", "-shm"))]
        with Store(store.root, mount_table=store.mount_table) as other:
            assert other.verified(tree.digest) == tree
            other.add(COUNTER, name="counter")
        assert len(list(store.trees())) == 2
        assert store.verify() == ()


def test_an_index_with_a_log_loses_it_on_a_network_disk(tmp_path: Path) -> None:
    """The store was made on a local disk and moved."""
    with Store.open(tmp_path / "disk" / "v1") as local:
        tree = local.add(GREETER, name="greeter")
    assert has_log(local.index.path)

    with opened(tmp_path, f"{tmp_path}/disk nfs4 server:/export rw") as store:
        assert store.get(tree.digest) == tree
        store.add(COUNTER, name="counter")
        assert not has_log(store.index.path)
    with Store.open(local.root) as local:
        assert len(list(local.trees())) == 2


def test_an_index_of_the_first_format_is_migrated_on_a_network_disk(tmp_path: Path) -> None:
    with Store.open(tmp_path / "disk" / "v1") as local:
        tree = local.add(GREETER, name="greeter")
    with closing(sqlite3.connect(local.index.path, isolation_level=None)) as connection:
        connection.executescript("ALTER TABLE trees DROP COLUMN used; PRAGMA user_version = 1")

    with opened(tmp_path, f"{tmp_path}/disk nfs4 server:/export rw") as store:
        store.index.mark_used([tree.digest.raw], 7)

        assert [row.used for row in store.index.all_rows()] == [7]
        assert (store.root / "index-1.sqlite").exists()
