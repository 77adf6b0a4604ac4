"""What kind of disk a path is on, whether its locks hold between machines, and who shares it.

Everything is read from the kernel's mount table, which is an argument; where there is
none, or it does not name the path, the disk counts as local. Nothing here changes the
disk but ``SharingDisk``, which is a ``Disk`` like any other.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from spm_store.durable import Disk
from spm_store.errors import NetworkRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOUNT_TABLE = "/proc/self/mountinfo"

Reach: TypeAlias = Literal["local", "network", "unsafe"]
"""``network``: other machines may use it, and its locks hold between them;
``unsafe``: other machines may use it, and nothing says that its locks hold."""

_LOCKING = frozenset({"nfs", "nfs4", "ceph", "fuse.ceph", "lustre", "gpfs", "gfs2", "ocfs2"})
_UNSAFE = frozenset(
    """
    9p afs cifs coda davfs fuse.davfs2 fuse.curlftpfs fuse.gcsfuse fuse.glusterfs fuse.osxfs
    fuse.rclone fuse.s3fs fuse.sshfs fuse.vmhgfs-fuse ncpfs prl_fs smb2 smb3 smbfs vboxsf
    virtiofs vmhgfs
    """.split()  # noqa: SIM905 - names read better without forty quotation marks
)
_LOCAL_LOCKS = frozenset(
    {"nolock", "localflock", "local_lock=all", "local_lock=flock", "local_lock=posix"}
)
_SHARED = stat.S_IWGRP | stat.S_ISGID
_FIELDS_BEFORE, _FIELDS_AFTER = 6, 3


class Mount(NamedTuple):
    """One line of the mount table."""

    place: str
    """Where it is mounted."""
    kind: str
    """``ext4``, ``nfs4``, ``fuse.sshfs`` …"""
    source: str
    options: frozenset[str]
    device: str
    """``major:minor``"""

    @property
    def reach(self) -> Reach:
        """Whether other machines may use what is mounted, and whether locks hold then."""
        if self.kind in _LOCKING:
            return "unsafe" if self.options & _LOCAL_LOCKS else "network"
        if self.kind in _UNSAFE:
            return "unsafe"
        elsewhere = ":" in self.source or self.source.startswith("//")
        return "unsafe" if self.kind.startswith("fuse") and elsewhere else "local"


def read_mounts(mount_table: str = MOUNT_TABLE) -> tuple[Mount, ...]:
    """Return what is mounted, in the order of mounting; nothing where no table can be read.

    Source: proc(5), ``/proc/pid/mountinfo``. A line that is not of that form is left out.
    """
    try:
        with open(mount_table, encoding="utf-8", errors="surrogateescape") as table:
            return _parsed(table.read())
    except OSError:
        return ()


def mount_of(path: str, mount_table: str = MOUNT_TABLE) -> Mount | None:
    """Return the mount that ``path`` is on, or would be if it does not exist; None if unknown."""
    real = os.path.realpath(path)
    around = [mount for mount in read_mounts(mount_table) if _is_below(real, mount.place)]
    if not around:
        return None
    device = _device_of(real)
    # The longest place, and of those the last; a mount hidden by a later one has
    # another device than the path.
    return max(
        enumerate(around),
        key=lambda item: (item[1].device == device, len(item[1].place), item[0]),
    )[1]


def reach_of(path: str, mount_table: str = MOUNT_TABLE) -> Reach:
    """Return how far the disk under ``path`` reaches."""
    mount = mount_of(path, mount_table)
    return mount.reach if mount is not None else "local"


def refuse_unsafe(root: str, mount_table: str = MOUNT_TABLE) -> None:
    """Refuse to write a store where locks may not hold between machines.

    Raises:
        NetworkRefused: the store at ``root`` is on such a file system.

    """
    mount = mount_of(root, mount_table)
    if mount is not None and mount.reach == "unsafe":
        raise NetworkRefused(root, mount.kind)


def is_shared(root: str) -> bool:
    """Whether a group shares the store at ``root``, or would if it were made now.

    So it is where the folder, or the one it would be made in, is group-writable and
    hands its group down (setgid).
    """
    try:
        return os.stat(_existing(root)).st_mode & _SHARED == _SHARED
    except OSError:
        return False


def may_remove(path: str) -> bool:
    """Whether this user may move ``path`` away and remove everything below it.

    False for what another user of a shared store made read-only. What vanishes
    meanwhile is no obstacle.
    """
    user = os.geteuid()
    if user == 0:
        return True
    pending = [path]
    while pending:
        folder = pending.pop()
        try:
            status = os.lstat(folder)
            if not stat.S_ISDIR(status.st_mode):
                continue
            ours = status.st_uid == user  # then it can be made writable
            if not ours and not os.access(folder, os.W_OK | os.X_OK):
                return False
            with os.scandir(folder) as entries:
                pending += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True


class SharingDisk(Disk):
    """A disk that gives the group what it gives the owner, for stores a group shares.

    Trees stay read-only: only folders in the making, and files that change, are
    writable for the group.
    """

    def __init__(self) -> None:
        """Prepare; the umask belongs to the whole process, so one thread changes it at a time."""
        from threading import Lock

        self._lock = Lock()

    def make_folder(self, path: str, mode: int = 0o777) -> None:
        """Create one directory that hands its group down."""
        with self._lock:
            # Others of the group may use it at once, before its mode could be changed.
            before = os.umask(stat.S_IWOTH)
            try:
                super().make_folder(path, _for_group(mode))
            finally:
                os.umask(before)
        # A lease is swept if its flock is not held yet: who uses the folder misses it then.
        with suppress(FileNotFoundError):
            self.set_mode(path, _for_group(mode & ~stat.S_IWOTH) | stat.S_ISGID)

    def write_file(self, path: str, data: bytes, mode: int) -> None:
        """Create a file; a writable one is writable for the group too."""
        super().write_file(path, data, _for_group(mode))


def disk_for(root: str) -> Disk:
    """Return the disk for the store at ``root``: a sharing one if a group shares it."""
    return SharingDisk() if is_shared(root) else Disk()


def share_with_group(disk: Disk, path: str, mode: int) -> None:
    """Give the group of a shared store its rights on ``path``, if it is ours to give."""
    if not isinstance(disk, SharingDisk):
        return
    status = os.lstat(path)
    if status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) != mode:
        disk.set_mode(path, mode)


def _for_group(mode: int) -> int:
    return mode | (mode & stat.S_IRWXU) >> 3


@lru_cache(maxsize=4)
def _parsed(table: str) -> tuple[Mount, ...]:
    """Return the lines of a table; one that did not change is not taken apart again."""
    return tuple(_mounts(table.split("\n")))


def _mounts(table: Iterable[str]) -> Iterator[Mount]:
    for line in table:
        before, _, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if len(fields) < _FIELDS_BEFORE or len(rest) < _FIELDS_AFTER:
            continue
        options = frozenset(f"{fields[5]},{rest[2]}".split(","))
        yield Mount(_unescaped(fields[4]), rest[0], _unescaped(rest[1]), options, fields[2])


def _unescaped(text: str) -> str:
    """Undo the table's escapes of space, tab, line feed and backslash."""
    for escaped, meant in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(escaped, meant)
    return text


def _is_below(path: str, folder: str) -> bool:
    return folder in {"/", path} or path.startswith(f"{folder}/")


def _device_of(path: str) -> str:
    try:
        device = os.stat(_existing(path)).st_dev
    except OSError:
        return ""
    return f"{os.major(device)}:{os.minor(device)}"


def _existing(path: str) -> str:
    """Return ``path`` or the nearest folder above it that is there."""
    while not os.path.lexists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path
