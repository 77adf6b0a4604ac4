"""Trees as folders: reading one strictly, and its directories as one row of bytes.

A stored tree holds regular files and folders, nothing else. Whatever else is found
in it was not put there by the store. No symlink is ever followed.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spm_store.blobs import EXECUTABLE_MODE, FILE_MODE, read_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from spm_spec.digests import Digest
    from spm_spec.tree import FileEntry, Tree, TreeFile
    from spm_store.durable import Disk

FOLDER_MODE = 0o555
_OWNER_EXECUTES = 0o100
_LENGTH_BYTES = 4
_STORED_MODES = (FILE_MODE, EXECUTABLE_MODE)


@dataclass(frozen=True, slots=True)
class StoredTree:
    """One tree the store holds. ``path`` is read-only and shared: link to it, or copy it."""

    digest: Digest
    name: str
    path: Path
    size: int
    files: int


class ForeignEntry(Exception):
    """A tree holds something that is neither a file nor a folder with files below it."""

    def __init__(self, path: str, reason: str) -> None:
        """Name the path inside the tree."""
        super().__init__(f"`{path}` {reason}" if path else f"it {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Found:
    """One name below a tree's folder, as the directory lists it."""

    path: str
    """Inside the tree, with ``/``."""
    place: str
    """On this machine."""
    kind: str
    """``file``, ``folder``, ``empty-folder`` or ``foreign``."""


def walk_tree(place: str) -> Iterator[Found]:
    """Yield everything below ``place``, folders before what is in them.

    Raises:
        OSError: a folder cannot be read.

    """
    pending = [("", place)]
    while pending:
        inside, folder = pending.pop()
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        if inside:
            yield Found(inside, folder, "folder" if listed else "empty-folder")
        for entry in listed:
            path = f"{inside}/{entry.name}" if inside else entry.name
            if entry.is_dir(follow_symlinks=False):
                pending.append((path, entry.path))
            else:
                regular = entry.is_file(follow_symlinks=False)
                yield Found(path, entry.path, "file" if regular else "foreign")


def read_tree(place: str, *, without: str | None = None) -> Tree:
    """Hash the folder at ``place`` and return the tree it is, but for the path ``without``.

    Holds one file in memory at a time.

    Raises:
        ForeignEntry: it holds a symlink, a device, or an empty folder.
        InvalidTree: it holds a name no tree may hold.
        OSError: it cannot be read.

    """
    from spm_spec.tree import build_tree

    if os.path.islink(place):
        raise ForeignEntry("", "is a symlink")
    return build_tree(_entries(place, without))


def _entries(place: str, without: str | None) -> Iterator[FileEntry]:
    from spm_spec.tree import FileEntry

    for found in walk_tree(place):
        if found.path == without:
            continue
        if found.kind == "file":
            data, status = read_file(found.place)
            yield FileEntry(found.path, data, bool(status.st_mode & _OWNER_EXECUTES))
        elif found.kind != "folder":
            raise ForeignEntry(found.path, "is neither a file nor a folder with files")


def damage_of(place: str, digest: Digest) -> str | None:
    """Return what is wrong first with the tree at ``place``, None if it is whole."""
    from spm_store.hashing import Hashing, TooLarge, Unhashable

    try:
        if Hashing().fold(place).raw == digest.raw:
            return None
    except TooLarge as error:
        return f"it {error}"
    except (OSError, Unhashable):
        pass  # the longer way finds the words for it
    return _described(place, digest)


def _described(place: str, digest: Digest) -> str | None:
    """Do what ``damage_of`` does, slowly, and say what is wrong."""
    from spm_spec.tree import InvalidTree

    try:
        found = read_tree(place).digest
    except ForeignEntry as foreign:
        return str(foreign)
    except InvalidTree as error:
        return error.message
    except OSError as error:
        return f"`{error.filename or place}` cannot be read: {error.strerror}"
    return None if found == digest else f"its digest is {found}"


def make_read_only(disk: Disk, place: str) -> None:
    """Give everything below ``place``, and itself, the modes a stored tree has.

    Raises:
        PermissionError: another user owns it.

    """
    with suppress(FileNotFoundError):  # it was removed meanwhile
        for found in walk_tree(place):
            mode = os.lstat(found.place).st_mode
            right = EXECUTABLE_MODE if mode & _OWNER_EXECUTES else FILE_MODE
            right = FOLDER_MODE if stat.S_ISDIR(mode) else right
            if stat.S_IMODE(mode) != right:
                disk.set_mode(found.place, right)
        disk.set_mode(place, FOLDER_MODE)


def encode_directories(tree: Tree) -> bytes:
    """Return the canonical bytes of every directory, each after its length, the root first."""
    return join_directories(tree.directories)


def join_directories(directories: Mapping[str, bytes]) -> bytes:
    """Return canonical directories by path, each after its length, the root first."""
    return b"".join(
        len(directories[path]).to_bytes(_LENGTH_BYTES, "big") + directories[path]
        for path in sorted(directories)
    )


def decode_directories(encoded: bytes, digest: Digest) -> tuple[TreeFile, ...]:
    """Return the files of the tree ``digest``; needs no trust in where the bytes were kept.

    Every directory is reached by its digest from the root's, so bytes that were
    changed are not found.

    Raises:
        ValueError: a directory that the tree needs is not among them, or is none.

    """
    from spm_spec.tree import InvalidTree, Kind, TreeFile, decode_directory, directory_digest

    by_digest = {directory_digest(directory): directory for directory in split_directories(encoded)}
    files: list[TreeFile] = []
    pending = [("", digest)]
    while pending:
        inside, wanted = pending.pop()
        directory = by_digest.get(wanted)
        if directory is None:
            raise ValueError(f"no directory {wanted}")
        try:
            nodes = decode_directory(directory)
        except InvalidTree as error:
            raise ValueError(error.message) from error
        for node in nodes:
            path = f"{inside}/{node.name}" if inside else node.name
            if node.kind is Kind.DIRECTORY:
                pending.append((path, node.digest))
            else:
                executable = node.kind is Kind.EXECUTABLE
                files.append(TreeFile(path, node.digest, executable, node.size))
    return tuple(sorted(files, key=lambda file: file.path.encode()))


def split_directories(encoded: bytes) -> Iterator[bytes]:
    """Yield what was joined; what is cut off is a directory no digest leads to."""
    start = 0
    while start < len(encoded):
        end = start + _LENGTH_BYTES + int.from_bytes(encoded[start : start + _LENGTH_BYTES], "big")
        yield encoded[start + _LENGTH_BYTES : end]
        start = end
