"""Incompatibilities indexed for unit propagation.

Incompatibilities of two terms, nearly all there are, are kept by package and
version set: once the domain lies in the set, the other term must fail. Longer
ones are learnt; two of their terms are *watched*, and nothing is done until one
of those is satisfied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spm_resolver.versions_set import ABSENT

if TYPE_CHECKING:
    from spm_resolver.incompatibility import Incompatibility, Term
    from spm_resolver.partial import PartialSolution

Pair = tuple[int, int, "Incompatibility"]


class Clauses:
    """Every incompatibility of the search, and the propagation of what they force.

    ``looked_at`` counts terms and incompatibilities visited, the measure of hard work.
    """

    def __init__(self, solution: PartialSolution) -> None:
        """Propagate into ``solution``."""
        self._solution = solution
        self.pairs: list[dict[int, list[Pair]]] = []
        self._watching: list[list[Incompatibility]] = []
        self.looked_at = 0

    def add_package(self) -> None:
        """Make room for the next package."""
        self.pairs.append({})
        self._watching.append([])

    def add_pair(self, one: Term, other: Term, incompatibility: Incompatibility) -> None:
        """Index an incompatibility of two terms under both."""
        self.pairs[one[0]].setdefault(one[1], []).append((*other, incompatibility))
        self.pairs[other[0]].setdefault(other[1], []).append((*one, incompatibility))

    def watch(self, incompatibility: Incompatibility, one: int, other: int) -> None:
        """Index an incompatibility of many terms under those at ``one`` and ``other``."""
        incompatibility.watched = (one, other)
        for position in (one, other):
            self._watching[incompatibility.terms[position][0]].append(incompatibility)

    def propagate(self) -> Incompatibility | None:
        """Derive all that follows from the changed domains; return a conflict if one arises."""
        solution = self._solution
        changed, watching = solution.changed, self._watching
        while changed:
            package = changed.pop()
            conflict = self._propagate_pairs(package)
            if conflict is None and watching[package]:
                conflict = self._propagate_watched(package)
            if conflict is not None:
                changed.clear()
                return conflict
        return None

    def _propagate_pairs(self, package: int) -> Incompatibility | None:
        # The innermost loop of the resolver: ``PartialSolution.assign`` is written out here.
        solution = self._solution
        domain, changed = solution.domain, solution.changed
        current = domain[package]
        for versions, pairs in self.pairs[package].items():
            if current & versions != current:
                continue
            for other, forbidden, incompatibility in pairs:
                before = domain[other]
                after = before & ~forbidden
                if after == before:
                    continue
                if not after:
                    return incompatibility
                solution.places[other].append(len(solution.trail))
                solution.history[other].append(after)
                solution.trail.append(other)
                solution.reasons.append(incompatibility)
                solution.levels.append(solution.level)
                domain[other] = after
                changed.append(other)
                if not after & ABSENT:
                    solution.touched.append(other)
        return None

    def _propagate_watched(self, package: int) -> Incompatibility | None:
        domain = self._solution.domain
        current = domain[package]
        kept: list[Incompatibility] = []
        pending = self._watching[package]
        self._watching[package] = kept
        self.looked_at += len(pending)
        for place, incompatibility in enumerate(pending):
            terms = incompatibility.terms
            mine, other = incompatibility.watched
            if terms[mine][0] != package:
                mine, other = other, mine
            if current & terms[mine][1] != current:
                kept.append(incompatibility)
                continue
            watched, forbidden = terms[other]
            if not domain[watched] & forbidden:
                kept.append(incompatibility)  # the other term can no longer be satisfied
                continue
            if self._watch_elsewhere(incompatibility, mine, other):
                continue
            kept.append(incompatibility)
            after = domain[watched] & ~forbidden
            if not after:
                kept.extend(pending[place + 1 :])
                return incompatibility
            self._solution.assign(watched, after, incompatibility)
        return None

    def _watch_elsewhere(self, incompatibility: Incompatibility, mine: int, other: int) -> bool:
        """Watch an unsatisfied third term instead of ``mine``, if there is one."""
        domain = self._solution.domain
        for position, (package, versions) in enumerate(incompatibility.terms):
            unsatisfied = domain[package] & versions != domain[package]
            if unsatisfied and position not in {mine, other}:
                incompatibility.watched = (other, position)
                self._watching[package].append(incompatibility)
                return True
        return False
