"""One directory as canonical bytes: the encoding that tree digests are made of.

A directory is a msgpack array of ``[name, kind, digest, size]``, strictly increasing
by the UTF-8 bytes of the name. There is exactly one encoding of each directory:
reading encodes again and compares. See spec/digest.md section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from operator import itemgetter
from typing import TYPE_CHECKING, cast

from blake3 import blake3

from spm_spec.digests import DIGEST_BYTES, Digest
from spm_spec.tree_names import InvalidTree, check_name, folded

if TYPE_CHECKING:
    from collections.abc import Sequence

DIRECTORY_CONTEXT = "skills-package-manager 2026-11 directory v1"
DIRECTORY_BYTES = 4 * 1024 * 1024  # the longest encoding that is read
DIRECTORY_NODES = 10_000  # the most nodes one directory may hold
SIZE_LIMIT = 2**53 - 1  # the largest size every implementation can hold exactly
_FIELDS = 4

Row = tuple[str, int, bytes, int]
"""Name, kind, digest and size, as msgpack holds them."""


class Kind(IntEnum):
    """What a node is. Nothing else exists in a tree: no links, no devices."""

    FILE = 0
    EXECUTABLE = 1
    DIRECTORY = 2


@dataclass(frozen=True, slots=True)
class Node:
    """One name in a directory.

    ``size`` is the number of bytes of a file, or of all files below a directory;
    ``0 <= size < 2**53``.
    """

    name: str
    kind: Kind
    digest: Digest
    size: int


def encode_directory(nodes: Sequence[Node]) -> bytes:
    """Return the canonical bytes of a directory; the nodes may come in any order.

    Inverse of ``decode_directory``.

    Raises:
        InvalidTree: a name is not allowed, two names collide, or there are no nodes.

    """
    ordered = sorted(nodes, key=lambda node: node.name.encode("utf-8", "surrogatepass"))
    _check_nodes(ordered)
    return _encoded([[node.name, int(node.kind), node.digest.raw, node.size] for node in ordered])


def decode_directory(encoded: bytes) -> tuple[Node, ...]:
    """Return the nodes of a directory, in order of their names' bytes.

    Inverse of ``encode_directory``: ``encode_directory(decode_directory(b)) == b``
    for every ``b`` that is not refused.

    Raises:
        InvalidTree: the bytes are not the one encoding of a valid directory.

    """
    if len(encoded) > DIRECTORY_BYTES:
        explanation = f"{len(encoded)} bytes, the limit is {DIRECTORY_BYTES}"
        raise InvalidTree("directory-too-long", "", f"a directory is too long: {explanation}")
    rows = _unpacked(encoded)
    nodes = tuple(_node_of(row) for row in rows)
    _check_nodes(nodes)
    if _encoded(rows) != encoded:
        raise InvalidTree("not-canonical", "", "a directory is not in its canonical encoding")
    return nodes


def encode_rows(rows: list[Row]) -> bytes:
    """Return the canonical bytes of a directory whose names are checked already.

    ``rows`` may come in any order and is put in the right one.
    """
    # Code points are in the order of their UTF-8 bytes.
    rows.sort(key=itemgetter(0))
    return _encoded(rows)


def directory_digest(encoded: bytes) -> Digest:
    """Return the digest of a directory from its canonical bytes."""
    return Digest(blake3(encoded, derive_key_context=DIRECTORY_CONTEXT).digest())


def _encoded(rows: Sequence[object]) -> bytes:
    """Return the shortest msgpack of the rows; names as str, digests as bin."""
    import msgpack  # type: ignore[import-untyped]  # it ships no types

    return cast("bytes", msgpack.packb(rows, use_bin_type=True))  # pyright: ignore[reportUnknownMemberType]


def _unpacked(encoded: bytes) -> list[object]:
    """Return the array that the bytes hold, whatever is in it."""
    import msgpack

    try:
        value: object = msgpack.unpackb(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            encoded,
            raw=False,
            strict_map_key=True,
            max_array_len=DIRECTORY_NODES,
            max_map_len=0,
            max_ext_len=0,
            max_str_len=1024,
            max_bin_len=DIGEST_BYTES,
            list_hook=_Arrays().count,
        )
    except (ValueError, msgpack.exceptions.UnpackException, RecursionError) as error:
        # ExtraData, StackError, FormatError and bad UTF-8 are all ValueErrors.
        raise InvalidTree("not-msgpack", "", "a directory is not msgpack") from error
    if not isinstance(value, list):
        raise InvalidTree("wrong-shape", "", "a directory is not a msgpack array")
    return cast("list[object]", value)


class _Arrays:
    """Counts arrays: four megabytes of empty ones would take hundreds as objects."""

    def __init__(self) -> None:
        self._left = DIRECTORY_NODES + 1

    def count(self, array: list[object]) -> list[object]:
        """Take one more array, unless no directory has so many."""
        self._left -= 1
        if self._left < 0:
            raise InvalidTree("not-msgpack", "", "a directory is not msgpack of so many arrays")
        return array


def _node_of(row: object) -> Node:
    """Return the node a row describes; types are exact, so a bool is not a number."""
    if type(row) is not list or len(fields := cast("list[object]", row)) != _FIELDS:
        raise InvalidTree("wrong-shape", "", "a node is not [name, kind, digest, size]")
    name, kind, digest, size = fields
    if type(name) is not str:
        raise InvalidTree("wrong-shape", "", "a name is not a msgpack string")
    if type(kind) is not int or not Kind.FILE <= kind <= Kind.DIRECTORY:
        raise InvalidTree("unknown-kind", name, "the kind is not 0, 1 or 2")
    if type(digest) is not bytes or len(digest) != DIGEST_BYTES:
        raise InvalidTree("wrong-digest", name, f"the digest is not {DIGEST_BYTES} bytes")
    if type(size) is not int or not 0 <= size <= SIZE_LIMIT:
        raise InvalidTree("wrong-size", name, f"the size is not from 0 to {SIZE_LIMIT}")
    return Node(name, Kind(kind), Digest(digest), size)


def _check_nodes(nodes: Sequence[Node]) -> None:
    """Refuse no nodes, bad names, a wrong order, and names some system takes for equal."""
    if not nodes:
        raise InvalidTree("empty-directory", "", "a directory holds nothing")
    seen: dict[str, str] = {}
    previous = b""
    for node in nodes:
        check_name(node.name)
        name_bytes = node.name.encode()
        if name_bytes == previous:
            raise InvalidTree("duplicate-name", node.name, "the name appears twice")
        if name_bytes < previous:
            raise InvalidTree("wrong-order", node.name, "the names are not in order of their bytes")
        other = seen.setdefault(folded(node.name), node.name)
        if other != node.name:
            explanation = f"the name equals {other!r} where case is ignored"
            raise InvalidTree("case-collision", node.name, explanation)
        previous = name_bytes
