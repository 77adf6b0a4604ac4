"""Conflict resolution: from a conflict to what is learnt, and the way back.

Starting from an incompatibility all of whose terms are satisfied, the assignment
that satisfied the last of them is replaced by its reason, again and again, until
only one term depends on the latest decision involved. What is left is learnt; it
forbids the whole class of mistakes, not only this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spm_resolver.incompatibility import Incompatibility, Learnt
from spm_resolver.partial import BEFORE_ALL
from spm_resolver.search import PROJECT_TERM

if TYPE_CHECKING:
    from spm_resolver.search import Search

PAIR = 2
"""The number of terms of the incompatibilities that need no watching."""


class Unsatisfiable(Exception):
    """The requirements contradict each other; ``incompatibility`` says so without terms."""

    def __init__(self, incompatibility: Incompatibility) -> None:
        """Keep the root of the derivation."""
        super().__init__("unsatisfiable")
        self.incompatibility = incompatibility


class _Latest:
    """The satisfier that comes last: which package, how deep, where, and what precedes it."""

    __slots__ = ("depth", "earlier", "package", "place")

    def __init__(self, search: Search, terms: dict[int, int]) -> None:
        """Find the satisfiers of all ``terms``; remember the last and the one before."""
        solution = search.solution
        self.place = self.earlier = BEFORE_ALL - 1
        self.package = self.depth = 0
        for package, versions in terms.items():
            depth = solution.satisfier(package, versions)
            place = solution.places[package][depth]
            if place > self.place:
                self.earlier = self.place
                self.place, self.package, self.depth = place, package, depth
            elif place > self.earlier:
                self.earlier = place


def resolve_conflict(search: Search, conflict: Incompatibility) -> Incompatibility | None:
    """Learn from ``conflict``, backjump, and apply what was learnt; return the next conflict.

    Raises:
        Unsatisfiable: the conflict does not depend on any decision.

    """
    solution = search.solution
    search.widen(conflict)
    terms = _open_terms(search, conflict)
    known = conflict
    while terms:
        search.clauses.looked_at += len(terms)
        latest = _Latest(search, terms)
        reason = solution.reasons[latest.place]
        if reason is not None:
            search.widen(reason)
        level = _level_before(search, terms, latest, reason)
        if reason is None or level < solution.levels[latest.place]:
            _backtrack(search, terms, level)
            if conflict is not known:
                _remember(search, conflict, latest.package)
            return _apply(search, conflict, terms, latest.package)
        terms = _resolvent(search, terms, reason, latest.package)
        search.agenda.bump(latest.package)
        conflict = Incompatibility(tuple(terms.items()), Learnt(conflict, reason))
    raise Unsatisfiable(conflict)


def _open_terms(search: Search, incompatibility: Incompatibility) -> dict[int, int]:
    return dict(term for term in incompatibility.terms if not search.is_always_satisfied(term))


def _level_before(
    search: Search, terms: dict[int, int], latest: _Latest, reason: Incompatibility | None
) -> int:
    """Return the level at which all is satisfied except what the latest assignment did."""
    solution = search.solution
    package, versions = latest.package, terms[latest.package]
    domains = solution.history[package]
    left = domains[latest.depth] if reason is None else ~reason.term_of(package)
    depth = latest.depth - 1
    while depth and domains[depth - 1] & left & versions == domains[depth - 1] & left:
        depth -= 1
    earlier = max(latest.earlier, solution.places[package][depth])
    return solution.levels[earlier] if earlier > BEFORE_ALL else 0


def _resolvent(
    search: Search, terms: dict[int, int], reason: Incompatibility, pivot: int
) -> dict[int, int]:
    """Return what follows from both: the union on the ``pivot``, the intersection elsewhere."""
    resolvent = dict(terms)
    for package, versions in _open_terms(search, reason).items():
        if package == pivot:
            united = terms[pivot] | versions
            if search.is_always_satisfied((pivot, united)):
                del resolvent[pivot]
            else:
                resolvent[pivot] = united
        else:
            resolvent[package] = resolvent.get(package, versions) & versions
    return resolvent


def _backtrack(search: Search, terms: dict[int, int], level: int) -> None:
    for involved in terms:
        search.agenda.bump(involved)
    search.solution.backtrack(level)


def _apply(
    search: Search, learnt: Incompatibility, terms: dict[int, int], package: int
) -> Incompatibility | None:
    """Assign what ``learnt`` forces on ``package``; return it if nothing would be left."""
    domain = search.solution.domain[package] & ~terms[package]
    if not domain:
        return learnt
    search.solution.assign(package, domain, learnt)
    return None


def _remember(search: Search, learnt: Incompatibility, package: int) -> None:
    """Index ``learnt``, watching the term it forces now and the one satisfied last."""
    if len(learnt.terms) == 1:
        search.clauses.add_pair(learnt.terms[0], PROJECT_TERM, learnt)
    elif len(learnt.terms) == PAIR:
        one, other = learnt.terms
        search.clauses.add_pair(one, other, learnt)
    else:
        solution = search.solution
        places = [
            len(solution.trail)
            if owner == package
            else solution.places[owner][solution.satisfier(owner, versions)]
            for owner, versions in learnt.terms
        ]
        order = sorted(range(len(places)), key=places.__getitem__)
        search.clauses.watch(learnt, order[-1], order[-2])
