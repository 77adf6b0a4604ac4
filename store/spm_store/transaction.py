"""Adding trees: stage, publish, wait for the disk, write the rows. See spec/store.md.

``add`` hashes in the caller's thread and stages one tree at a time; it may be called
from several threads. Nothing is visible to anyone before the ``with`` block ends, and
nothing at all if it ends by an exception.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Self

from spm_store.blobs import Blobs, blob_name, mode_of
from spm_store.durable import barrier
from spm_store.errors import DigestMismatch, StoreFailure, storing
from spm_store.index import NewRow
from spm_store.leases import WORK_FOLDER, Lease, discard, empty_trash, gc_lock, sweep
from spm_store.trees import FOLDER_MODE, StoredTree, damage_of, encode_directories

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from spm_spec.digests import Digest
    from spm_spec.tree import FileEntry, Tree
    from spm_store.catalogue import Catalogue

_PUBLISH_ATTEMPTS = 16


@dataclass(frozen=True, slots=True)
class _Staged:
    """A tree that waits in the lease for its place."""

    tree: Tree
    stored: StoredTree
    folder: str


class Transaction:
    """Trees that become valid together, with one barrier and one commit for all."""

    def __init__(self, store: Catalogue) -> None:
        """Prepare; the disk is first touched by ``add`` of a tree the store lacks."""
        self._store = store
        self._root = os.fspath(store.root)
        self._disk = store.disk
        self._blobs = Blobs(self._root, store.disk)
        self._lease: Lease | None = None
        self._staged: dict[Digest, _Staged] = {}
        self._first: dict[str, list[str]] = {}
        self._lock = Lock()

    def __enter__(self) -> Self:
        """Sweep up after the dead; that costs two empty directory listings."""
        sweep(self._root, self._disk)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Commit if the block ended well; in any case leave no unfinished work."""
        if self._lease is None:
            return
        try:
            if kind is None and self._staged:
                with storing(self._root):
                    self._commit(self._lease)
        finally:
            # What cannot be removed now is swept by the next transaction.
            with suppress(OSError):
                self._lease.close()

    def add(
        self, files: Iterable[FileEntry], *, name: str, expected: Digest | None = None
    ) -> StoredTree:
        """Stage one tree; its path holds it once the transaction has ended well.

        ``name`` is a skill name, for people who look into the store: the same files
        under two names are one tree, under the name that came first.

        Raises:
            DigestMismatch: the files are not the tree ``expected``.
            InvalidTree: no tree may look like this.
            InvalidName: ``name`` is no skill name.
            StoreFailure: the disk or the system refused.

        """
        from spm_spec.names import parse_skill_name
        from spm_spec.tree import build_tree

        parse_skill_name(name)
        entries = tuple(files)
        tree = build_tree(entries)
        if expected is not None and tree.digest != expected:
            raise DigestMismatch(expected, tree.digest, name)
        known = self._store.get(tree.digest)
        if known is not None and damage_of(os.fspath(known.path), tree.digest) is None:
            return known
        with self._lock, storing(self._root):
            staged = self._staged.get(tree.digest)
            if staged is None:
                path = self._store.tree_path(tree.digest, known.name if known else name)
                stored = StoredTree(
                    tree.digest, known.name if known else name, path, tree.size, len(tree.files)
                )
                staged = _Staged(tree, stored, f"{self._begun().path}/{len(self._staged)}")
                self._stage(staged, entries)
                self._staged[tree.digest] = staged
            return staged.stored

    def _begun(self) -> Lease:
        """Return the lease; the first time, make the store if there is none."""
        if self._lease is None:
            for folder in ("blobs", "trees", WORK_FOLDER, "trash"):
                os.makedirs(f"{self._root}/{folder}", exist_ok=True)
            self._lease = Lease(self._root, self._disk)
            self._store.index.create(self._disk, self._lease.path)
        return self._lease

    def _stage(self, staged: _Staged, entries: tuple[FileEntry, ...]) -> None:
        for directory in sorted(staged.tree.directories):
            self._disk.make_folder(f"{staged.folder}/{directory}".rstrip("/"), 0o755)
        data_of = {entry.path: entry.data for entry in entries}
        for file in staged.tree.files:
            target = f"{staged.folder}/{file.path}"
            data, mode = data_of[file.path], mode_of(executable=file.executable)
            if not data:
                self._disk.write_file(target, data, mode)
                continue
            name = blob_name(file)
            copies = self._first.setdefault(name, [])
            try:
                if copies:
                    self._blobs.place(copies[0], target, mode)
                elif self._blobs.holds(name, data, mode):
                    self._blobs.place(self._blobs.path(name), target, mode)
                else:
                    self._disk.write_file(target, data, mode)
            except FileNotFoundError:  # the blob was removed since it was looked at
                self._disk.write_file(target, data, mode)
            copies.append(target)

    def _commit(self, lease: Lease) -> None:
        published: list[str] = []
        try:
            # Nobody removes while we publish; others may publish beside us.
            with gc_lock(self._root, exclusive=False):
                self._publish_blobs(f"{lease.path}/spare")
                for staged in self._staged.values():
                    self._publish_tree(staged)
                    published.append(os.fspath(staged.stored.path))
                self._wait_for_the_disk()
                rows = [self._row(staged) for staged in self._staged.values()]
                self._store.index.put(rows, self._disk)
        except (OSError, StoreFailure):
            self._give_back(published)
            raise
        empty_trash(self._root, self._disk)

    def _publish_blobs(self, spare: str) -> None:
        for name, copies in self._first.items():
            mode = mode_of(executable=name.endswith("-x"))
            for staged in copies:
                self._blobs.publish(staged, name, mode, spare)

    def _publish_tree(self, staged: _Staged) -> None:
        """Move the staged tree to its place, unless the same tree stands there."""
        for directory in staged.tree.directories:
            if directory:
                self._disk.set_mode(f"{staged.folder}/{directory}", FOLDER_MODE)
        final = os.fspath(staged.stored.path)
        for _ in range(_PUBLISH_ATTEMPTS):
            try:
                self._disk.move(staged.folder, final)
            except (FileExistsError, NotADirectoryError):
                pass
            except OSError as error:
                if not os.path.lexists(final):
                    raise error from None
            else:
                break
            if damage_of(final, staged.tree.digest) is None:
                break
            discard(self._root, self._disk, final)
        else:
            raise StoreFailure(final, "another process keeps putting something else here")
        self._disk.set_mode(final, FOLDER_MODE)

    def _wait_for_the_disk(self) -> None:
        files, folders = list[str](), [f"{self._root}/trees", f"{self._root}/blobs", self._root]
        for staged in self._staged.values():
            final = os.fspath(staged.stored.path)
            files += [f"{final}/{file.path}" for file in staged.tree.files]
            folders += [f"{final}/{path}".rstrip("/") for path in staged.tree.directories]
        blobs = [self._blobs.path(name) for name in self._first]
        if self._blobs.copied:
            files += blobs
        folders += sorted({blob.rpartition("/")[0] for blob in blobs})
        barrier(self._disk, self._store.durability, root=self._root, files=files, folders=folders)

    def _row(self, staged: _Staged) -> NewRow:
        stored, directories = staged.stored, encode_directories(staged.tree)
        added = int(self._store.now())
        return NewRow(stored.digest.raw, stored.name, stored.size, stored.files, added, directories)

    def _give_back(self, published: list[str]) -> None:
        """Free the space of what was published but is not valid."""
        from spm_store.removal import remove_unlisted

        with suppress(OSError, StoreFailure):
            remove_unlisted(self._store, trees=published, blobs=list(self._first))
