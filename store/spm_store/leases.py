"""Who is at work in the store: leases, and the lock of those who remove.

A lease is a folder ``tmp/<lease>/`` whose owner holds a flock on it. The kernel
releases the flock when the owner dies, however it dies, so a folder whose flock can
be taken is abandoned and is swept by whoever comes next. Process numbers are never
looked at: two containers may share a volume and a number. On a network file system a
flock may be lost while its owner lives, so there a lease of another boot keeps for a day.

What the owner needs stands in the lease's record, ``tmp/<lease>/lease``, before the
owner asks whether the store has it. The record is written under ``gc.lock``, shared:
whoever holds it exclusively reads whole records only.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from time import time
from typing import TYPE_CHECKING, NamedTuple, Self

from spm_store.durable import Disk, remove_tree
from spm_store.errors import LeaseUnreadable, StoreFailure, storing
from spm_store.filesystems import (
    MOUNT_TABLE,
    SharingDisk,
    may_remove,
    reach_of,
    refuse_unsafe,
    share_with_group,
)
from spm_store.lease_records import (
    RECORD,
    RECORD_BYTES,
    boot_in,
    header_of,
    parse_record,
    record_bytes,
    unreadable,
)
from spm_store.locks import gc_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from spm_spec.digests import Digest
    from spm_store.filesystems import Reach
    from spm_store.lease_records import Record

WORK_FOLDER = "tmp"
ABANDONED_SECONDS = 24 * 3600.0
BOOT_ID = "/proc/sys/kernel/random/boot_id"

_STORE_FOLDERS = ("", "blobs", "trees", "shelves", "sets", "roots", WORK_FOLDER, "trash")
_SHARED_FOLDER = 0o2775
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class LiveLease(NamedTuple):
    """What someone at work says of itself."""

    path: str
    purpose: str
    process: int
    """For people; it may be a number of another machine."""
    wants: frozenset[bytes]
    """Raw digests of the trees it needs."""


def random_name() -> str:
    """Return 32 hex digits nobody else has."""
    return os.urandom(16).hex()


def boot_id(source: str = BOOT_ID) -> str:
    """Return what tells this boot of this machine from any other, "" where nothing does."""
    try:
        with open(source, encoding="ascii") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError):
        return ""


class Lease:
    """A private folder for unfinished work, held until ``close`` or death."""

    def __init__(
        self,
        root: str,
        disk: Disk,
        *,
        purpose: str = "adding trees",
        boot: str | None = None,
        mount_table: str = MOUNT_TABLE,
    ) -> None:
        """Take a new lease in the store at ``root``, making the folder if there is none.

        ``purpose`` is for people who ask why a tree is kept.

        Raises:
            NetworkRefused: locks may not hold there.
            StoreFailure: the system refused.

        """
        from threading import Lock

        self._root, self._disk, self._lock = root, disk, Lock()
        self.purpose = purpose
        self._boot = boot_id() if boot is None else boot
        self._wanted: set[bytes] = set()
        self._size: int | None = None  # of the record; None before there is one
        self._header = b""  # that the record begins with
        refuse_unsafe(root, mount_table)
        with storing(root):
            _make_store_folders(root, disk)
            self.path, self._descriptor = self._taken()

    def __enter__(self) -> Self:
        """Return the lease itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close; what cannot be removed now is swept by whoever comes next."""
        with suppress(OSError):
            self.close()

    def want(self, digests: Iterable[Digest]) -> None:
        """Record that the trees ``digests`` are needed, before asking whether they exist.

        When it returns, nobody removes them while the lease is held. Safe to call from
        several threads; what is recorded already costs nothing.

        Raises:
            StoreFailure: the record cannot be written; what it said before still holds.

        """
        with self._lock:
            new = {digest.raw for digest in digests} - self._wanted
            if not new:
                return
            lines = "".join(f"{raw.hex()}\n" for raw in sorted(new)).encode()
            with storing(self.path), gc_lock(self._root, exclusive=False):
                self._record(lines)
            self._wanted |= new

    def forget(self) -> None:
        """Want nothing any more; the lease is as good as new.

        The record keeps its header: a file that is emptied and written again is flushed
        by ext4 when it is closed, which costs more than the rest of a pin.

        Raises:
            StoreFailure: the record cannot be emptied; it still holds.

        """
        with self._lock:
            if self._size and self._wanted:
                size = len(self._header)
                with storing(self.path), gc_lock(self._root, exclusive=False):
                    self._disk.truncate(f"{self.path}/{RECORD}", size)
                self._size = size
            self._wanted.clear()

    def close(self) -> None:
        """Remove what is left of the work, then let go."""
        try:
            remove_tree(self._disk, self.path)
        finally:
            os.close(self._descriptor)

    def _taken(self) -> tuple[str, int]:
        while True:
            path = f"{self._root}/{WORK_FOLDER}/{random_name()}"
            self._disk.make_folder(path, 0o700)
            # A sweeper may find the folder before its flock is held, and remove it;
            # then the flock is refused, or held on a folder without a name.
            descriptor = _locked(path)
            if descriptor is None:
                continue
            if os.path.lexists(path):
                return path, descriptor
            os.close(descriptor)

    def _record(self, lines: bytes) -> None:
        """Add whole lines to the record, or leave it as it was."""
        path, header = f"{self.path}/{RECORD}", self._header
        if not self._wanted:
            header = header_of(self._boot, self.purpose)
            if self._size and header != self._header:  # it is for another purpose now
                self._disk.truncate(path, 0)
                self._size = 0
        size = self._size
        data = lines if size else header + lines
        if (size or 0) + len(data) > RECORD_BYTES:
            raise StoreFailure(path, f"more trees are needed than {RECORD_BYTES} bytes can name")
        try:
            if size is None:
                self._disk.write_file(path, data, 0o644)
            else:
                self._disk.append(path, data)
        except OSError:
            with suppress(FileNotFoundError):
                if size is None:
                    self._disk.remove_file(path)
                else:
                    self._disk.truncate(path, size)
            raise
        self._size, self._header = (size or 0) + len(data), header


def live_leases(
    root: str,
    *,
    boot: str | None = None,
    mount_table: str = MOUNT_TABLE,
    now: Callable[[], float] = time,
) -> tuple[LiveLease, ...]:
    """Return who is at work in the store at ``root``, in no order.

    Hold ``gc.lock`` exclusively: without it a record may be read half written, which
    looks like a damaged one.

    Raises:
        LeaseUnreadable: somebody's needs cannot be known, so nothing may be removed.

    """
    living = list[LiveLease]()
    judge = _Judge(root, boot, mount_table, now)
    for folder in _entries(f"{root}/{WORK_FOLDER}", failing=True):
        try:
            if not stat.S_ISDIR(os.lstat(folder).st_mode):
                continue  # a lease is a folder; verification names what else is here
            descriptor = _locked(folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise unreadable(folder, error) from error
        try:
            record = judge.record_if_alive(folder, held=descriptor is None)
        finally:
            if descriptor is not None:
                os.close(descriptor)
        if record is not None:
            living.append(LiveLease(folder, record.purpose, record.process, record.wants))
    return tuple(living)


def sweep(
    root: str,
    disk: Disk,
    *,
    boot: str | None = None,
    mount_table: str = MOUNT_TABLE,
    now: Callable[[], float] = time,
) -> None:
    """Remove the leases of the dead, and the trash. What cannot be removed stays."""
    judge = _Judge(root, boot, mount_table, now)
    folders = _entries(f"{root}/{WORK_FOLDER}")
    if folders and judge.reach == "unsafe":
        return  # whether anyone lives cannot be told there, and nobody may write
    for folder in folders:
        with suppress(OSError, LeaseUnreadable):
            _sweep_one(folder, disk, judge)
    empty_trash(root, disk)


def empty_trash(root: str, disk: Disk) -> None:
    """Remove what was moved to the trash. What cannot be removed stays."""
    for path in _entries(f"{root}/trash"):
        with suppress(OSError):
            if may_remove(path):
                remove_tree(disk, path)


def discard(root: str, disk: Disk, path: str) -> None:
    """Move ``path`` to the trash in one step; nobody sees it half removed."""
    with suppress(FileNotFoundError):
        if os.path.isdir(path) and not os.path.islink(path) and not os.access(path, os.W_OK):
            disk.set_mode(path, 0o700)  # a read-only directory cannot change its parent
        disk.move(path, f"{root}/trash/{random_name()}")


def _make_store_folders(root: str, disk: Disk) -> None:
    """Make what a lease and its end need; in a shared store let the group use the rest too."""
    for name in (WORK_FOLDER, "trash"):
        _make_folder(disk, f"{root}/{name}")
    if isinstance(disk, SharingDisk):
        for name in _STORE_FOLDERS:
            with suppress(FileNotFoundError):
                share_with_group(disk, f"{root}/{name}".rstrip("/"), _SHARED_FOLDER)


def _make_folder(disk: Disk, path: str) -> None:
    """Make a folder, and what is missing above it."""
    if os.path.isdir(path):
        return
    _make_folder(disk, os.path.dirname(path))
    try:
        disk.make_folder(path)
    except FileExistsError:
        if not os.path.isdir(path):
            raise


def _locked(folder: str) -> int | None:
    """Return a descriptor that holds the flock of ``folder``, or None if another does."""
    import fcntl

    try:
        descriptor = os.open(folder, _FOLDER_FLAGS)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _sweep_one(folder: str, disk: Disk, judge: _Judge) -> None:
    descriptor = _locked(folder)
    if descriptor is None:
        return
    try:
        if judge.record_if_alive(folder, held=False) is None and may_remove(folder):
            remove_tree(disk, folder)
    finally:
        os.close(descriptor)


class _Judge:
    """Says whether a lease is alive; asks the machine only for what it needs."""

    def __init__(
        self, root: str, boot: str | None, mount_table: str, now: Callable[[], float]
    ) -> None:
        self._root, self._boot, self._mount_table, self._now = root, boot, mount_table, now
        self._reach: Reach | None = None

    @property
    def reach(self) -> Reach:
        """How far the store's disk reaches."""
        if self._reach is None:
            self._reach = reach_of(self._root, self._mount_table)
        return self._reach

    def record_if_alive(self, folder: str, *, held: bool) -> Record | None:
        """Return the record of a lease that lives, None of one whose owner is dead.

        ``held``: somebody holds its flock. If nobody does, its owner is dead, but for
        another machine's on a network file system, whose flock may have been lost.
        """
        if not held and (self.reach == "local" or self._is_old(folder)):
            return None
        data = record_bytes(folder)
        if not held and boot_in(data) == self._this_boot() != "":
            return None
        return parse_record(f"{folder}/{RECORD}", data)

    def _is_old(self, folder: str) -> bool:
        changed = 0.0
        for path in (folder, f"{folder}/{RECORD}"):
            with suppress(FileNotFoundError):
                changed = max(changed, os.lstat(path).st_mtime)
        # A lease of the future is one of a clock that was set back.
        return abs(self._now() - changed) >= ABANDONED_SECONDS

    def _this_boot(self) -> str:
        if self._boot is None:
            self._boot = boot_id()
        return self._boot


def _entries(folder: str, *, failing: bool = False) -> list[str]:
    """Return the paths in ``folder``, none if there is no folder.

    With ``failing`` one that cannot be read is no empty one.
    """
    try:
        return [f"{folder}/{name}" for name in os.listdir(folder)]
    except FileNotFoundError:
        return []
    except OSError as error:
        if failing:
            raise unreadable(folder, error) from error
        return []
