"""What a bundle holds, before its blobs: trees and the directories they are made of.

One encoding for each listing: counts and lengths are big-endian, trees and
directories each in one order. See spec/bundle.md section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from spm_spec.digests import DIGEST_BYTES, Digest
from spm_spec.names import is_skill_name
from spm_spec.package_members import Flaw
from spm_spec.pieces import Pieces
from spm_spec.tree_directory import DIRECTORY_BYTES, directory_digest
from spm_spec.tree_names import InvalidTree, Limits, shown
from spm_spec.tree_reading import Directories
from spm_spec.versions import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from spm_spec.tree import Tree
    from spm_spec.tree_reading import Summary

TREES = 10_000  # the most trees in a bundle
TREE_ENTRIES = 1_000_000  # the most files and directories in all its trees together
BUNDLE_BYTES = 64 * 1024 * 1024 * 1024  # the most bytes in all its trees together
LISTING_BYTES = 16 * 1024 * 1024  # the longest listing
_COUNT_BYTES = 4
_SHORT_BYTES = 2


@dataclass(frozen=True, slots=True)
class BundledTree:
    """One tree of a bundle, under the name and version it was installed as.

    ``directories`` holds the canonical bytes of each directory of the tree, once or
    more, in any order.
    """

    name: str
    version: str | None
    digest: Digest
    directories: tuple[bytes, ...]

    def tree(self) -> Tree:
        """Return the whole tree; costs the decoding of its directories.

        Raises:
            InvalidTree: the directories are not those of a tree with this digest.

        """
        return Directories(self.directories).tree(self.digest)


class BlobKey(NamedTuple):
    """Which bytes, and how many."""

    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class Listing:
    """The trees of a bundle, in order, and its blobs in order of their digests."""

    trees: tuple[BundledTree, ...]
    blobs: tuple[BlobKey, ...]
    encoded: bytes

    @property
    def blob_bytes(self) -> int:
        """How many bytes the blobs are together."""
        return sum(blob.size for blob in self.blobs)


class _Key(NamedTuple):
    """What the trees of a bundle are ordered by; no version comes first."""

    name: bytes
    version: bytes
    digest: bytes


def write_listing(trees: Iterable[BundledTree], limits: Limits) -> Listing:
    """Return the listing of ``trees``, which may come in any order and repeat.

    Raises:
        Flaw: a reader would refuse it.

    """
    trees = tuple(trees)
    keys = sorted(
        {_Key(each.name.encode(), (each.version or "").encode(), each.digest.raw) for each in trees}
    )
    directories = {directory_digest(each).raw: each for tree in trees for each in tree.directories}
    pieces = [_count(len(keys))]
    for key in keys:
        pieces += [_short(key.name), _short(key.version), key.digest]
    pieces.append(_count(len(directories)))
    for digest in sorted(directories):
        pieces += [_count(len(directories[digest])), directories[digest]]
    encoded = b"".join(pieces)
    return read_listing(Pieces(iter([encoded]), "the listing").take, limits)


def read_listing(take: Callable[[int], bytes], limits: Limits) -> Listing:
    """Return the listing that the next bytes are; ``take`` gives exact numbers of them.

    Raises:
        Flaw: it is not written in the one way, is over a cap, or lists no trees.

    """
    reader = _Reader(take)
    keys = reader.keys()
    directories = Directories(reader.directories(), limits)
    trees: list[BundledTree] = []
    entries = size = 0
    for key in keys:
        tree, summary = _checked(key, directories)
        entries += summary.entries
        size += summary.size
        _check_sums(entries, size)
        trees.append(tree)
    if directories.unneeded():
        raise Flaw("extra-directory", f"{directories.unneeded()} directories belong to no tree")
    blobs = sorted(directories.blobs.items(), key=lambda item: item[0].raw)
    return Listing(tuple(trees), tuple(BlobKey(*item) for item in blobs), reader.encoded())


def _checked(key: _Key, directories: Directories) -> tuple[BundledTree, Summary]:
    """Return one tree and what it holds, which is within the caps."""
    digest = Digest(key.digest)
    name, version = key.name.decode(), key.version.decode() or None
    try:
        summary = directories.check(digest)
        return BundledTree(name, version, digest, directories.below(digest)), summary
    except InvalidTree as error:
        raise Flaw(error.reason, error.message, name) from error


def _check_sums(entries: int, size: int) -> None:
    """Hold all trees together to the caps."""
    if entries > TREE_ENTRIES:
        explanation = f"the trees have more than {TREE_ENTRIES} files and directories together"
        raise Flaw("too-many-entries", explanation)
    if size > BUNDLE_BYTES:
        raise Flaw("bundle-too-large", f"the trees have more than {BUNDLE_BYTES} bytes together")


class _Reader:
    """Reads a listing from the front, and keeps the bytes it read."""

    def __init__(self, take: Callable[[int], bytes]) -> None:
        self._take = take
        self._pieces: list[bytes] = []
        self._length = 0

    def encoded(self) -> bytes:
        """Return all bytes read so far."""
        return b"".join(self._pieces)

    def keys(self) -> list[_Key]:
        """Return the trees, which are in strictly increasing order."""
        count = self._number(_COUNT_BYTES)
        if not count:
            raise Flaw("no-trees", "the bundle holds no trees")
        if count > TREES:
            raise Flaw("too-many-trees", f"the bundle has {count} trees, the limit is {TREES}")
        keys: list[_Key] = []
        for _ in range(count):
            key = _Key(self._short(), self._short(), self._bytes(DIGEST_BYTES))
            _check_key(key)
            if keys and key == keys[-1]:
                raise Flaw("duplicate-tree", "the tree is listed twice", key.name.decode())
            if keys and key < keys[-1]:
                raise Flaw("wrong-order", "the trees are not in order", key.name.decode())
            keys.append(key)
        return keys

    def directories(self) -> list[bytes]:
        """Return the directories, which are in strictly increasing order of their digests."""
        encoded: list[bytes] = []
        previous = b""
        for _ in range(self._number(_COUNT_BYTES)):
            length = self._number(_COUNT_BYTES)
            if length > DIRECTORY_BYTES:
                explanation = f"a directory has {length} bytes, the limit is {DIRECTORY_BYTES}"
                raise Flaw("directory-too-long", explanation)
            directory = self._bytes(length)
            digest = directory_digest(directory).raw
            if digest == previous:
                raise Flaw("duplicate-directory", "a directory is listed twice")
            if digest < previous:
                raise Flaw("wrong-order", "the directories are not in order of their digests")
            encoded.append(directory)
            previous = digest
        return encoded

    def _short(self) -> bytes:
        """Return a text with its length before it."""
        return self._bytes(self._number(_SHORT_BYTES))

    def _number(self, length: int) -> int:
        """Return a big-endian number."""
        return int.from_bytes(self._bytes(length), "big")

    def _bytes(self, count: int) -> bytes:
        """Return the next ``count`` bytes, unless the listing becomes too long."""
        self._length += count
        if self._length > LISTING_BYTES:
            raise Flaw("listing-too-long", f"the listing is longer than {LISTING_BYTES} bytes")
        piece = self._take(count)
        self._pieces.append(piece)
        return piece


def _check_key(key: _Key) -> None:
    """Refuse a name that is not a skill's, and a version that is not written in the one way."""
    try:
        name, version = key.name.decode("ascii"), key.version.decode("ascii")
    except UnicodeDecodeError as error:
        raise Flaw("bad-name", "a name or version is not ASCII") from error
    if not is_skill_name(name):
        raise Flaw("bad-name", f"{shown(name)} is not a skill name")
    try:
        exact = not version or str(Version.parse(version)) == version
    except InvalidVersion:
        exact = False
    if not exact:
        raise Flaw("bad-version", f"{shown(version)} is not an exact version", name)


def _count(number: int) -> bytes:
    """Return a count or the length of a directory."""
    return number.to_bytes(_COUNT_BYTES, "big")


def _short(text: bytes) -> bytes:
    """Return a text with its length before it; a longer one is nobody's name."""
    if len(text) >> 8 * _SHORT_BYTES:
        raise Flaw("bad-name", f"a name or version has {len(text)} bytes")
    return len(text).to_bytes(_SHORT_BYTES, "big") + text
