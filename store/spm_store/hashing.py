"""Hashing what stands on the disk: files, and folders down to the digest of their tree.

Rules:

1. A file is opened with ``O_NOFOLLOW`` and only if its folder lists it as a regular
   file, so that no pipe blocks, no device is touched and no symlink is followed.
2. A file is read, never mapped: a mapped file that another process cuts short would
   end this one.
3. An inode is hashed once. Its digest is remembered with the mode it had; every name
   of it is still looked at.
4. Names are not checked: a folder with the digest of a tree is that tree, and whatever
   no tree may hold leads to another digest or is refused.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

from blake3 import blake3

from spm_spec.tree_directory import DIRECTORY_CONTEXT
from spm_spec.tree_names import DEFAULT_LIMITS
from spm_store.blobs import EXECUTABLE_MODE, FILE_MODE

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

FOLDER_MODE = 0o555
LARGE_BYTES = 1024 * 1024  # from here a file is read in pieces, into one buffer
PIECE_BYTES = 2 * 1024 * 1024
MANY_THREADS_BYTES = 8 * 1024 * 1024  # from here several threads hash one file
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TOO_LARGE = f"holds a file of more than {DEFAULT_LIMITS.file_bytes} bytes"
_EXECUTES = stat.S_IXUSR
_KIND_FILE, _KIND_EXECUTABLE, _KIND_DIRECTORY = 0, 1, 2
_Node: TypeAlias = tuple[str, int, bytes, int]  # name, kind, digest, size


class Unhashable(Exception):
    """A folder holds what no tree holds; its digest would mean nothing."""


class TooLarge(Unhashable):
    """A folder holds more bytes than any tree; they were not all read."""


class Content(NamedTuple):
    """What one inode holds."""

    raw: bytes
    """The digest."""
    size: int
    mode: int
    """Permission bits."""


class Folded(NamedTuple):
    """A folder on the disk as a tree; ``raw`` is the digest of the root."""

    raw: bytes
    size: int
    directories: dict[str, bytes]
    """Canonical bytes by path, ``""`` for the root."""
    blobs: list[bytes]
    """Of each file that is not empty: its digest, and ``x`` if it is executable."""
    modes_right: bool
    """Whether every file and folder has the mode it is stored with."""


class Hashing:
    """Digests of the files of one pass; what one thread hashed the others know."""

    def __init__(self, jobs: int = 1) -> None:
        """Use at most ``jobs`` threads for one file, fewer while others are at work."""
        self._jobs = jobs
        self._busy = 0
        self._known: dict[tuple[int, int], Content] = {}

    @contextmanager
    def at_work(self) -> Generator[None]:
        """Count the caller among those who hash."""
        self._busy += 1  # only a guess of how many threads are free: no lock
        try:
            yield
        finally:
            self._busy -= 1

    def fold(self, place: str) -> Folded:
        """Return the tree that the folder at ``place`` is.

        Raises:
            Unhashable: it holds what no tree holds.
            OSError: it is no folder, or cannot be read.

        """
        folded = _Folding(self)
        descriptor = os.open(place, FOLDER_FLAGS)
        try:
            raw, size = folded.folder(descriptor, "", 0)
        finally:
            os.close(descriptor)
        return Folded(raw, size, folded.directories, folded.blobs, folded.modes_right)

    def content(self, entry: os.DirEntry[str], folder: int, device: int) -> Content:
        """Return what the regular file ``entry`` of the open folder holds.

        Raises:
            OSError: it is no regular file any more, or cannot be read.
            Unhashable: it is longer than any file of a tree.

        """
        key = (device, entry.inode())
        known = self._known.get(key)
        if known is None:
            descriptor = os.open(entry.name, _FILE_FLAGS, dir_fd=folder)
            try:
                status = os.fstat(descriptor)
                known = self._read(descriptor, status, entry.path)
            finally:
                os.close(descriptor)
            # Some stacked file systems list other numbers than the files have.
            if (status.st_dev, status.st_ino) == key:
                self._known[key] = known
        return known

    def read(self, place: str) -> Content:
        """Return what the regular file at ``place`` holds now, whatever it held before.

        Raises:
            OSError: it is no regular file, or cannot be read.
            Unhashable: it is longer than any file of a tree.

        """
        descriptor = os.open(place, _FILE_FLAGS)
        try:
            return self._read(descriptor, os.fstat(descriptor), place)
        finally:
            os.close(descriptor)

    def _read(self, descriptor: int, status: os.stat_result, path: str) -> Content:
        size, mode = status.st_size, status.st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        if size > DEFAULT_LIMITS.file_bytes:
            raise TooLarge(_TOO_LARGE)
        if size >= LARGE_BYTES:
            raw, size = self._read_large(descriptor, size)
        else:
            data = os.read(descriptor, size + 1)
            if len(data) != size:  # it changes, or the read was interrupted
                data += b"".join(_pieces(descriptor))
                size = len(data)
            raw = blake3(data).digest()
        return Content(raw, size, stat.S_IMODE(mode))

    def _read_large(self, descriptor: int, size: int) -> tuple[bytes, int]:
        threads = 1
        if size >= MANY_THREADS_BYTES:
            threads = max(1, self._jobs // max(1, self._busy))
            if threads >= (os.cpu_count() or 1):
                threads = blake3.AUTO  # a pool that is there already
        hasher, seen = blake3(max_threads=threads), 0
        buffer = bytearray(PIECE_BYTES)
        view = memoryview(buffer)
        while count := os.readv(descriptor, [buffer]):
            hasher.update(view[:count])
            seen += count
            if seen > DEFAULT_LIMITS.file_bytes:
                raise TooLarge(_TOO_LARGE)
        return hasher.digest(), seen


class _Folding:
    """One folder on its way to a digest."""

    def __init__(self, hashing: Hashing) -> None:
        self._hashing = hashing
        self._size = 0
        self.directories: dict[str, bytes] = {}
        self.blobs: list[bytes] = []
        self.modes_right = True

    def folder(self, descriptor: int, inside: str, depth: int) -> tuple[bytes, int]:
        """Return digest and size of the open folder, which is at ``inside`` of the tree."""
        status = os.fstat(descriptor)
        if stat.S_IMODE(status.st_mode) != FOLDER_MODE:
            self.modes_right = False
        nodes: list[_Node] = []
        with os.scandir(descriptor) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    nodes.append(self._file(entry, descriptor, status.st_dev))
                elif entry.is_dir(follow_symlinks=False):
                    nodes.append(self._below(entry.name, descriptor, inside, depth))
                else:
                    raise Unhashable("holds what is neither a file nor a folder")
        nodes.sort()  # by name: code points are in the order of their UTF-8 bytes
        encoded = self.directories[inside] = _encoded(nodes)
        digest = blake3(encoded, derive_key_context=DIRECTORY_CONTEXT).digest()
        return digest, sum([node[3] for node in nodes])

    def _below(self, name: str, folder: int, inside: str, depth: int) -> _Node:
        if depth == DEFAULT_LIMITS.depth:
            raise Unhashable(f"is deeper than {depth} folders")
        descriptor = os.open(name, FOLDER_FLAGS, dir_fd=folder)
        try:
            path = f"{inside}/{name}" if inside else name
            raw, size = self.folder(descriptor, path, depth + 1)
        finally:
            os.close(descriptor)
        return name, _KIND_DIRECTORY, raw, size

    def _file(self, entry: os.DirEntry[str], folder: int, device: int) -> _Node:
        raw, size, mode = self._hashing.content(entry, folder, device)
        self._size += size
        if self._size > DEFAULT_LIMITS.tree_bytes:
            raise TooLarge(f"holds more than {DEFAULT_LIMITS.tree_bytes} bytes")
        executable = mode & _EXECUTES
        if mode != (EXECUTABLE_MODE if executable else FILE_MODE):
            self.modes_right = False
        if size:
            self.blobs.append(raw + b"x" if executable else raw)
        return entry.name, _KIND_EXECUTABLE if executable else _KIND_FILE, raw, size


def _encoded(nodes: list[_Node]) -> bytes:
    """Return the canonical bytes of a directory (spec/digest.md section 4)."""
    import msgpack  # type: ignore[import-untyped]  # it ships no types

    try:
        return cast("bytes", msgpack.packb(nodes, use_bin_type=True))  # pyright: ignore[reportUnknownMemberType]
    except UnicodeEncodeError as error:
        raise Unhashable("holds a name that is not UTF-8") from error


def _pieces(descriptor: int) -> Iterator[bytes]:
    while piece := os.read(descriptor, PIECE_BYTES):
        yield piece
