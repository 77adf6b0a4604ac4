"""Reading a skill's source folder, which may be anybody's: a checkout, a download.

Nothing outside the folder is read, whatever its symlinks say; nothing that is not a
regular file is opened for reading; nothing grows past the limits of a tree. Symlinks
are replaced by what they point to, because trees have none.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from fnmatch import translate
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias

from spm_spec.errors import EnvironmentFailure, HostileDataError, UserMistake
from spm_spec.tree import DEFAULT_LIMITS, FileEntry, Limits, check_path
from spm_spec.tree_names import is_plain_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IGNORED_NAMES = frozenset(
    {
        ".DS_Store",
        ".git",
        ".hg",
        ".idea",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".spm-copy",
        ".svn",
        ".tox",
        ".venv",
        "Thumbs.db",
        "__pycache__",
        "node_modules",
    }
)
"""What tools and systems leave behind; left out at any depth, folder or not."""

IGNORED_PATTERNS = ("*.pyc", "*~", "*.swp", "*.swo", ".#*", "*.spm")
"""What editors, Python and packing leave behind; shell patterns for names, at any depth."""

_IGNORED_PATTERN = re.compile("|".join(map(translate, IGNORED_PATTERNS)))
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OWNER_EXECUTES = 0o100

_Identity: TypeAlias = tuple[int, int]  # device and inode


class NoSuchFolder(UserMistake):
    """There is no folder where a skill was said to be."""

    def __init__(self, path: str | Path, reason: str) -> None:
        """Say what is there instead."""
        super().__init__(f"{path}: {reason}", hint="name the folder that holds `SKILL.md`")
        self.path = str(path)


class FolderRefused(HostileDataError):
    """A source folder holds what no skill may hold; ``reason`` is the kind, ``path`` the place."""

    def __init__(self, reason: str, path: str, explanation: str) -> None:
        """Name the kind, the place inside the folder and what was wrong with it."""
        super().__init__(f"{ascii(path) if not path.isprintable() else path}: {explanation}")
        self.reason = reason
        self.path = path


class FolderUnreadable(EnvironmentFailure):
    """The system refused to read a source folder, or it changed while it was read."""

    def __init__(self, path: str | Path, reason: str, *, hint: str | None = None) -> None:
        """Say which file or folder, and why."""
        super().__init__(f"{path}: {reason}", hint=hint)
        self.path = str(path)


def read_folder(
    path: Path, limits: Limits = DEFAULT_LIMITS, *, everything: bool = False
) -> tuple[FileEntry, ...]:
    """Return the files of a skill's source folder, sorted by path.

    A file is executable if its owner may execute it. Ignored names are left out unless
    ``everything`` is asked for, as of a folder that is a tree already. Folders without
    files do not exist in a tree.

    Raises:
        NoSuchFolder: ``path`` is not a folder.
        FolderRefused: with the reason ``symlink-leaves``, ``symlink-loop``,
            ``symlink-dangles``, ``symlink-to-ignored``, ``special-file``, ``not-utf8``,
            ``file-too-large``, ``tree-too-large`` or ``too-many-entries``.
        InvalidTree: a path no tree may hold.
        FolderUnreadable: no permission, or a file changed while it was read.

    """
    found = iterate_folder(path, limits, everything=everything)
    return tuple(sorted(found, key=attrgetter("path")))


def iterate_folder(
    path: Path, limits: Limits = DEFAULT_LIMITS, *, everything: bool = False
) -> Iterator[FileEntry]:
    """Yield what ``read_folder`` returns, in any order, each file when it is asked for.

    Raises what ``read_folder`` raises, when it gets there.
    """
    if not os.path.isdir(path):
        missing = not os.path.lexists(path)
        raise NoSuchFolder(path, "no such folder" if missing else "not a folder")
    try:
        yield from _Reading(os.path.realpath(path), limits, everything=everything).files()
    except OSError as error:
        reason = os.strerror(error.errno or errno.EIO).lower()
        raise FolderUnreadable(str(error.filename or path), reason) from error


class _Reading:
    """One pass over one folder. ``inside`` is a path in the tree, ``place`` a real path."""

    def __init__(self, root: str, limits: Limits, *, everything: bool) -> None:
        self._root = root
        self._limits = limits
        self._everything = everything
        self._entries = 0
        self._bytes = 0

    def files(self) -> Iterator[FileEntry]:
        """Read everything, file by file."""
        # The identities above a folder tell a loop from a folder linked twice.
        pending: list[tuple[str, str, tuple[_Identity, ...]]]
        pending = [("", self._root, (_identity(os.lstat(self._root)),))]
        while pending:
            inside, place, above = pending.pop()
            for path, real, is_folder in self._listed(inside, place):
                if is_folder:
                    identity = _identity(os.lstat(real))
                    if identity in above:
                        raise FolderRefused("symlink-loop", path, "a symlink to a folder it is in")
                    pending.append((path, real, (*above, identity)))
                else:
                    yield self._file(path, real)

    def _listed(self, inside: str, place: str) -> Iterator[tuple[str, str, bool]]:
        """Yield path, real place, and whether it is a folder, of each name that counts."""
        with os.scandir(place) as entries:
            for entry in entries:
                name = entry.name
                if self._is_left_out(name):
                    continue
                path = f"{inside}/{name}" if inside else name
                self._count(path, name)
                if entry.is_file(follow_symlinks=False):
                    yield path, entry.path, False
                elif entry.is_dir(follow_symlinks=False):
                    yield path, entry.path, True
                elif entry.is_symlink():
                    real = self._resolved(path, entry.path)
                    mode = os.lstat(real).st_mode
                    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                        raise _special(path)
                    yield path, real, stat.S_ISDIR(mode)
                else:
                    raise _special(path)

    def _count(self, path: str, name: str) -> None:
        self._entries += 1
        if self._entries > self._limits.entries:
            explanation = f"the folder holds more than {self._limits.entries} files and folders"
            raise FolderRefused("too-many-entries", path, explanation)
        if path.isascii():
            if self._is_plain(path, name):
                return
        else:
            try:
                path.encode()
            except UnicodeEncodeError as error:
                raise FolderRefused("not-utf8", path, "the name is not UTF-8") from error
        check_path(path, self._limits)

    def _is_plain(self, path: str, name: str) -> bool:
        """Tell ASCII paths that need no closer look: the names above were looked at before."""
        return (
            is_plain_name(name)
            and len(path) <= self._limits.path_bytes
            and path.count("/") < self._limits.depth
        )

    def _resolved(self, path: str, place: str) -> str:
        """Return what a symlink leads to, if that is inside the folder and counts."""
        try:
            real = os.path.realpath(place, strict=True)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise FolderRefused("symlink-loop", path, "a symlink to itself") from error
            if error.errno in {errno.ENOENT, errno.ENOTDIR}:
                raise FolderRefused("symlink-dangles", path, "a symlink to nothing") from error
            raise
        if real != self._root and not real.startswith(self._root.rstrip("/") + "/"):
            raise FolderRefused("symlink-leaves", path, "a symlink to outside the skill's folder")
        names = os.path.relpath(real, self._root).split("/")
        if any(map(self._is_left_out, names)):
            raise FolderRefused("symlink-to-ignored", path, "a symlink to a file that is left out")
        return real

    def _file(self, path: str, place: str) -> FileEntry:
        """Read one file; refuse to read it past the limits, or while it changes."""
        descriptor = os.open(place, _READ_FLAGS)
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise _special(path)
            self._check_size(path, before.st_size)
            data = os.read(descriptor, before.st_size + 1)
            while len(data) < before.st_size and (more := os.read(descriptor, before.st_size)):
                data += more  # a signal may cut a read short
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if (
            len(data) != before.st_size
            or after.st_size != before.st_size
            or after.st_mtime_ns != before.st_mtime_ns
            or after.st_ctime_ns != before.st_ctime_ns
        ):
            raise FolderUnreadable(
                place, "the file changed while it was read", hint="try again when nothing writes it"
            )
        return FileEntry(path, data, bool(after.st_mode & _OWNER_EXECUTES))

    def _check_size(self, path: str, size: int) -> None:
        limits = self._limits
        if size > limits.file_bytes:
            explanation = f"the file is too large: {size} bytes, the limit is {limits.file_bytes}"
            raise FolderRefused("file-too-large", path, explanation)
        self._bytes += size
        if self._bytes > limits.tree_bytes:
            explanation = f"the folder holds more than {limits.tree_bytes} bytes"
            raise FolderRefused("tree-too-large", path, explanation)

    def _is_left_out(self, name: str) -> bool:
        return not self._everything and (
            name in IGNORED_NAMES or _IGNORED_PATTERN.match(name) is not None
        )


def _identity(status: os.stat_result) -> _Identity:
    return (status.st_dev, status.st_ino)


def _special(path: str) -> FolderRefused:
    return FolderRefused(
        "special-file", path, "neither a file nor a folder, but a device, pipe or socket"
    )
