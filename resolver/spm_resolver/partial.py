"""The partial solution: every package's domain, and how it came to be so.

A *domain* is the version set a package may still take. Each *assignment* narrows
one domain for a reason: an incompatibility, or none if it is a decision.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from spm_resolver.versions_set import ABSENT

if TYPE_CHECKING:
    from spm_resolver.incompatibility import Incompatibility

BEFORE_ALL = -1
"""The place in the trail of what held before any assignment."""


class PartialSolution:
    """Domains and the trail of assignments, by package index and by place in the trail.

    ``history[p]`` are the domains ``p`` has had, widest first; ``places[p]`` the
    assignments that made them. ``changed`` are packages whose domain propagation
    has not looked at yet; ``touched`` those the agenda must look at again.
    """

    def __init__(self) -> None:
        """Begin at level 0 without packages."""
        self.domain: list[int] = []
        self.history: list[list[int]] = []
        self.places: list[list[int]] = []
        self.trail: list[int] = []
        self.reasons: list[Incompatibility | None] = []
        self.levels: list[int] = []
        self.level = 0
        self.changed: list[int] = []
        self.touched: list[int] = []

    def add(self, full: int) -> None:
        """Add the next package, which may take any of ``full``."""
        self.domain.append(full)
        self.history.append([full])
        self.places.append([BEFORE_ALL])

    def assign(self, package: int, domain: int, reason: Incompatibility | None) -> None:
        """Narrow ``package`` to ``domain``, which is not empty and smaller than before."""
        self.places[package].append(len(self.trail))
        self.history[package].append(domain)
        self.trail.append(package)
        self.reasons.append(reason)
        self.levels.append(self.level)
        self.domain[package] = domain
        self.changed.append(package)
        if not domain & ABSENT:
            self.touched.append(package)

    def decide(self, package: int, version: int) -> None:
        """Open a level and choose ``version`` for ``package``."""
        self.level += 1
        self.assign(package, version, None)

    def backtrack(self, level: int) -> None:
        """Undo every assignment above ``level``."""
        keep = bisect_right(self.levels, level)
        domain, history, touched = self.domain, self.history, self.touched
        for package in reversed(self.trail[keep:]):
            self.places[package].pop()
            history[package].pop()
            domain[package] = restored = history[package][-1]
            if not restored & ABSENT:
                touched.append(package)
        del self.trail[keep:], self.levels[keep:], self.reasons[keep:]
        self.level = level
        self.changed.clear()

    def satisfier(self, package: int, versions: int) -> int:
        """Return the depth in ``history[package]`` from which the term has been satisfied."""
        domains = self.history[package]
        depth = len(domains) - 1
        while depth and domains[depth - 1] & versions == domains[depth - 1]:
            depth -= 1
        return depth
