"""Adding trees: stage, publish, wait for the disk, write the rows. See spec/store.md.

``add`` stages one tree at a time; it may be called from several threads. Nothing is
visible to anyone before the ``with`` block ends, and nothing at all if it ends by an
exception.
"""

from __future__ import annotations

import os
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Self

from spm_store.appearance import looks_whole
from spm_store.blobs import SHARED_FOLDER_MODE, Blobs
from spm_store.durable import barrier, remove_tree
from spm_store.errors import DigestMismatch, StoreFailure, storing
from spm_store.index import NewRow
from spm_store.leases import Lease, empty_trash, sweep
from spm_store.locks import gc_lock
from spm_store.publishing import Publication, Staged
from spm_store.staging import Staging
from spm_store.trees import StoredTree, damage_of, encode_directories

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from spm_spec.digests import Digest
    from spm_spec.streams import StreamedFile
    from spm_spec.tree import FileEntry, Tree
    from spm_store.catalogue import Catalogue


class Transaction:
    """Trees that become valid together, with one barrier and one commit for all."""

    def __init__(self, store: Catalogue, *, purpose: str = "adding trees") -> None:
        """Prepare; the disk is first touched by ``add``. ``purpose`` is for people."""
        self._store = store
        self._root = os.fspath(store.root)
        self._disk = store.disk
        self._purpose = purpose
        self._lease: Lease | None = None
        self._blobs: Blobs | None = None
        self._staged: dict[Digest, Staged] = {}
        self._copies: dict[str, list[str]] = {}
        self._folders = 0
        self._shelves: dict[tuple[StoredTree, str], None] = {}
        self._lock = Lock()

    def __enter__(self) -> Self:
        """Sweep up after the dead; that costs two empty directory listings."""
        sweep(self._root, self._disk, boot=self._store.boot, mount_table=self._store.mount_table)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Commit if the block ended well; in any case leave no unfinished work."""
        try:
            if kind is None:
                with storing(self._root):
                    if self._lease is not None and self._blobs is not None and self._staged:
                        self._commit(self._lease, self._blobs)
                    self._shelve()
        finally:
            if self._lease is not None:
                # What cannot be removed now is swept by the next transaction.
                with suppress(OSError):
                    self._lease.close()

    def add(
        self,
        files: Iterable[FileEntry | StreamedFile],
        *,
        name: str,
        version: str | None = None,
        expected: Digest | None = None,
        replace: bool = False,
    ) -> StoredTree:
        """Stage one tree; its path holds it once the transaction has ended well.

        ``name`` is a skill name, for people who look into the store: the same files
        under two names are one tree, under the name that came first. With ``version``
        the tree gets a shelf too. A tree ``expected`` that is there and looks whole is
        returned at once, and ``files`` is not asked for any; with ``replace`` it is
        hashed first, and stored again if it is damaged.

        A tuple or list of ``FileEntry`` is hashed before anything is written. Anything
        else is read once, in this thread, and written and hashed as it comes.

        Raises:
            DigestMismatch: the files are not the tree ``expected``.
            InvalidTree: no tree may look like this.
            InvalidName: ``name`` is no skill name.
            StoreFailure: the disk or the system refused.

        """
        from spm_spec.names import parse_skill_name

        parse_skill_name(name)
        known = None
        if expected is not None and not replace:
            known = self._find(expected)
            if known is not None and not self._looks_whole(known):
                known = None
        with storing(self._root):
            tree = known or self._added(files, name, expected)
        if version is not None:
            self.shelve(tree, version)
        return tree

    def shelve(self, tree: StoredTree, version: str) -> None:
        """Show ``tree`` as ``version`` on its shelf once the transaction has ended well."""
        self._shelves[tree, version] = None

    def whole(self, digest: Digest) -> StoredTree | None:
        """Return a tree that is in the store and was just hashed, None if there is none."""
        known = self._find(digest)
        if known is None or damage_of(os.fspath(known.path), digest) is not None:
            return None
        return known

    def add_staged(self, staging: Staging, tree: Tree, name: str) -> StoredTree:
        """Take over a tree whose files all stand in the lease already."""
        with self._lock, storing(self._root):
            return self._taken_over(staging, tree, name)

    def staging(self) -> Staging:
        """Return an empty tree in the lease, to be filled."""
        if self._blobs is None:
            lease = self._begun()
            for folder in ("blobs", "trees"):
                if not os.path.lexists(f"{self._root}/{folder}"):
                    with suppress(FileExistsError):
                        self._disk.make_folder(f"{self._root}/{folder}", SHARED_FOLDER_MODE)
            self._blobs = Blobs(self._root, self._disk)
            self._disk.make_folder(f"{lease.path}/trees", 0o700)
        self._folders += 1
        folder = f"{self._begun().path}/trees/{self._folders - 1}"
        return Staging(folder, self._disk, self._blobs, self._copies)

    def _added(
        self, files: Iterable[FileEntry | StreamedFile], name: str, expected: Digest | None
    ) -> StoredTree:
        entries = _in_memory(files)
        if entries is None:
            return self._added_as_it_comes(files, name, expected)
        from spm_spec.tree import build_tree

        tree = build_tree(entries)
        _check(tree, expected, name)
        known = self.whole(tree.digest)
        if known is not None:
            return known
        with self._lock:
            staged = self._staged.get(tree.digest)
            if staged is not None:
                return staged.stored
            staging = self.staging()
            staging.lay_out(tree, entries)
            return self._taken_over(staging, tree, name)

    def _added_as_it_comes(
        self, files: Iterable[FileEntry | StreamedFile], name: str, expected: Digest | None
    ) -> StoredTree:
        with self._lock:
            staging = self.staging()
            try:
                tree = staging.take(files)
                _check(tree, expected, name)
                known = self.whole(tree.digest)
            except BaseException:
                with suppress(OSError):
                    remove_tree(self._disk, staging.folder)
                raise
            if known is not None:
                remove_tree(self._disk, staging.folder)
                return known
            return self._taken_over(staging, tree, name)

    def _taken_over(self, staging: Staging, tree: Tree, name: str) -> StoredTree:
        found = self._staged.get(tree.digest)
        if found is not None:
            remove_tree(self._disk, staging.folder)
            return found.stored
        known = self._store.get(tree.digest)  # damaged: it keeps its name
        name = known.name if known is not None else name
        path = self._store.tree_path(tree.digest, name)
        stored = StoredTree(tree.digest, name, path, tree.size, len(tree.files))
        self._staged[tree.digest] = Staged(tree, stored, staging.folder)
        for blob, files in staging.copies.items():
            self._copies.setdefault(blob, []).extend(files)
        return stored

    def _begun(self) -> Lease:
        if self._lease is None:
            self._lease = Lease(
                self._root,
                self._disk,
                purpose=self._purpose,
                boot=self._store.boot,
                mount_table=self._store.mount_table,
            )
        return self._lease

    def _find(self, digest: Digest) -> StoredTree | None:
        """Look a tree up, wanting it first: from then on nobody removes it."""
        # Nobody removes from a store that is not there, or that we cannot write.
        if os.path.lexists(self._store.index.path) and self._store.is_writable():
            self._begun().want([digest])
        return self._store.get(digest)

    def _looks_whole(self, tree: StoredTree) -> bool:
        place = os.fspath(tree.path)
        if not self._store.is_own(tree):
            return damage_of(place, tree.digest) is None
        rows = self._store.index.directories(tree.digest.raw)
        return any(looks_whole(place, encoded, tree.digest) for _, encoded in rows)

    def _commit(self, lease: Lease, blobs: Blobs) -> None:
        lease.want(self._staged)
        publication = Publication(self._store, blobs, self._staged.values(), self._copies)
        try:
            # Nobody removes while we publish; others may publish beside us.
            with gc_lock(self._root, exclusive=False):
                self._store.index.create(self._disk, lease.path)
                publication.publish(f"{lease.path}/spare")
                rows = [self._row(staged) for staged in self._staged.values()]
                self._store.index.put(rows, self._disk)
        except (OSError, StoreFailure):
            publication.give_back()
            raise
        empty_trash(self._root, self._disk)

    def _row(self, staged: Staged) -> NewRow:
        stored, directories = staged.stored, encode_directories(staged.tree)
        added = int(self._store.now())
        return NewRow(stored.digest.raw, stored.name, stored.size, stored.files, added, directories)

    def _shelve(self) -> None:
        """Make the shelves that are not there; who shows a tree by one need not wait for it."""
        from spm_store.shelves import link_of, shelf_path, shelve, target_of

        made = list[str]()
        for tree, version in self._shelves:
            shelf = os.fspath(shelf_path(tree.path, self._store.root))
            if link_of(f"{shelf}/{version}") != target_of(os.fspath(tree.path), self._root):
                shelve(tree.path, version, root=self._store.root, disk=self._disk)
                made.append(shelf)
        if made:
            above = (os.path.dirname(made[0]), self._root)
            durability = self._store.durability
            barrier(self._disk, durability, root=self._root, files=made, folders=above)


def _in_memory(files: Iterable[FileEntry | StreamedFile]) -> Sequence[FileEntry] | None:
    """Return the files if all are there at once, None if they have to be read as they come."""
    from spm_spec.tree import FileEntry

    if not isinstance(files, (tuple, list)):
        return None
    entries = [file for file in files if isinstance(file, FileEntry)]
    return entries if len(entries) == len(files) else None


def _check(tree: Tree, expected: Digest | None, name: str) -> None:
    if expected is not None and tree.digest != expected:
        raise DigestMismatch(expected, tree.digest, name)
