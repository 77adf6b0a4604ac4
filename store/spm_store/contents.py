"""Which blobs the rows need, read quickly: by those who remove, not by those who trust.

Every directory that stands in a row counts, whether the tree's digest leads to it or
not, so more may be found than is needed and never less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from spm_spec.digests import Digest
from spm_spec.tree_directory import Kind
from spm_store.blobs import name_of_digits
from spm_store.errors import IndexDamaged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LENGTH_BYTES = 4


class NeededBlob(NamedTuple):
    """A blob that a row needs."""

    name: str
    """Below ``blobs/``."""
    size: int


def blobs_of_row(index: str, digest: bytes, encoded: bytes) -> tuple[NeededBlob, ...]:
    """Return the blobs that a row's directories name.

    Raises:
        IndexDamaged: they are not directories, so nobody can say what the tree needs.

    """
    try:
        return tuple(_blobs(encoded))
    except (ValueError, TypeError, AttributeError) as error:
        hint = "`spm store rebuild` makes the index again"
        reason = f"the directories of tree {Digest(digest)} cannot be read"
        raise IndexDamaged(index, reason, hint=hint) from error


def needed_blobs(index: str, rows: Iterable[tuple[bytes, bytes]]) -> set[str]:
    """Return the names of all blobs that the rows, digest and directories, need.

    Raises:
        IndexDamaged: a row cannot be read.

    """
    return {blob.name for digest, encoded in rows for blob in blobs_of_row(index, digest, encoded)}


def _blobs(encoded: bytes) -> Iterator[NeededBlob]:
    import msgpack  # type: ignore[import-untyped]  # it ships no types

    start, view = 0, memoryview(encoded)
    while start < len(encoded):
        end = start + _LENGTH_BYTES + int.from_bytes(encoded[start : start + _LENGTH_BYTES], "big")
        if end > len(encoded):
            raise ValueError("cut off")
        nodes = msgpack.unpackb(view[start + _LENGTH_BYTES : end], raw=True)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        for _, kind, digest, size in cast("list[tuple[bytes, int, bytes, int]]", nodes):
            if kind != Kind.DIRECTORY and size:
                name = name_of_digits(digest.hex(), executable=kind == Kind.EXECUTABLE)
                yield NeededBlob(name, size)
        start = end
