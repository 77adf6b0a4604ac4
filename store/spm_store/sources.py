"""Whole copies of a file, anywhere in the store and the stores below it.

The index says where the same bytes should be: in a blob, with and without the
executable bit, and in every tree that shares it. What stands there is hashed before it
is given away.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spm_spec.digests import DIGEST_BYTES, Digest
from spm_store.blobs import mode_of, read_file
from spm_store.hashing import Hashing, Unhashable
from spm_store.index import Index
from spm_store.inspection import name_of_blob
from spm_store.trees import decode_directories

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from spm_spec.tree import TreeFile
    from spm_store.catalogue import Catalogue
    from spm_store.index import Row


@dataclass(frozen=True, slots=True)
class Reading:
    """One store as it is read: the upper one, or a lower one."""

    root: str
    index: Index
    """Of a lower store one that writes nothing."""


def readings_of(store: Catalogue) -> tuple[Reading, ...]:
    """Return the store and those below it, in the order in which trees are looked up.

    Raises:
        LayerUnusable: a lower store is not there, or cannot be read.

    """
    below = list[Reading]()
    for layer in store.layers:
        layer.all_rows()  # refuses in words that name the layer
        root = os.fspath(layer.root)
        index = Index(root, read_only=True, mount_table=store.mount_table)
        below.append(Reading(root, index))
    return Reading(os.fspath(store.root), store.index), *below


class Sources:
    """Where the store, as its index was when this was made, may have the bytes of a file."""

    def __init__(self, layers: Sequence[Reading]) -> None:
        """Read the indexes of ``layers``, the upper one first."""
        self._roots = [layer.root for layer in layers]
        self._files: dict[Digest, tuple[TreeFile, ...]] = {}
        self.rows: dict[Digest, Row] = {}
        self.misled: set[Digest] = set()
        """Trees whose row does not lead to their files."""
        self._places: dict[bytes, list[str]] = {}
        for layer in layers:
            rows = {row.digest: row for row in layer.index.all_rows()}
            for raw, encoded in layer.index.directories():
                if raw in rows:
                    self._take(layer.root, rows[raw], encoded)

    def files(self, digest: Digest) -> tuple[TreeFile, ...] | None:
        """Return the files of a tree; None if no index and no folder says which they are."""
        found = self._files.get(digest)
        if found is None and digest in self.rows:
            place = f"{self._roots[0]}/trees/{digest.hex}-{self.rows[digest].name}"
            found = _files_at(place, digest)
        return found

    def owners(self, blob: bytes) -> Iterator[Digest]:
        """Yield the trees of the indexes that hold the file."""
        raw, executable = blob[:DIGEST_BYTES], len(blob) > DIGEST_BYTES
        for digest, files in self._files.items():
            if any(
                file.digest.raw == raw and file.executable == executable and file.size
                for file in files
            ):
                yield digest

    def bytes_of(self, file: TreeFile) -> bytes | None:
        """Return the bytes of a file; None if no whole copy is left."""
        if not file.size:
            return b""
        for place in self._candidates(file.digest.raw):
            with suppress(OSError):
                data = read_file(place)[0] if _has_size(place, file.size) else b""
                if _digest_of(data) == file.digest.raw:
                    return data
        return None

    def place_of(self, blob: bytes) -> str | None:
        """Return where a file with these bytes and this mode stands, the blob itself apart."""
        raw, own = blob[:DIGEST_BYTES], f"/blobs/{name_of_blob(blob)}"
        mode = mode_of(executable=len(blob) > DIGEST_BYTES)
        for place in self._candidates(raw):
            if place != self._roots[0] + own:
                with suppress(OSError, Unhashable):
                    content = Hashing().read(place)
                    if content.raw == raw and content.mode == mode:
                        return place
        return None

    def _take(self, root: str, row: Row, encoded: bytes) -> None:
        digest = Digest(row.digest)
        self.rows.setdefault(digest, row)
        try:
            files = decode_directories(encoded, digest)
        except ValueError:
            self.misled.add(digest)
            return
        self._files.setdefault(digest, files)
        place = f"{root}/trees/{digest.hex}-{row.name}"
        for file in files:
            self._places.setdefault(file.digest.raw, []).append(f"{place}/{file.path}")

    def _candidates(self, raw: bytes) -> Iterator[str]:
        for root in self._roots:
            yield f"{root}/blobs/{name_of_blob(raw)}"
            yield f"{root}/blobs/{name_of_blob(raw + b'x')}"
        yield from self._places.get(raw, ())


def _files_at(place: str, digest: Digest) -> tuple[TreeFile, ...] | None:
    """Return the files of the tree that stands at ``place``, if it is ``digest``."""
    from spm_store.trees import join_directories

    try:
        folded = Hashing().fold(place)
    except (OSError, Unhashable):
        return None
    if folded.raw != digest.raw:
        return None
    with suppress(ValueError):
        return decode_directories(join_directories(folded.directories), digest)
    return None


def _has_size(place: str, size: int) -> bool:
    return os.lstat(place).st_size == size


def _digest_of(data: bytes) -> bytes:
    from blake3 import blake3

    return blake3(data).digest()
