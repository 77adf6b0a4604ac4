"""The index made again from the trees alone, whatever became of the old one.

Every folder in ``trees/`` is hashed while others use the store. Then, with collectors
and installers kept out, what changed meanwhile is looked at, a new index is written in
a lease and takes the old one's place in one step. A tree that is not what its name
says stays where it is, and gets no row.
"""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from spm_spec.digests import DIGEST_BYTES, Digest
from spm_spec.names import InvalidName, parse_skill_name
from spm_store.blobs import Blobs, blob_name, chunks_of, mode_of
from spm_store.durable import SYNC_ALL_FROM
from spm_store.errors import IndexDamaged, StoreFailure, StoreTooNew, storing
from spm_store.hashing import Hashing, Unhashable
from spm_store.index import NewRow
from spm_store.inspection import digits_of
from spm_store.lanes import side_by_side
from spm_store.leases import Lease, discard
from spm_store.locks import gc_lock
from spm_store.shelves import make_folders
from spm_store.trees import decode_directories, join_directories, make_read_only
from spm_store.verify import default_jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from spm_spec.tree import TreeFile
    from spm_store.catalogue import Catalogue
    from spm_store.index import Row

BROKEN_INDEX = "index-damaged.sqlite"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild found."""

    trees: int
    """In the index now."""
    left: tuple[Path, ...]
    """Folders that are not the tree of their name, or are one a second time."""


class _Standing(NamedTuple):
    """One folder in ``trees/``, hashed."""

    folder: str
    identity: tuple[int, int, int]
    row: NewRow | None
    """None if it is not what its name says."""
    files: tuple[TreeFile, ...]


def rebuild(
    store: Catalogue, progress: Callable[[int, int], None] | None, jobs: int | None
) -> Rebuilt:
    """Write the index anew; ``progress`` gets the trees done and the trees in all.

    Raises:
        StoreTooNew: a newer spm wrote the store.
        StoreFailure: the disk or the system refused; the old index is still there.

    """
    root = os.fspath(store.root)
    if not os.path.isdir(root):
        return Rebuilt(0, ())
    previous = _previous(store)
    with storing(root), Lease(root, store.disk, purpose="rebuilding the index") as lease:
        rebuilding = _Rebuilding(store, previous or {}, jobs or default_jobs())
        rebuilding.look(progress)
        with gc_lock(root, exclusive=False):
            rebuilding.link_blobs(lease.path)
        rebuilding.wait_for_the_disk()
        with gc_lock(root, exclusive=True):
            rebuilding.look_again()
            rows, left = rebuilding.rows()
            made = f"{lease.path}/index.sqlite"
            store.index.build(made, rows, store.disk)
            if previous is None:
                _keep_aside(store, lease.path)
            store.index.replace_with(made, store.disk)
    return Rebuilt(len(rows), left)


class _Rebuilding:
    """What stands in ``trees/``, read once and then as it changes."""

    def __init__(self, store: Catalogue, previous: Mapping[bytes, Row], jobs: int) -> None:
        self._store = store
        self._root = os.fspath(store.root)
        self._previous = previous
        self._jobs = jobs
        self._hashing = Hashing(jobs)
        self._standing: dict[str, _Standing] = {}

    def look(self, progress: Callable[[int, int], None] | None) -> None:
        """Hash every folder."""
        folders = deque(self._folders())
        steps = len(folders)
        found = side_by_side(folders, deque[str](), self._read, self._jobs)
        for done, standing in enumerate(found, 1):
            self._standing[standing.folder] = standing
            if progress:
                progress(done, steps)

    def look_again(self) -> None:
        """Hash what came or was replaced since; forget what went."""
        known, self._standing = self._standing, {}
        self._hashing = Hashing()  # numbers of inodes may have been used again
        for folder in self._folders():
            before = known.get(folder)
            if before is None or before.identity != _identity(folder):
                before = self._read(folder)
            self._standing[folder] = before
        self.wait_for_the_disk(self._standing.keys() - known.keys())

    def link_blobs(self, lease: str) -> None:
        """Give every file the blob it should share; the caller holds ``gc.lock`` shared."""
        blobs = Blobs(self._root, self._store.disk)
        staged = f"{lease}/blob"
        make_folders(self._store.disk, f"{self._root}/blobs")
        for standing in self._standing.values():
            for file in standing.files:
                if file.size and not os.path.lexists(blobs.path(blob_name(file))):
                    mode = mode_of(executable=file.executable)
                    with suppress(FileNotFoundError):  # the tree went meanwhile
                        blobs.place(f"{standing.folder}/{file.path}", staged, mode)
                        blobs.publish(staged, blob_name(file), mode, f"{lease}/spare")
                        self._store.disk.remove_file(staged)

    def wait_for_the_disk(self, folders: Iterable[str] | None = None) -> None:
        """Return when every tree that gets a row would survive a power cut."""
        files, above = list[str](), [f"{self._root}/trees", f"{self._root}/blobs"]
        for folder in self._standing if folders is None else folders:
            for file in self._standing[folder].files:
                files.append(f"{folder}/{file.path}")
                above.append(files[-1].rpartition("/")[0])
                above.append(f"{self._root}/blobs/{blob_name(file)[:2]}")
        disk, durability = self._store.disk, self._store.durability
        if not files or durability == "none":
            return
        if durability == "batch" and len(files) >= SYNC_ALL_FROM and disk.sync_all(self._root):
            return
        for path in [*files, *sorted(set(above))]:
            with suppress(FileNotFoundError):  # it went meanwhile, and gets no row
                disk.sync(path)

    def rows(self) -> tuple[list[NewRow], tuple[Path, ...]]:
        """Return the rows of the new index, and the folders that got none."""
        rows: dict[bytes, NewRow] = {}
        left: list[Path] = []
        for folder, standing in sorted(self._standing.items(), key=self._preference):
            row = standing.row
            if row is None or row.digest in rows:
                left.append(Path(folder))
            else:
                rows[row.digest] = row
        return list(rows.values()), tuple(sorted(left))

    def _preference(self, item: tuple[str, _Standing]) -> tuple[bool, str]:
        """Order folders so that the name the old index knew comes first."""
        folder, standing = item
        known = standing.row and self._previous.get(standing.row.digest)
        return known is None or standing.row is None or known.name != standing.row.name, folder

    def _folders(self) -> list[str]:
        trees = f"{self._root}/trees"
        try:
            return [f"{trees}/{name}" for name in sorted(os.listdir(trees)) if digits_of(name)]
        except FileNotFoundError:
            return []

    def _read(self, folder: str) -> _Standing:
        identity = _identity(folder)
        name = os.path.basename(folder)
        digest = Digest(bytes.fromhex(digits_of(name)))
        wrong = _Standing(folder, identity, None, ())
        skill = name[2 * DIGEST_BYTES + 1 :]
        try:
            parse_skill_name(skill)
            folded = self._hashing.fold(folder)
            if folded.raw != digest.raw:
                return wrong
            encoded = join_directories(folded.directories)
            files = decode_directories(encoded, digest)
        except (OSError, Unhashable, InvalidName, ValueError):
            return wrong
        if not folded.modes_right:
            with suppress(PermissionError):  # another user's, and as right as before
                make_read_only(self._store.disk, folder)
        before = self._previous.get(digest.raw)
        made = min(identity[2] // 1_000_000_000, int(self._store.now()))
        row = NewRow(
            digest=digest.raw,
            name=skill,
            size=folded.size,
            files=len(files),
            added=before.added if before else made,
            used=before.used if before else made,
            directories=encoded,
        )
        return _Standing(folder, identity, row, files)


def _previous(store: Catalogue) -> Mapping[bytes, Row] | None:
    """Return the rows of the old index, None if it cannot be read."""
    try:
        store.index.directories()
        return {row.digest: row for row in store.index.all_rows()}
    except StoreTooNew:
        raise
    except (IndexDamaged, StoreFailure):
        store.index.close()
        return None


def _keep_aside(store: Catalogue, lease: str) -> None:
    """Keep what stands in the index's place, for people; a file stays until it is replaced."""
    disk, broken = store.disk, f"{os.fspath(store.root)}/{BROKEN_INDEX}"
    index = store.index.path
    if not os.path.lexists(index):
        return
    if os.path.isdir(index) and not os.path.islink(index):
        discard(os.fspath(store.root), disk, broken)
        disk.move(index, broken)
        return
    kept = f"{lease}/{BROKEN_INDEX}"
    with suppress(OSError):  # what cannot be read is not kept
        # A copy: the index itself stands until the new one takes its place.
        disk.write_chunks(kept, chunks_of(index), 0o644)
    if not os.path.lexists(kept):
        return
    if os.path.isdir(broken):
        discard(os.fspath(store.root), disk, broken)
    disk.move(kept, broken)


def _identity(folder: str) -> tuple[int, int, int]:
    """Return what changes when another folder takes the place, and when this one changes."""
    try:
        status = os.lstat(folder)
    except FileNotFoundError:
        return (0, 0, 0)
    return (status.st_dev, status.st_ino, status.st_mtime_ns)
