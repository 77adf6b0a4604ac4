"""Giving staged trees and blobs their places. See spec/store.md section 4.

All of it happens with ``gc.lock`` held shared: nobody removes meanwhile, but others
may publish the same trees and blobs.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spm_store.blobs import folder_of, mode_of
from spm_store.durable import wait_for
from spm_store.errors import StoreFailure
from spm_store.leases import discard
from spm_store.locks import gc_lock
from spm_store.trees import FOLDER_MODE, StoredTree, damage_of, make_read_only

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator, Mapping, Sequence

    from spm_spec.tree import Tree
    from spm_store.blobs import Blobs
    from spm_store.catalogue import Catalogue

_PUBLISH_ATTEMPTS = 16
_FLUSHED_BYTES = 4 * 1024 * 1024  # less is written as fast by the barrier alone


@dataclass(frozen=True, slots=True)
class Staged:
    """A tree that waits in the lease for its place."""

    tree: Tree
    stored: StoredTree
    folder: str


class Publication:
    """The staged trees of one transaction on their way to their places."""

    def __init__(
        self,
        store: Catalogue,
        blobs: Blobs,
        staged: Collection[Staged],
        copies: Mapping[str, Sequence[str]],
    ) -> None:
        """Know what is to be published; ``copies`` are the staged files by blob."""
        self._store = store
        self._root = os.fspath(store.root)
        self._disk = store.disk
        self._blobs = blobs
        self._staged = staged
        self._copies = copies
        self._published: list[str] = []

    def publish(self, spare: str) -> None:
        """Return when everything has its place and would survive a power cut.

        ``spare`` is a name that is free in the lease.
        """
        with self._flushing():
            self._publish_blobs(spare)
            for staged in self._staged:
                self._publish_tree(staged)
                self._published.append(os.fspath(staged.stored.path))
        self._wait_for_the_disk()

    def give_back(self) -> None:
        """Free the space of what was published but is not valid."""
        from spm_store.removal import remove_unlisted

        with suppress(OSError, StoreFailure):
            remove_unlisted(self._store, trees=self._published, blobs=list(self._copies))
            with gc_lock(self._root, exclusive=True):
                for folder in sorted({folder_of(name) for name in self._copies}):
                    with suppress(OSError):  # what is not empty stays
                        self._disk.remove_folder(f"{self._root}/blobs/{folder}")

    @contextmanager
    def _flushing(self) -> Generator[None]:
        """Have the disk write what is staged meanwhile, so that less is left for the barrier.

        Only the first to ask is told of what failed, so what fails here fails the whole.
        """
        size = sum(staged.tree.size for staged in self._staged)
        if self._store.durability != "batch" or size < _FLUSHED_BYTES:
            yield
            return
        from threading import Thread

        failures = list[OSError]()

        def flush() -> None:
            try:
                self._disk.sync_all(self._root)
            except OSError as error:
                failures.append(error)

        thread = Thread(target=flush, name="spm-flushing", daemon=True)
        with suppress(RuntimeError):  # no more threads here: the barrier does it all
            thread.start()
        try:
            yield
        finally:
            if thread.ident is not None:
                thread.join()
        if failures:
            raise failures[0]

    def _publish_blobs(self, spare: str) -> None:
        # In order of names, so that what goes into one folder goes there together.
        for name in sorted(self._copies):
            mode = mode_of(executable=name.endswith("-x"))
            for staged in self._copies[name]:
                self._blobs.publish(staged, name, mode, spare)

    def _publish_tree(self, staged: Staged) -> None:
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
                with suppress(PermissionError):
                    make_read_only(self._disk, final)  # a power cut may have lost its modes
                break
            if self._exchanged(staged, final):
                break
            discard(self._root, self._disk, final)
        else:
            raise StoreFailure(final, "another process keeps putting something else here")
        # Another user of a shared store may have put it there, and does this.
        with suppress(PermissionError):
            self._disk.set_mode(final, FOLDER_MODE)

    def _exchanged(self, staged: Staged, final: str) -> bool:
        """Put the staged tree in the place of a damaged one; readers see the one or the other."""
        with suppress(FileNotFoundError):
            if os.path.isdir(final) and not os.path.islink(final):
                self._disk.set_mode(final, 0o755)  # a read-only directory cannot change its parent
            return self._disk.exchange(staged.folder, final)
        return False

    def _wait_for_the_disk(self) -> None:
        count = sum(len(staged.tree.files) for staged in self._staged)
        paths = self._written()
        wait_for(self._disk, self._store.durability, root=self._root, count=count, paths=paths)

    def _written(self) -> Iterator[str]:
        """Yield every file and folder that this transaction relies on, files first."""
        places = [(os.fspath(each.stored.path), each.tree) for each in self._staged]
        for final, tree in places:
            yield from (f"{final}/{file.path}" for file in tree.files)
        blobs = [path for name in self._copies if os.path.lexists(path := self._blob_path(name))]
        if self._blobs.copied:
            yield from blobs
        for final, tree in places:
            yield from (f"{final}/{path}".rstrip("/") for path in tree.directories)
        yield from sorted({blob.rpartition("/")[0] for blob in blobs})
        yield from (f"{self._root}/trees", f"{self._root}/blobs", self._root)

    def _blob_path(self, name: str) -> str:
        return f"{self._root}/blobs/{name}"
