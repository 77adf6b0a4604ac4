"""Which package comes next: spec/resolver.md section 5.

Packages with one version left need no decision and come first. Of the others,
those whose locked version is still possible, then those required directly, then
the rest; inside a class the one that conflicted most, then the one with the
fewest versions left, then the one met first. Nothing else decides, so neither
the order of arrival nor a hash seed can.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from spm_resolver.versions_set import ABSENT, is_single

if TYPE_CHECKING:
    from spm_resolver.partial import PartialSolution

LOCKED, DIRECT, TRANSITIVE = range(3)

Rank = tuple[int, int, int, int]
"""Class, negated conflicts, versions left, package."""


class Agenda:
    """The packages that are selected but not settled, in a lazily updated heap."""

    def __init__(self, solution: PartialSolution) -> None:
        """Follow the domains of ``solution``."""
        self._solution = solution
        self._heap: list[Rank] = []
        self._ready: list[int] = []
        self._ranks: list[Rank | None] = []
        self._direct: list[bool] = []
        self._locked: list[int] = []
        self.conflicts: list[int] = []
        self.followed: list[int] = []

    def add(self, *, direct: bool, locked: int) -> None:
        """Add the next package; ``locked`` is the set of its locked version."""
        self._ranks.append(None)
        self._direct.append(direct)
        self._locked.append(locked)
        self.conflicts.append(0)
        self.followed.append(0)

    def bump(self, package: int) -> None:
        """Count a conflict that ``package`` took part in."""
        self.conflicts[package] += 1
        self._solution.touched.append(package)

    def next(self) -> int | None:
        """Return the next package to settle, or ``None`` if all are; does not remove it."""
        self._look_again()
        ready = self._ready
        while ready:
            if self._needs_following(ready[-1]):
                return ready[-1]
            ready.pop()
        heap, ranks = self._heap, self._ranks
        while heap:
            rank = heap[0]
            package = rank[3]
            if ranks[package] == rank:
                if self._rank(package) == rank:
                    return package
                ranks[package] = None
                self._insert(package)
            if heap[0] is rank:
                heappop(heap)
        return None

    def _look_again(self) -> None:
        touched = self._solution.touched
        domain = self._solution.domain
        for package in touched:
            if domain[package] & (domain[package] - 1):
                self._insert(package)
            elif self._needs_following(package):
                self._ready.append(package)
        touched.clear()

    def _insert(self, package: int) -> None:
        rank = self._rank(package)
        if rank is not None and rank != self._ranks[package]:
            self._ranks[package] = rank
            heappush(self._heap, rank)

    def _needs_following(self, package: int) -> bool:
        domain = self._solution.domain[package]
        unfollowed = not domain & ABSENT and not self.followed[package] & domain
        return unfollowed and is_single(domain)

    def _rank(self, package: int) -> Rank | None:
        """Return where an undecided package stands; ``None`` if there is nothing to decide."""
        domain = self._solution.domain[package]
        if domain & ABSENT or is_single(domain):
            return None
        if domain & self._locked[package]:
            group = LOCKED
        else:
            group = DIRECT if self._direct[package] else TRANSITIVE
        return (group, -self.conflicts[package], domain.bit_count(), package)
