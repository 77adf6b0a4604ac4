"""The first project on this machine to show a lock, from a store that has all its trees.

There is no compiled lock yet and no set. Both are made here with what reading a lock
needs and nothing of the full program, in the order of spec/installed.md. Whatever asks
for a decision, a warning or a download is `None`, and the full program does it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from spm.reach import Reach
from spm.shown import compiled_form, shown_skills
from spm_spec.lock import parse_lock
from spm_spec.manifest import parse_manifest
from spm_spec.policy import NOTHING
from spm_spec.sources import PathSource

if TYPE_CHECKING:
    from collections.abc import Generator

    from spm.compiled import CompiledLock
    from spm_spec.lock import Lock, LockEntry


class UnseenLock:
    """Manifest and lock of one project, which ask for nothing but to be shown."""

    def __init__(self, lock: Lock) -> None:
        """Show ``lock``."""
        self._lock = lock

    @staticmethod
    def read(manifest: bytes, lock: bytes) -> UnseenLock | None:
        """Understand both texts; ``None`` if there is anything to resolve, to ask or to tell."""
        wanted = parse_manifest(manifest.decode())
        found = parse_lock(lock.decode())
        if wanted.link_mode != "symlink" or found.differences(wanted):
            return None
        for entry in found.entries:
            # A folder may have changed since; rights that are not granted are told.
            if isinstance(entry.source, PathSource) or entry.policy != NOTHING:
                return None
        return UnseenLock(found)

    @contextmanager
    def shown(self, place: str) -> Generator[CompiledLock | None]:
        """Have the store make the set, and keep it during the block; the form to show.

        ``None``: the store lacks a tree, or has it as another skill.
        """
        store, trees = Reach.of().store(), [entry.tree for entry in self._lock.entries]
        with store.lease(f"installing into {place}") as lease:
            lease.want(trees)
            places = store.places_of(trees)
            if not all(_is_at(entry, places.get(entry.tree)) for entry in self._lock.entries):
                yield None
                return
            store.show(shown_skills(self._lock), lease, places)
            yield compiled_form(self._lock)
        store.sweep()


def _is_at(entry: LockEntry, place: str | None) -> bool:
    """Whether the tree at ``place`` is the skill that the lock says it is."""
    return place is not None and place.endswith(f"/{entry.tree.hex}-{entry.name}")
