"""Version sets of one package as integers, and the versions they stand for.

Bit 0 is *absent*: the package is not selected at all. Bit ``i + 1`` is the
``i``-th oldest known version. So intersection is ``&``, union ``|``, "is a subset
of ``s``" is ``x & s == x``, and the newest version is ``bit_length``.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING

from spm_resolver.errors import ContradictoryMetadata, UniverseTooLarge

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from spm_resolver.provider import Candidate
    from spm_spec.cuts import Cuts
    from spm_spec.ranges import VersionRange
    from spm_spec.versions import Version

ABSENT = 1
_key = attrgetter("key")
MOST_VERSIONS = 10_000  # of one package; npm's largest has about 5,000


class KnownVersions:
    """The versions of one package that may be chosen, oldest first.

    ``full`` holds them all and absence. ``withheld`` are the yanked versions that
    may not be chosen, oldest first.
    """

    __slots__ = ("_keys", "_prereleases", "full", "versions", "withheld")

    def __init__(self, name: str, candidates: Sequence[Candidate], locked: Version | None) -> None:
        """Sort the ``candidates`` of ``name``; a yanked one counts only if it is ``locked``."""
        if len(candidates) > MOST_VERSIONS:
            raise UniverseTooLarge(f"versions of {name}", len(candidates), MOST_VERSIONS)
        usable = [version for version, yanked in candidates if not yanked or version == locked]
        withheld = [version for version, yanked in candidates if yanked and version != locked]
        usable.sort(key=_key)
        withheld.sort(key=_key)
        self.versions = usable
        self.withheld = withheld
        self._keys = [version.key for version in usable]
        for earlier, later in pairwise(self._keys):
            if earlier == later:
                raise ContradictoryMetadata(f"{name} has one version twice in its metadata")
        self.full = (2 << len(usable)) - 1
        self._prereleases = _set_of(i for i, version in enumerate(usable) if version.prerelease)

    def allowed_by(self, wanted: VersionRange, *, prereleases: bool) -> int:
        """Return the versions ``wanted`` admits; with ``prereleases``, all that it contains."""
        inside = self._between(wanted.cuts)
        if prereleases or not self._prereleases & inside:
            return inside
        return inside & ~self._prereleases | self._between(wanted.opened) & self._prereleases

    def of_version(self, version: Version) -> int:
        """Return the set of ``version`` alone, empty if it may not be chosen."""
        position = bisect_left(self._keys, version.key)
        found = position < len(self._keys) and self._keys[position] == version.key
        return 2 << position if found else 0

    def newest(self, versions: int) -> Version:
        """Return the newest of ``versions``, a set with at least one."""
        return self.versions[versions.bit_length() - 2]

    def without_prereleases(self, versions: int) -> int:
        """Return the releases among ``versions``, and absence if it is there."""
        return versions & ~self._prereleases

    def _between(self, cuts: Cuts) -> int:
        # Membership flips at every cut, so the set is the exclusive or of what lies above each.
        flipped = 0
        for cut in cuts:
            flipped ^= -2 << bisect_left(self._keys, cut)
        return flipped & self.full


def positions(versions: int) -> list[int]:
    """Return the positions of ``versions`` among the known ones, oldest first."""
    remaining = versions >> 1
    found: list[int] = []
    while remaining:
        lowest = remaining & -remaining
        found.append(lowest.bit_length() - 1)
        remaining ^= lowest
    return found


def is_single(versions: int) -> bool:
    """Whether exactly one version, or absence alone, is left."""
    return versions & (versions - 1) == 0


def _set_of(indexes: Iterable[int]) -> int:
    result = 0
    for index in indexes:
        result |= 2 << index
    return result
