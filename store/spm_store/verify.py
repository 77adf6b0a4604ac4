"""Hash the whole store again and name everything that is not as it was stored."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from spm_spec.digests import DIGEST_PREFIX, Digest, InvalidDigest, blob_digest
from spm_store.blobs import blob_name, mode_of, read_file
from spm_store.damage import Damage
from spm_store.trees import FOLDER_MODE, decode_directories, walk_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spm_spec.tree import TreeFile
    from spm_store.catalogue import Catalogue
    from spm_store.damage import DamageKind
    from spm_store.trees import StoredTree


class Verification:
    """One pass over a store. A file with two names is hashed once."""

    def __init__(self, store: Catalogue) -> None:
        """Know the store; nothing is read yet."""
        self._store = store
        self._hashed: dict[tuple[int, int], Digest] = {}
        self._needed: dict[str, TreeFile] = {}

    def run(self, progress: Callable[[int, int], None] | None) -> tuple[Damage, ...]:
        """Return every damage, trees first; ``progress`` gets steps done and steps in all."""
        trees = list(self._store.trees(present=False))
        encoded = dict(self._store.index.directories())
        found: list[Damage] = []
        blobs = list(self._blob_places())
        steps = len(trees) + len(blobs)
        for done, tree in enumerate(trees, 1):
            found += self._tree(tree, encoded.get(tree.digest.raw))
            if progress:
                progress(done, steps)
        for done, (name, place) in enumerate(blobs, len(trees) + 1):
            found += self._blob(name, place)
            if progress:
                progress(done, steps)
        found += self._missing_blobs({name for name, _ in blobs})
        return tuple(found)

    def _tree(self, tree: StoredTree, encoded: bytes | None) -> Iterator[Damage]:
        if encoded is None:
            return  # removed since the rows were read
        try:
            files = decode_directories(encoded, tree.digest)
        except ValueError:
            yield self._damage("wrong-index", self._store.index.path, tree.digest)
            return
        self._needed |= {blob_name(file): file for file in files if file.size}
        place = os.fspath(tree.path)
        if not os.path.lexists(place):
            yield self._damage("missing-tree", place, tree.digest)
        elif os.path.islink(place) or not os.path.isdir(place):
            yield self._damage("foreign-entry", place, tree.digest)
        else:
            yield from self._contents(tree.digest, place, {file.path: file for file in files})

    def _contents(
        self, digest: Digest, place: str, missing: dict[str, TreeFile]
    ) -> Iterator[Damage]:
        """Compare a folder with the files it should hold; empties ``missing``."""
        folders = {path.rpartition("/")[0] for path in missing}
        folders |= {part for path in folders for part in _parents(path)}
        if stat.S_IMODE(os.lstat(place).st_mode) != FOLDER_MODE:
            yield self._damage("wrong-mode", place, digest)
        try:
            for found in walk_tree(place):
                file = missing.pop(found.path, None)
                if found.kind == "foreign":
                    yield self._damage("foreign-entry", found.place, digest)
                elif found.kind == "file" and file is not None:
                    yield from self._file(
                        found.place, file.digest, executable=file.executable, owner=digest
                    )
                elif found.kind == "file" or found.path not in folders:
                    yield self._damage("extra-file", found.place, digest)
                elif stat.S_IMODE(os.lstat(found.place).st_mode) != FOLDER_MODE:
                    yield self._damage("wrong-mode", found.place, digest)
        except OSError as error:
            yield self._damage("unreadable", str(error.filename or place), digest)
            return
        for path in missing:
            yield self._damage("missing-file", f"{place}/{path}", digest)

    def _file(
        self, place: str, expected: Digest, *, executable: bool, owner: Digest
    ) -> Iterator[Damage]:
        try:
            status = os.lstat(place)
            identity = (status.st_dev, status.st_ino)
            if identity not in self._hashed:
                self._hashed[identity] = blob_digest(read_file(place)[0])
        except OSError:
            yield self._damage("unreadable", place, owner)
            return
        if self._hashed[identity] != expected:
            yield self._damage("wrong-bytes", place, owner)
        if stat.S_IMODE(status.st_mode) != mode_of(executable=executable):
            yield self._damage("wrong-mode", place, owner)

    def _blob_places(self) -> Iterator[tuple[str, str]]:
        blobs = f"{os.fspath(self._store.root)}/blobs"
        if os.path.isdir(blobs):
            for found in walk_tree(blobs):
                if found.kind in {"file", "foreign"}:
                    yield found.path, found.place

    def _blob(self, name: str, place: str) -> Iterator[Damage]:
        digits, _, suffix = name.rpartition("/")[2].partition("-")
        try:
            digest = Digest.parse(DIGEST_PREFIX + digits)
        except InvalidDigest:
            return  # not a name of ours; nothing reads it
        if os.path.islink(place) or not os.path.isfile(place):
            if os.path.lexists(place):
                yield self._damage("foreign-entry", place, digest)
            return
        yield from self._file(place, digest, executable=suffix == "x", owner=digest)

    def _missing_blobs(self, present: set[str]) -> Iterator[Damage]:
        for name in sorted(self._needed.keys() - present):
            place = f"{os.fspath(self._store.root)}/blobs/{name}"
            yield self._damage("missing-blob", place, self._needed[name].digest)

    def _damage(self, kind: DamageKind, place: str, digest: Digest) -> Damage:
        return Damage(kind, self._store.root.__class__(place), digest)


def _parents(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]
