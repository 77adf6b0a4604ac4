"""The store: trees of skills by digest, immutable, shared by every project of a machine.

Opening costs nothing and creates nothing; the first ``add`` makes what is missing.
Looking up reads the index and one ``lstat`` a tree; only ``verified`` and ``verify``
hash. Heavy imports wait until they are needed, for the commands that must be quick.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from spm_store.catalogue import Catalogue
from spm_store.collected import GRACE
from spm_store.damage import Damage
from spm_store.durable import Durability
from spm_store.errors import TreeDamaged, TreeMissing, storing
from spm_store.trees import StoredTree, damage_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from spm_spec.digests import Digest
    from spm_spec.streams import StreamedFile
    from spm_spec.tree import FileEntry
    from spm_store.collected import Collection
    from spm_store.leases import Lease
    from spm_store.pins import Pins
    from spm_store.reasons import Reason
    from spm_store.rebuild import Rebuilt
    from spm_store.repair import Repair
    from spm_store.roots import Root, RootKind
    from spm_store.sets import Shown, ShownSet
    from spm_store.transaction import Transaction

__all__ = ["Damage", "Durability", "Store", "StoreSize", "StoredTree"]


@dataclass(frozen=True, slots=True)
class StoreSize:
    """What a store holds. Bytes are lengths of files, not blocks of the disk."""

    trees: int
    blobs: int
    bytes: int
    """Of all blobs."""
    bytes_saved: int
    """What the trees would take beyond that if each kept its own files."""


class Store(Catalogue):
    """One store; open it with ``Store.open``. Safe to use from any thread."""

    _pins: Pins | None = None

    @classmethod
    def open(
        cls, root: Path, *, lower: Sequence[Path] = (), durability: Durability = "batch"
    ) -> Store:
        """Open the store whose layout folder (``…/store/v1``) is ``root``.

        What it lacks is looked for in the stores ``lower``, the nearest first; they are
        never written.
        """
        return cls(root, lower=lower, durability=durability)

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Let go of the indexes and of idle leases; the next use opens them again."""
        pins, self._pins = self._pins, None
        if pins is not None:
            pins.close()
        super().close()

    def lease(self, purpose: str) -> Lease:
        """Return a new lease, to close after use: what it wants is not removed meanwhile.

        ``purpose`` is for people who ask why a tree is kept.
        """
        from spm_store.leases import Lease

        return Lease(
            os.fspath(self.root),
            self.disk,
            purpose=purpose,
            boot=self.boot,
            mount_table=self.mount_table,
        )

    @contextmanager
    def pinned(self, digest: Digest, purpose: str) -> Generator[StoredTree]:
        """Yield a tree whose every byte was just hashed, and which stays until the block ends.

        Nobody removes from a store that cannot be written, so there it needs no lease.

        Raises what ``verified`` raises.
        """
        if not self.is_writable():
            yield self.verified(digest)
            return
        if self._pins is None or self._pins.process != os.getpid():
            from spm_store.pins import Pins

            self._pins = Pins(self.lease)
        with self._pins.pinned(digest, purpose):
            yield self.verified(digest)

    def transaction(self, purpose: str = "adding trees") -> Transaction:
        """Return a context in which trees are added together: one barrier, one commit.

        ``purpose`` is for people who ask why a tree is kept.
        """
        from spm_store.transaction import Transaction

        return Transaction(self, purpose=purpose)

    def add(
        self,
        files: Iterable[FileEntry | StreamedFile],
        *,
        name: str,
        version: str | None = None,
        expected: Digest | None = None,
        replace: bool = False,
    ) -> StoredTree:
        """Store one tree and return it: a transaction of its own, see ``Transaction.add``."""
        with self.transaction() as transaction:
            return transaction.add(
                files, name=name, version=version, expected=expected, replace=replace
            )

    def export(self, trees: Mapping[Digest, str | None], write: Callable[[bytes], object]) -> None:
        """Write ``trees``, each with the version it is shown as, as one bundle; see ``bundles``."""
        from spm_store.bundles import export

        export(self, trees, write)

    def import_bundle(self, read: Callable[[int], bytes], *, origin: str) -> tuple[StoredTree, ...]:
        """Store every tree of a bundle, or none; see ``bundles.import_bundle``."""
        from spm_store.bundles import import_bundle

        return import_bundle(self, read, origin=origin)

    def verified(self, digest: Digest) -> StoredTree:
        """Return a tree whose every byte was just hashed.

        Raises:
            TreeMissing: it is not in the store.
            TreeDamaged: it is not what its digest says.

        """
        tree = self.get(digest)
        if tree is None:
            raise TreeMissing(digest, self.root)
        damage = damage_of(os.fspath(tree.path), digest)
        if damage is not None:
            raise TreeDamaged(digest, tree.path, damage)
        return tree

    def verify(
        self, progress: Callable[[int, int], None] | None = None, jobs: int | None = None
    ) -> tuple[Damage, ...]:
        """Hash everything again; return what is not as it was stored, empty if all is.

        At most ``jobs`` threads hash, by default one a processor, up to 8. ``progress``
        gets the steps done and the steps in all, in this thread. What a killed process
        left over is no damage, see ``leftovers``. Others may use the store meanwhile.
        """
        from spm_store.verify import verify

        with storing(self.root):
            return verify(self, progress, jobs)

    def repair(
        self, damages: Iterable[Damage], progress: Callable[[int, int], None] | None = None
    ) -> Repair:
        """Make whole what ``verify`` found, from copies the store itself and those below have.

        What is ``missing`` is added again, with ``replace=True``, by whoever can fetch it.
        Others may use the store meanwhile; doing it twice changes nothing.
        """
        from spm_store.repair import repair

        with storing(self.root):
            return repair(self, damages, progress)

    def rebuild(
        self, progress: Callable[[int, int], None] | None = None, jobs: int | None = None
    ) -> Rebuilt:
        """Write the index anew from the trees alone, whatever became of the old one.

        Trees that are not what their name says stay, without a row, and are named.
        """
        from spm_store.rebuild import rebuild

        return rebuild(self, progress, jobs)

    def leftovers(self) -> tuple[Path, ...]:
        """Return the trees without a row: whole or not, nothing reads them."""
        from spm_store.removal import unlisted_trees

        with storing(self.root):
            return tuple(Path(path) for path in unlisted_trees(self))

    def sweep(self) -> None:
        """Remove what killed processes left over: their leases, and the trash.

        Every transaction begins with it; whoever only links calls it. Two folders are read.
        """
        from spm_store.leases import sweep

        sweep(
            os.fspath(self.root),
            self.disk,
            boot=self.boot,
            mount_table=self.mount_table,
            now=self.now,
        )

    def show(
        self,
        shown: Sequence[Shown],
        lease: Lease,
        places: Mapping[Digest, str] | None = None,
    ) -> ShownSet:
        """Return the set that shows ``shown``, for a project to link; see ``sets.show``."""
        from spm_store.sets import show

        return show(self, shown, lease, places)

    def has_set(self, name: str) -> bool:
        """Whether the set with this digest is here, with a listing that it is named for."""
        from spm_store.sets import read_set

        try:
            read_set(os.fspath(self.root), name)
        except (OSError, ValueError):
            return False
        return True

    def keep(
        self, place: Path, generations: Mapping[int, str], *, kind: RootKind = "project"
    ) -> None:
        """Keep the sets that the project at ``place`` shows, in place of what it kept before.

        Comes before the project links them, while a lease still keeps them.
        """
        from spm_store.roots import keep

        keep(self, place, generations, kind=kind)

    def forget(self, place: Path) -> bool:
        """Keep nothing for the project at ``place`` any longer; False if nothing was kept."""
        from spm_store.roots import forget

        return forget(self, place)

    def roots(self) -> tuple[Root, ...]:
        """Return what keeps trees in the store, by place.

        Raises:
            RootUnreadable: one of the roots cannot be read.

        """
        from spm_store.roots import all_roots

        return all_roots(os.fspath(self.root))

    def collect(
        self,
        *,
        max_age: float = GRACE,
        keep_bytes: int | None = None,
        dry_run: bool = False,
        wait: bool = True,
        deadline: float | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Collection:
        """Remove what no project, profile or process needs; safe while others use the store.

        What was needed less than ``max_age`` seconds ago is kept, as is everything once
        the blobs take no more than ``keep_bytes``. Without ``wait``, nothing is done
        while somebody publishes. Nothing is begun after ``deadline`` on the clock
        ``time.monotonic``. ``dry_run`` says what would be removed and changes nothing.
        ``progress`` gets what is done and what there is to do.

        Raises:
            StoreFailure: what is needed cannot be known, so nothing was removed.

        """
        from spm_store.collected import Terms
        from spm_store.collection import Collector

        terms = Terms(max_age, keep_bytes, dry_run, wait, deadline)
        return Collector(self, terms, progress=progress).run()

    def why(self, what: Digest | Path) -> tuple[Reason, ...]:
        """Return what keeps a tree in the store, nothing if nothing does.

        ``what`` is a tree's digest, or a path that leads into a tree of this store.

        Raises:
            NotInStore: it is neither.

        """
        from spm_store.reasons import reasons

        return reasons(self, what)

    def remove(self, digest: Digest) -> bool:
        """Remove a tree, and the blobs no other tree needs; False if it is not there.

        Links of projects to it dangle until they are installed again.
        """
        from spm_store.removal import remove_tree_of

        return remove_tree_of(self, digest)

    def clear(self) -> int:
        """Remove every tree and blob; return how many trees there were."""
        from spm_store.removal import remove_everything

        return remove_everything(self)

    def size(self) -> StoreSize:
        """Count; reads the folders of the blobs, and the index."""
        from spm_store.trees import walk_tree

        blobs, total = 0, 0
        with storing(self.root):
            folder = f"{os.fspath(self.root)}/blobs"
            for found in walk_tree(folder) if os.path.isdir(folder) else ():
                if found.kind == "file":
                    blobs, total = blobs + 1, total + os.lstat(found.place).st_size
        trees = list(self.trees(own=True))
        saved = sum(tree.size for tree in trees) - total
        return StoreSize(len(trees), blobs, total, max(0, saved))
