"""Every change the store makes to the disk goes through here.

``Disk`` is the one seam: tests put another in its place, to stop the process before
or after any of its calls. ``barrier`` is the point after which the bytes written so
far survive a power cut. Reading does not go through the seam.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

Durability: TypeAlias = Literal["batch", "strict", "none"]
"""``batch``: one barrier a transaction; ``strict``: each file, directory and row on its
own; ``none``: nothing, for machines that are thrown away."""

SYNC_ALL_FROM = 16  # files; from here one syncfs costs less than an fsync each
_CLONE_REQUEST = 0x40049409  # FICLONE of linux/fs.h
_RENAME_EXCHANGE = 2  # linux/fs.h
_HERE = -100  # AT_FDCWD of linux/fcntl.h
_CANNOT_EXCHANGE = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP})
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


class Disk:
    """The calls that change the disk, one system call or a few each."""

    def make_folder(self, path: str, mode: int = 0o777) -> None:
        """Create one directory."""
        os.mkdir(path, mode)

    def write_file(self, path: str, data: bytes, mode: int) -> None:
        """Create a file that does not exist with ``data``; ``mode`` whatever the umask."""
        descriptor = os.open(path, _NEW_FILE, mode)
        try:
            _hold_mode(descriptor, mode)
            _write(descriptor, data)
        except OSError as error:
            error.filename = path
            raise
        finally:
            os.close(descriptor)

    def write_chunks(self, path: str, chunks: Iterable[bytes], mode: int) -> None:
        """Create a file that does not exist with all ``chunks``; ``mode`` whatever the umask."""
        descriptor = os.open(path, _NEW_FILE, mode)
        try:
            _hold_mode(descriptor, mode)
            for chunk in chunks:
                _write(descriptor, chunk)
        except OSError as error:
            error.filename = path
            raise
        finally:
            os.close(descriptor)

    def append(self, path: str, data: bytes) -> None:
        """Add ``data`` to the end of a file, created if need be, by one write."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o644)
        try:
            if os.write(descriptor, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        finally:
            os.close(descriptor)

    def truncate(self, path: str, size: int) -> None:
        """Cut a file to ``size`` bytes."""
        os.truncate(path, size)

    def symlink(self, target: str, path: str) -> None:
        """Create a symlink at ``path``, unless the name is taken."""
        os.symlink(target, path)

    def link(self, source: str, target: str) -> None:
        """Give a file a second name, unless the name is taken."""
        os.link(source, target, follow_symlinks=False)

    def clone(self, source: str, target: str, mode: int) -> None:
        """Create a file that shares the extents of another (reflink)."""
        import fcntl

        reading = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            writing = os.open(target, _NEW_FILE, 0o600)
            try:
                fcntl.ioctl(writing, _CLONE_REQUEST, reading)
                os.fchmod(writing, mode)
            except OSError:
                os.unlink(target)
                raise
            finally:
                os.close(writing)
        finally:
            os.close(reading)

    def move(self, source: str, target: str) -> None:
        """Rename; replaces a file, never a directory that holds something."""
        os.rename(source, target)

    def exchange(self, one: str, other: str) -> bool:
        """Swap two names in one step; False, with nothing changed, where that cannot be done."""
        import ctypes

        rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
        if rename is None:
            return False
        names = os.fsencode(one), os.fsencode(other)
        if rename(_HERE, names[0], _HERE, names[1], _RENAME_EXCHANGE) == 0:
            return True
        number = ctypes.get_errno()
        if number in _CANNOT_EXCHANGE:
            return False
        raise OSError(number, os.strerror(number), one, None, other)

    def set_mode(self, path: str, mode: int) -> None:
        """Change the permissions of a file or directory of ours."""
        os.chmod(path, mode)

    def sync(self, path: str) -> None:
        """Wait until one file or directory is on the disk."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.fsync(descriptor)
        except OSError as error:
            error.filename = path
            raise
        finally:
            os.close(descriptor)

    def sync_all(self, path: str) -> bool:
        """Wait until the whole file system of ``path`` is on the disk; False if it cannot."""
        import ctypes

        synchronise = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if synchronise is None:
            return False
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if synchronise(descriptor) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), path)
        finally:
            os.close(descriptor)
        return True

    def commit(self, write: Callable[[], None]) -> None:
        """Run the one database transaction that makes everything before it valid."""
        write()

    def remove_file(self, path: str) -> None:
        """Remove one name."""
        os.unlink(path)

    def remove_folder(self, path: str) -> None:
        """Remove one empty directory."""
        os.rmdir(path)


def _hold_mode(descriptor: int, mode: int) -> None:
    """Give back what the umask may have taken from a new file's mode; mostly it has not."""
    if os.fstat(descriptor).st_mode & 0o7777 != mode:
        os.fchmod(descriptor, mode)


def _write(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def barrier(
    disk: Disk,
    durability: Durability,
    *,
    root: str,
    files: Collection[str],
    folders: Collection[str],
) -> None:
    """Return when ``files`` and ``folders`` below ``root`` would survive a power cut."""
    wait_for(disk, durability, root=root, count=len(files), paths=(*files, *folders))


def wait_for(
    disk: Disk, durability: Durability, *, root: str, count: int, paths: Iterable[str]
) -> None:
    """Do what ``barrier`` does for ``paths``, of which ``count`` are files.

    ``paths`` is read only if each has to be waited for on its own.
    """
    if durability == "none":
        return
    if durability == "batch" and count >= SYNC_ALL_FROM and disk.sync_all(root):
        return
    for path in paths:
        disk.sync(path)


def remove_tree(disk: Disk, path: str) -> None:
    """Remove ``path`` and all below it, read-only or not; follow no symlink.

    What another process removes at the same time is no error.
    """
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            disk.remove_file(path)
            return
    except FileNotFoundError:
        return
    pending, emptied = [path], list[str]()
    while pending:
        folder = pending.pop()
        emptied.append(folder)
        with suppress(FileNotFoundError):
            if os.lstat(folder).st_mode & stat.S_IRWXU != stat.S_IRWXU:
                disk.set_mode(folder, 0o700)
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                        continue
                    with suppress(FileNotFoundError):
                        disk.remove_file(entry.path)
    for folder in reversed(emptied):
        with suppress(FileNotFoundError):
            disk.remove_folder(folder)
