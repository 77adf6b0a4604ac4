"""From files to one digest: the tree that a skill is.

A tree is a directory of files and directories, each named by its digest, so that
the digest of the root names every byte, name and executable bit below it, and
nothing else: no owners, times or other mode bits exist. See spec/digest.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from spm_spec.digests import Digest, blob_digest
from spm_spec.tree_directory import (
    Kind,
    Node,
    Row,
    decode_directory,
    directory_digest,
    encode_directory,
    encode_rows,
)
from spm_spec.tree_names import (
    DEFAULT_LIMITS,
    InvalidTree,
    Limits,
    check_name,
    check_path,
    folded,
    is_plain_name,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "DEFAULT_LIMITS",
    "ClaimedPaths",
    "FileEntry",
    "InvalidTree",
    "Kind",
    "Limits",
    "Node",
    "Tree",
    "TreeFile",
    "build_tree",
    "check_files",
    "check_name",
    "check_path",
    "decode_directory",
    "directory_digest",
    "encode_directory",
    "tree_of",
]


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file on its way into or out of a tree; ``path`` is relative, with ``/``."""

    path: str
    data: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One file of a tree: where it is and which bytes it holds."""

    path: str
    digest: Digest
    executable: bool
    size: int


@dataclass(frozen=True, slots=True)
class Tree:
    """A whole tree; ``digest`` is that of the root, ``size`` the bytes of all files.

    ``directories`` maps each directory's path to its canonical bytes; ``""`` is the
    root. ``files`` is sorted by the bytes of the path.
    """

    digest: Digest
    size: int
    directories: Mapping[str, bytes]
    files: tuple[TreeFile, ...]


def build_tree(files: Iterable[FileEntry], limits: Limits = DEFAULT_LIMITS) -> Tree:
    """Return the tree of ``files``, which may come in any order.

    Raises:
        InvalidTree: a path is not allowed, two paths collide, a limit is passed,
            or there are no files.

    """
    paths = ClaimedPaths(limits)
    hashed: list[TreeFile] = []
    for entry in files:
        size = len(entry.data)
        paths.claim(entry.path, size)
        hashed.append(TreeFile(entry.path, blob_digest(entry.data), entry.executable, size))
    return tree_from(paths, hashed)


def tree_of(files: Iterable[TreeFile], limits: Limits = DEFAULT_LIMITS) -> Tree:
    """Return the tree of ``files`` whose digests are known; they may come in any order.

    Raises:
        InvalidTree: as ``build_tree``.

    """
    paths = ClaimedPaths(limits)
    known: list[TreeFile] = []
    for file in files:
        paths.claim(file.path, file.size)
        known.append(file)
    return tree_from(paths, known)


def check_files(files: Iterable[tuple[str, int]], limits: Limits = DEFAULT_LIMITS) -> None:
    """Refuse paths and sizes of files that are no tree, whatever their bytes.

    Raises:
        InvalidTree: as ``build_tree``.

    """
    paths = ClaimedPaths(limits)
    for path, size in files:
        paths.claim(path, size)
    paths.check_some()


def tree_from(paths: ClaimedPaths, files: list[TreeFile]) -> Tree:
    """Return the tree of ``files``, whose paths and sizes were claimed in ``paths``.

    Raises:
        InvalidTree: there are no files.

    """
    paths.check_some()
    rows: dict[str, list[Row]] = {directory: [] for directory in paths.directories}
    for file in files:
        parent, _, name = file.path.rpartition("/")
        rows[parent].append((name, 1 if file.executable else 0, file.digest.raw, file.size))
    encoded: dict[str, bytes] = {}
    digest: Digest | None = None
    # A longer path cannot hold a shorter one, so the root comes last.
    for path in sorted(rows, key=_depth_then_path, reverse=True):
        below = rows[path]
        encoded[path] = encode_rows(below)
        digest = directory_digest(encoded[path])
        if path:
            parent, _, name = path.rpartition("/")
            size = sum(row[3] for row in below)
            rows[parent].append((name, int(Kind.DIRECTORY), digest.raw, size))
    assert digest is not None  # noqa: S101 - the root is always encoded
    # Code points are in the order of their UTF-8 bytes.
    ordered = tuple(sorted(files, key=attrgetter("path")))
    return Tree(digest, paths.size, encoded, ordered)


class ClaimedPaths:
    """The paths of a tree, each checked against all before it.

    What is the same for all files of a directory is checked with its first one.
    """

    def __init__(self, limits: Limits) -> None:
        """Know no path yet."""
        self._limits = limits
        self._files: set[str] = set()
        self.size = 0
        """The bytes of all files."""
        self.directories: dict[str, dict[str, str]] = {"": {}}
        """For each directory, which name has taken which key."""

    def claim(self, path: str, size: int) -> None:
        """Take a path for a file of ``size`` bytes, or refuse it.

        A size that is not known yet is 0, and is counted when it is known.
        """
        parent, _, name = path.rpartition("/")
        if not self._is_plain(path, parent, name):
            check_path(path, self._limits)
        if path in self._files:
            raise InvalidTree("duplicate-path", path, "the path appears twice")
        if path in self.directories:
            raise InvalidTree("file-and-directory", path, "a file is also a directory")
        self.count(path, size)
        if parent not in self.directories:
            self._open(parent)
        self._claim(parent, name)
        self._files.add(path)
        if len(self._files) + len(self.directories) - 1 > self._limits.entries:
            explanation = f"the tree has more than {self._limits.entries} files and directories"
            raise InvalidTree("too-many-entries", path, explanation)

    def check_some(self) -> None:
        """Refuse a tree without files."""
        if not self._files:
            raise InvalidTree("empty-tree", "", "a tree holds no files")

    def _is_plain(self, path: str, parent: str, name: str) -> bool:
        """Tell paths that need no closer look: a plain name in a directory that is open."""
        # The directory's own names and depth were checked with its first file. The root is
        # open from the start, but what begins with a slash is not in it.
        return (
            (parent in self.directories if parent else path == name)
            and is_plain_name(name)
            and len(path) <= self._limits.path_bytes
            and path.isascii()
        )

    def _open(self, directory: str) -> None:
        """Make ``directory`` and those above it known."""
        missing: list[str] = []
        while directory not in self.directories:
            if directory in self._files:
                raise InvalidTree("file-and-directory", directory, "a file is also a directory")
            missing.append(directory)
            directory = directory.rpartition("/")[0]
        for path in reversed(missing):
            parent, _, name = path.rpartition("/")
            self._claim(parent, name)
            self.directories[path] = {}

    def _claim(self, parent: str, name: str) -> None:
        """Take ``name`` in ``parent``, unless an equal one has been taken."""
        key = name.lower() if name.isascii() else folded(name)
        other = self.directories[parent].setdefault(key, name)
        if other != name:
            path = f"{parent}/{name}" if parent else name
            explanation = f"the name equals {shown(other)} where case is ignored"
            raise InvalidTree("case-collision", path, explanation)

    def count(self, path: str, size: int) -> None:
        """Hold the caps on bytes."""
        if size > self._limits.file_bytes:
            explanation = f"{size} bytes, the limit is {self._limits.file_bytes}"
            raise InvalidTree("file-too-large", path, f"the file is too large: {explanation}")
        self.size += size
        if self.size > self._limits.tree_bytes:
            explanation = f"the tree has more than {self._limits.tree_bytes} bytes"
            raise InvalidTree("tree-too-large", path, explanation)


def _depth_then_path(path: str) -> tuple[int, str]:
    """Order directories so that each comes after those it is in."""
    return (path.count("/") + 1 if path else 0, path)
