"""The store as the commands see it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spm.console import Progress
from spm.quantities import shown_bytes
from spm.reach import Reach

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from spm_store.damage import Damage
    from spm_store.rebuild import Rebuilt
    from spm_store.store import Store, StoreSize


def open_store(environment: Mapping[str, str]) -> Store:
    """The store of this machine."""
    return Reach.of(environment).store()


def verify_store(environment: Mapping[str, str], *, jobs: int = 0) -> Sequence[Damage]:
    """Hash the whole store again, with progress on a terminal."""
    with Progress("verifying", 1) as progress:
        return open_store(environment).verify(progress.reach, jobs=jobs or None)


def rebuild_store(environment: Mapping[str, str], *, jobs: int = 0) -> Rebuilt:
    """Make the index again, with progress on a terminal."""
    with Progress("reading", 1) as progress:
        return open_store(environment).rebuild(progress.reach, jobs=jobs or None)


@dataclass(frozen=True, slots=True)
class StoreDescription:
    """What a person wants to know of a store at a glance."""

    path: Path
    lower: tuple[Path, ...]
    durability: str
    filesystem: str
    size: StoreSize
    projects: int
    profiles: int
    free_bytes: int

    def as_document(self) -> dict[str, object]:
        """The JSON form that `spm store info --json` prints."""
        return {
            "path": str(self.path),
            "lower": [str(path) for path in self.lower],
            "durability": self.durability,
            "fileSystem": self.filesystem,
            "trees": self.size.trees,
            "blobs": self.size.blobs,
            "bytes": self.size.bytes,
            "bytesSaved": self.size.bytes_saved,
            "projects": self.projects,
            "profiles": self.profiles,
            "freeBytes": self.free_bytes,
        }

    def rows(self) -> Iterator[tuple[str, str]]:
        """The lines that a person reads."""
        yield "store", str(self.path)
        yield from (("below it", str(path)) for path in self.lower)
        yield "file system", f"{self.filesystem}, {shown_bytes(self.free_bytes)} free"
        yield "durability", self.durability
        yield "trees", str(self.size.trees)
        yield "files", f"{self.size.blobs}, {shown_bytes(self.size.bytes)}"
        yield "saved by sharing", shown_bytes(self.size.bytes_saved)
        yield "projects", str(self.projects)
        yield "profiles", str(self.profiles)


def describe_store(environment: Mapping[str, str]) -> StoreDescription:
    """Count what the store holds; its files are counted, not read."""
    import shutil

    from spm_store.filesystems import mount_of

    store = open_store(environment)
    kinds = [root.kind for root in store.roots()]
    there = next(path for path in (store.root, *store.root.parents) if path.exists())
    mount = mount_of(os.fspath(there))
    return StoreDescription(
        path=store.root,
        lower=store.lower,
        durability=store.durability,
        filesystem=mount.kind if mount is not None else "unknown",
        size=store.size(),
        projects=kinds.count("project"),
        profiles=kinds.count("profile"),
        free_bytes=shutil.disk_usage(there).free,
    )
