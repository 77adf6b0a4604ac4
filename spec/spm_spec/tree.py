"""From files to one digest: the tree that a skill is.

A tree is a directory of files and directories, each named by its digest, so that
the digest of the root names every byte, name and executable bit below it, and
nothing else: no owners, times or other mode bits exist. See spec/digest.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spm_spec.digests import Digest, blob_digest
from spm_spec.tree_directory import (
    Kind,
    Node,
    decode_directory,
    directory_digest,
    encode_directory,
)
from spm_spec.tree_names import (
    DEFAULT_LIMITS,
    InvalidTree,
    Limits,
    check_name,
    check_path,
    folded,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "DEFAULT_LIMITS",
    "FileEntry",
    "InvalidTree",
    "Kind",
    "Limits",
    "Node",
    "Tree",
    "TreeFile",
    "build_tree",
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
    builder = _Builder(limits)
    for entry in files:
        size = len(entry.data)
        builder.claim(entry.path, size)
        builder.add(TreeFile(entry.path, blob_digest(entry.data), entry.executable, size))
    return builder.finish()


def tree_of(files: Iterable[TreeFile], limits: Limits = DEFAULT_LIMITS) -> Tree:
    """Return the tree of ``files`` whose digests are known; they may come in any order.

    Raises:
        InvalidTree: as ``build_tree``.

    """
    builder = _Builder(limits)
    for file in files:
        builder.claim(file.path, file.size)
        builder.add(file)
    return builder.finish()


class _Builder:
    """Collects files by directory, then names directories from the deepest up."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._size = 0
        self._files: dict[str, TreeFile] = {}
        self._children: dict[str, list[Node]] = {"": []}
        self._folded: dict[str, dict[str, str]] = {"": {}}

    def claim(self, path: str, size: int) -> None:
        """Take a path for a file of ``size`` bytes, or refuse it."""
        check_path(path, self._limits)
        if path in self._files:
            raise InvalidTree("duplicate-path", path, "the path appears twice")
        if path in self._children:
            raise InvalidTree("file-and-directory", path, "a file is also a directory")
        self._count(path, size)
        parent, _, name = path.rpartition("/")
        if parent not in self._children:
            self._open(parent)
        self._claim(parent, name)

    def add(self, file: TreeFile) -> None:
        """Take the file whose path was claimed."""
        parent, _, name = file.path.rpartition("/")
        kind = Kind.EXECUTABLE if file.executable else Kind.FILE
        self._children[parent].append(Node(name, kind, file.digest, file.size))
        self._files[file.path] = file
        self._check_entries(file.path)

    def finish(self) -> Tree:
        """Encode every directory after those it holds; return the tree."""
        if not self._files:
            raise InvalidTree("empty-tree", "", "a tree holds no files")
        encoded: dict[str, bytes] = {}
        digest: Digest | None = None
        # A longer path cannot hold a shorter one, so the root comes last.
        for path in sorted(self._children, key=_depth_then_path, reverse=True):
            nodes = self._children[path]
            encoded[path] = encode_directory(nodes)
            digest = directory_digest(encoded[path])
            if path:
                parent, _, name = path.rpartition("/")
                size = sum(node.size for node in nodes)
                self._children[parent].append(Node(name, Kind.DIRECTORY, digest, size))
        assert digest is not None  # noqa: S101 - the root is always encoded
        files = tuple(sorted(self._files.values(), key=lambda file: file.path.encode()))
        return Tree(digest, self._size, encoded, files)

    def _open(self, directory: str) -> None:
        """Make ``directory`` and those above it known."""
        missing: list[str] = []
        while directory not in self._children:
            if directory in self._files:
                raise InvalidTree("file-and-directory", directory, "a file is also a directory")
            missing.append(directory)
            directory = directory.rpartition("/")[0]
        for path in reversed(missing):
            parent, _, name = path.rpartition("/")
            self._claim(parent, name)
            self._children[path] = []
            self._folded[path] = {}

    def _claim(self, parent: str, name: str) -> None:
        """Take ``name`` in ``parent``, unless an equal one has been taken."""
        other = self._folded[parent].setdefault(folded(name), name)
        if other != name:
            path = f"{parent}/{name}" if parent else name
            explanation = f"the name equals {shown(other)} where case is ignored"
            raise InvalidTree("case-collision", path, explanation)

    def _count(self, path: str, size: int) -> None:
        """Hold the caps on bytes."""
        if size > self._limits.file_bytes:
            explanation = f"{size} bytes, the limit is {self._limits.file_bytes}"
            raise InvalidTree("file-too-large", path, f"the file is too large: {explanation}")
        self._size += size
        if self._size > self._limits.tree_bytes:
            explanation = f"the tree has more than {self._limits.tree_bytes} bytes"
            raise InvalidTree("tree-too-large", path, explanation)

    def _check_entries(self, path: str) -> None:
        """Hold the cap on the number of files and directories."""
        if len(self._files) + len(self._children) - 1 > self._limits.entries:
            explanation = f"the tree has more than {self._limits.entries} files and directories"
            raise InvalidTree("too-many-entries", path, explanation)


def _depth_then_path(path: str) -> tuple[int, str]:
    """Order directories so that each comes after those it is in."""
    return (path.count("/") + 1 if path else 0, path)
