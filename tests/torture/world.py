"""What the processes of a torture run share: a store, projects, skills, and who broke what.

Only the repairer breaks anything, and says so first: a damage that somebody sees is allowed if
it was planted before the look at it ended, and not reported repaired before the look began.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from spm_spec.digests import DIGEST_PREFIX, Digest
from spm_store.store import Store
from tests.support.installed import make_users, skill

if TYPE_CHECKING:
    from pathlib import Path

    from spm_store.durable import Durability
    from tests.support.installed import Skill

PROJECTS = 6
NAMES = tuple(f"skill-{letter}" for letter in "abcdefghijkl")
VERSIONS = ("1.0.0", "1.1.0", "2.0.0")


@cache
def skills() -> dict[tuple[str, str], Skill]:
    """Return every skill there is, by name and version."""
    return {
        (name, version): skill(name, version, files=1 + (number + len(version)) % 5)
        for number, name in enumerate(NAMES)
        for version in VERSIONS
    }


@cache
def by_digest() -> dict[Digest, Skill]:
    """Return every skill by the digest of its tree."""
    return {one.digest: one for one in skills().values()}


class Planted(NamedTuple):
    """A damage, from before it was done until after it was repaired."""

    digest: Digest
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class World:
    """The folder of one run."""

    folder: Path

    @property
    def root(self) -> Path:
        """The store's layout folder."""
        return self.folder / "store" / "v1"

    @property
    def projects(self) -> list[Path]:
        """The folders of the projects."""
        return [self.folder / f"project-{number}" for number in range(PROJECTS)]

    @property
    def stop(self) -> Path:
        """A file whose appearance ends the work."""
        return self.folder / "stop"

    @property
    def log(self) -> Path:
        """Where the repairer says what it breaks."""
        return self.folder / "planted"

    def make(self) -> None:
        """Make the folders of the projects."""
        for project in self.projects:
            make_users(project)
        self.log.touch()

    def store(self, durability: Durability = "none") -> Store:
        """Open the store."""
        return Store.open(self.root, durability=durability)

    def note(self, word: str, digest: Digest) -> None:
        """Write down that a damage is about to be done (``plant``), or was repaired (``done``)."""
        line = f"{word} {digest.hex} {time.monotonic()}\n".encode()
        descriptor = os.open(self.log, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)

    def planted(self) -> list[Planted]:
        """Return every damage that was planted."""
        found: dict[Digest, list[Planted]] = {}
        for line in self.log.read_text().splitlines():
            word, digits, when = line.split(" ")
            digest = Digest.parse(DIGEST_PREFIX + digits)
            mine = found.setdefault(digest, [])
            if word == "plant":
                mine.append(Planted(digest, float(when), float("inf")))
            else:
                mine[:] = [one._replace(until=min(one.until, float(when))) for one in mine]
        return [one for mine in found.values() for one in mine]

    def is_planted(self, digest: Digest | None, since: float, until: float) -> bool:
        """Whether the tree, or one with that blob, was damaged on purpose in that time."""
        return any(
            one.since <= until and one.until >= since and digest in belonging(one.digest)
            for one in self.planted()
        )


@cache
def belonging(digest: Digest) -> frozenset[Digest]:
    """Return the tree itself and the blobs of its files."""
    from spm_spec.digests import blob_digest

    return frozenset({digest, *(blob_digest(file.data) for file in by_digest()[digest].files)})
