"""What is needed: the trees and sets that a root, a project's lock or a lease names.

Marking errs on the side of keeping. What cannot be read stops it; of a project that
cannot be seen, what it kept when it was last installed is needed. Nothing is changed.
"""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING, NamedTuple

from spm_store.errors import SetDamaged
from spm_store.leases import live_leases
from spm_store.presence import Lookout
from spm_store.roots import read_root, root_files
from spm_store.sets import SETS, read_set

if TYPE_CHECKING:
    from pathlib import Path

    from spm_store.catalogue import Catalogue
    from spm_store.roots import Root

PROJECT_LOCK = "skills.lock"
LARGEST_LOCK = 64 * 2**20
_DIGEST = re.compile(rb"blake3:([0-9a-f]{64})")
_READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


class OutOfReach(NamedTuple):
    """A project or file that could not be seen; what was recorded of it is kept."""

    place: Path
    reason: str


class GoneRoot(NamedTuple):
    """A root whose project is gone."""

    path: str
    root: Root
    trees: frozenset[bytes]
    """What it kept, as far as that can be known."""


class Marks:
    """What is needed, as of the last look. ``refresh`` looks at what changed since."""

    def __init__(self, store: Catalogue, lookout: Lookout | None = None) -> None:
        """Know the store; nothing is read yet."""
        self._root = os.fspath(store.root)
        self._now, self._boot, self._mount_table = store.now, store.boot, store.mount_table
        self._lookout = lookout or Lookout()
        self._seen: dict[str, tuple[int, ...]] = {}
        self._wants: frozenset[bytes] = frozenset()
        self.trees: set[bytes] = set()
        self.sets: set[str] = set()
        self.gone: list[GoneRoot] = []
        self.out_of_reach: list[OutOfReach] = []

    def needs(self, tree: bytes) -> bool:
        """Whether anything needs the tree with this digest."""
        return tree in self.trees or tree in self._wants

    def needs_set(self, name: str) -> bool:
        """Whether anything needs this set."""
        return name in self.sets or bytes.fromhex(name) in self._wants

    def refresh(self) -> None:
        """Look at every lease, and at every root that is new or was replaced.

        Hold ``gc.lock`` exclusively: then nobody begins to need anything meanwhile.

        Raises:
            LeaseUnreadable: somebody's needs cannot be known.
            RootUnreadable: a project's needs cannot be known.
            SetDamaged: nor those of one of its generations.

        """
        leases = live_leases(
            self._root, boot=self._boot, mount_table=self._mount_table, now=self._now
        )
        self._wants = frozenset[bytes]().union(*(lease.wants for lease in leases))
        self.look_at_roots()

    def look_at_roots(self) -> None:
        """Look at every root that is new or was replaced; needs no lock.

        Raises:
            RootUnreadable: a project's needs cannot be known.
            SetDamaged: nor those of one of its generations.

        """
        for path in root_files(self._root):
            identity = identity_of(path)
            if identity is not None and self._seen.get(path) != identity:
                root = read_root(path)
                if root is not None:
                    self._mark(path, root)
                self._seen[path] = identity

    def is_still_gone(self, gone: GoneRoot) -> bool:
        """Whether the root was not replaced, nor its project brought back, meanwhile."""
        unchanged = identity_of(gone.path) == self._seen.get(gone.path)
        return unchanged and self._lookout.presence(gone.root)[0] == "gone"

    def _mark(self, path: str, root: Root) -> None:
        self.gone = [gone for gone in self.gone if gone.path != path]
        presence, reason = self._lookout.presence(root)
        if presence == "gone":
            self.gone.append(GoneRoot(path, root, self._trees_of(root)))
            return
        if presence == "out-of-reach":
            self.out_of_reach.append(OutOfReach(root.place, reason))
        for name in root.generations.values():
            if name not in self.sets:
                self.trees |= _trees_in(self._root, name, root.place)
                self.sets.add(name)
        if presence == "there":
            self._mark_lock(root.place / PROJECT_LOCK)

    def _mark_lock(self, lock: Path) -> None:
        try:
            self.trees |= digests_in(os.fspath(lock))
        except FileNotFoundError:
            pass
        except OSError as error:
            reason = os.strerror(error.errno or 0).lower()
            self.out_of_reach.append(OutOfReach(lock, reason))
        except ValueError as error:
            self.out_of_reach.append(OutOfReach(lock, str(error)))

    def _trees_of(self, root: Root) -> frozenset[bytes]:
        """Return what a project that is gone kept; what cannot be read, nobody misses."""
        trees = set[bytes]()
        for name in root.generations.values():
            try:
                trees |= _trees_in(self._root, name, root.place)
            except SetDamaged:
                continue
        return frozenset(trees)


def digests_in(lock: str) -> set[bytes]:
    """Return every digest in the text of a lock, whatever else the text is.

    A lock of a newer spm, or one with a merge conflict in it, counts as well.

    Raises:
        OSError: it is missing or cannot be read.
        ValueError: it is no file, or larger than any lock.

    """
    descriptor = os.open(lock, _READ_FLAGS)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is not a file")
        if status.st_size > LARGEST_LOCK:
            raise ValueError(f"it is larger than {LARGEST_LOCK} bytes")
        text = file.read(LARGEST_LOCK + 1)
    return {bytes.fromhex(digits.decode("ascii")) for digits in _DIGEST.findall(text)}


def identity_of(path: str) -> tuple[int, ...] | None:
    """Return what changes whenever the file at ``path`` is replaced, None if it is gone.

    Empty if the system does not say; then reading it says why.
    """
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError:
        return ()
    return (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)


def _trees_in(root: str, name: str, project: Path) -> set[bytes]:
    """Return the trees of a set that the project shows."""
    place = f"{root}/{SETS}/{name}"
    try:
        return {shown.tree.raw for shown in read_set(root, name)}
    except OSError as error:
        reason = f"the set cannot be read: {os.strerror(error.errno or 0).lower()}"
        raise SetDamaged(place, reason, project=project) from error
    except ValueError as error:
        raise SetDamaged(place, f"the set is damaged: {error}", project=project) from error
