"""One file a blob, named by its digest, and how trees share it.

``blobs/<first hex digit>/<digest>[-x]``: the same bytes with and without the
executable bit are two files, because a hard link shares the mode. The empty blob is
never shared: a thousand empty files must not be one inode.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from spm_store.leases import discard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spm_spec.tree import TreeFile
    from spm_store.durable import Disk

FILE_MODE = 0o444
EXECUTABLE_MODE = 0o555
SHARED_FOLDER_MODE = 0o755
"""Of the folders that all trees share."""
_CHUNK_BYTES = 1024 * 1024
_ROOM_BYTES = 1024 * 1024  # a disk with less than that is full
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
CANNOT_CLONE = frozenset(
    {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM}
)
_CANNOT_LINK = frozenset({errno.EMLINK, errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS})


def mode_of(*, executable: bool) -> int:
    """Return the mode of a stored file."""
    return EXECUTABLE_MODE if executable else FILE_MODE


def blob_name(file: TreeFile) -> str:
    """Return the path of a blob below ``blobs/``."""
    return name_of_digits(file.digest.hex, executable=file.executable)


def name_of_digits(digits: str, *, executable: bool) -> str:
    """Return the path below ``blobs/`` of the blob with this digest in hex."""
    return f"{digits[0]}/{digits}-x" if executable else f"{digits[0]}/{digits}"


def folder_of(name: str) -> str:
    """Return the folder below ``blobs/`` that the blob ``name`` is in."""
    return name[0]


def read_file(path: str) -> tuple[bytes, os.stat_result]:
    """Return the bytes and the status of a regular file.

    Raises:
        OSError: it cannot be read; ELOOP for a symlink, EINVAL for another kind of file.

    """
    descriptor = os.open(path, _READ_FLAGS)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        data = os.read(descriptor, status.st_size + 1)
        while len(data) < status.st_size and (more := os.read(descriptor, status.st_size)):
            data += more
        return data, status
    finally:
        os.close(descriptor)


def chunks_of(path: str) -> Iterator[bytes]:
    """Yield the bytes of a regular file, at most 1 MiB at a time.

    Raises:
        OSError: it cannot be read; ELOOP for a symlink, EINVAL for another kind of file.

    """
    descriptor = os.open(path, _READ_FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        while chunk := os.read(descriptor, _CHUNK_BYTES):
            yield chunk
    finally:
        os.close(descriptor)


def has_room(path: str) -> bool:
    """Whether the file system of ``path`` has room, so that only a directory can be full."""
    system = os.statvfs(path)
    inodes = system.f_files == 0 or system.f_favail > 0
    return inodes and system.f_bavail * system.f_frsize >= _ROOM_BYTES


_clones: dict[tuple[str, type[Disk]], bool] = {}
"""Whether reflinks work in a store, found out once a process."""


class Blobs:
    """The blobs of one store. Bytes are compared before they are shared, never trusted."""

    def __init__(self, root: str, disk: Disk) -> None:
        """Know the store at ``root``; how files are shared is found out at first need."""
        self._root = root
        self._disk = disk
        self._kind = (root, type(disk))
        self._folders = _names_in(f"{root}/blobs")
        self.copied = False
        """Whether some blob and the files it was shared with are separate inodes."""

    def path(self, name: str) -> str:
        """Return where the blob ``name`` stands."""
        return f"{self._root}/blobs/{name}"

    def holds(self, name: str, data: bytes, mode: int) -> bool:
        """Whether the blob was there, with these bytes and this mode.

        The folders of blobs that appear later are not looked into: what another process
        adds meanwhile is found when it is published.
        """
        if folder_of(name) not in self._folders:
            return False
        try:
            status = os.lstat(self.path(name))
            if status.st_size != len(data) or status.st_mode != stat.S_IFREG | mode:
                return False
            return read_file(self.path(name))[0] == data
        except OSError:
            return False

    def place(self, source: str, target: str, mode: int) -> None:
        """Make ``target`` a file with the bytes of ``source``: reflink, else link, else copy.

        Raises:
            FileExistsError: ``target`` exists.

        """
        if _clones.get(self._kind) is not False and self._cloned(source, target, mode):
            return
        try:
            self._disk.link(source, target)
        except OSError as error:
            if error.errno not in _CANNOT_LINK:
                raise
            self.copied = True
            self._copy(source, target, mode)

    def publish(self, staged: str, name: str, mode: int, spare: str) -> None:
        """Make the staged file a blob, unless it is one; replace a damaged blob.

        ``spare`` is a free name in the lease. Afterwards the blob and ``staged`` are
        one inode where the file system shares files by hard links. Where a directory
        is full although the disk is not, the tree goes without its blob.
        """
        final = self.path(name)
        try:
            self._find_out(staged, mode, spare)
            if self._added(staged, name, final, mode):
                return
            found = os.lstat(final)
            if os.path.samestat(found, os.lstat(staged)):
                return
            if not self._same(found, final, staged, mode):
                self._replace(staged, final, mode, spare)
            elif not _clones.get(self._kind):
                # Another process was first: its inode is the one to keep.
                self._put_over(final, staged, mode, spare)
        except OSError as error:
            if error.errno != errno.ENOSPC or not has_room(self._root):
                raise

    def _copy(self, source: str, target: str, mode: int) -> None:
        try:
            self._disk.write_chunks(target, chunks_of(source), mode)
        except FileExistsError:
            raise
        except OSError:
            with suppress(FileNotFoundError):
                self._disk.remove_file(target)  # half a file helps nobody
            raise

    def _cloned(self, source: str, target: str, mode: int) -> bool:
        """Try a reflink; the first answer holds for the whole store."""
        try:
            self._disk.clone(source, target, mode)
        except OSError as error:
            if error.errno not in CANNOT_CLONE:
                raise
            _clones[self._kind] = False
            return False
        _clones[self._kind] = self.copied = True
        return True

    def _find_out(self, staged: str, mode: int, spare: str) -> None:
        """Try the first reflink in the lease: others must not meet the file of one that fails."""
        if self._kind not in _clones and self._cloned(staged, spare, mode):
            self._disk.remove_file(spare)

    def _added(self, staged: str, name: str, final: str, mode: int) -> bool:
        """Make the blob, in a new folder if need be; False if another was first."""
        folder = folder_of(name)
        try:
            if folder not in self._folders:
                self._make_folder(folder)
            try:
                self.place(staged, final, mode)
            except FileNotFoundError:  # somebody removed the folder while it was empty
                self._make_folder(folder)
                self.place(staged, final, mode)
        except FileExistsError:
            return False
        return True

    def _make_folder(self, name: str) -> None:
        with suppress(FileExistsError):
            self._disk.make_folder(f"{self._root}/blobs/{name}", SHARED_FOLDER_MODE)
        self._folders.add(name)

    def _same(self, found: os.stat_result, final: str, staged: str, mode: int) -> bool:
        """Whether the blob, of the status ``found``, has the mode and bytes of ``staged``."""
        if found.st_mode != stat.S_IFREG | mode or found.st_size != os.lstat(staged).st_size:
            return False
        try:
            pairs = zip(chunks_of(final), chunks_of(staged), strict=True)
            return all(one == other for one, other in pairs)
        except (OSError, ValueError):  # it cannot be read, or one is shorter
            return False

    def _replace(self, staged: str, final: str, mode: int, spare: str) -> None:
        if os.path.isdir(final) and not os.path.islink(final):
            discard(self._root, self._disk, final)
        self._put_over(staged, final, mode, spare)

    def _put_over(self, source: str, target: str, mode: int, spare: str) -> None:
        """Make ``target`` share the bytes of ``source``, whatever file it was, in one step."""
        self.place(source, spare, mode)
        self._disk.move(spare, target)
        if os.path.lexists(spare):  # renaming one inode onto itself leaves both names
            self._disk.remove_file(spare)


def _names_in(folder: str) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()
