"""The state of one search: packages, incompatibilities, the partial solution, the agenda."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spm_resolver.agenda import Agenda
from spm_resolver.clauses import Clauses
from spm_resolver.incompatibility import Demand, Incompatibility, SelfDependency
from spm_resolver.packages import Packages
from spm_resolver.partial import PartialSolution

if TYPE_CHECKING:
    from collections.abc import Collection

    from spm_resolver.incompatibility import Term
    from spm_resolver.packages import Package
    from spm_resolver.preferences import Preferences
    from spm_resolver.provider import Provider

PROJECT = 0
"""The index of the project itself, which is selected from the beginning."""
SELECTED = 2
"""The only version set the project can have."""
PROJECT_TERM = (PROJECT, SELECTED)


class Search:
    """What the solver, propagation and conflict resolution work on."""

    def __init__(
        self, provider: Provider, direct: Collection[str], preferences: Preferences
    ) -> None:
        """Begin with the project alone; ``direct`` are the names it requires."""
        self.solution = PartialSolution()
        self.clauses = Clauses(self.solution)
        self.agenda = Agenda(self.solution)
        self.packages = Packages(provider, preferences)
        self.full: list[int] = []
        self._direct = direct
        self._meet_project(preferences)

    def _meet_project(self, preferences: Preferences) -> None:
        from spm_resolver.packages import Package

        # No package can be called so: names are never empty.
        self.packages.all.append(Package(PROJECT, "", None, preferences))
        self._add(SELECTED, direct=False, locked=0)
        self.agenda.followed[PROJECT] = SELECTED

    def _add(self, full: int, *, direct: bool, locked: int) -> None:
        self.full.append(full)
        self.solution.add(full)
        self.clauses.add_package()
        self.agenda.add(direct=direct, locked=locked)

    def package(self, name: str) -> Package:
        """Return the package ``name``, met now if it was not yet."""
        index = self.packages.index.get(name)
        if index is not None:
            return self.packages.all[index]
        package = self.packages.meet(name)
        self._add(package.known.full, direct=name in self._direct, locked=package.locked)
        return package

    def is_always_satisfied(self, term: Term) -> bool:
        """Whether the term holds whatever is decided."""
        return self.full[term[0]] == term[1]

    def follow(self, index: int, version: int) -> Incompatibility | None:
        """Add the dependencies of one version; return one that cannot hold now.

        ``version`` is a set of one, and every name it needs is known. A dependency
        already widened to cover the version adds nothing.
        """
        package = self.packages.all[index]
        domain, all_packages, known = self.solution.domain, self.packages.all, self.packages.index
        failed = None
        for name, wanted in self.packages.needs(package, version.bit_length() - 2):
            position = known.get(name)
            needed = self.package(name) if position is None else all_packages[position]
            demand = needed.demand(wanted)
            if package.widened.get(demand, 0) & version:
                continue
            if needed is package:
                added = self._follow_itself(package, version, demand)
            else:
                added = self._depend(index, version, demand)
            if added is not None and failed is None:
                other, forbidden = added.terms[1]
                if domain[other] & forbidden == domain[other]:
                    failed = added
        self.agenda.followed[index] |= version
        return failed

    def _depend(self, index: int, version: int, demand: Demand) -> Incompatibility:
        terms = ((index, version), (demand.package, demand.forbidden))
        incompatibility = Incompatibility(terms, demand)
        self.clauses.add_pair(*terms, incompatibility)
        return incompatibility

    def _follow_itself(
        self, package: Package, version: int, demand: Demand
    ) -> Incompatibility | None:
        if demand.allowed & version:
            return None
        terms = ((package.index, version), PROJECT_TERM)
        incompatibility = Incompatibility(terms, SelfDependency(demand))
        self.clauses.add_pair(*terms, incompatibility)
        return incompatibility

    def widen(self, incompatibility: Incompatibility) -> None:
        """Make a dependency speak for every version of its package that declares it.

        Many versions with the same dependency are one incompatibility, but only
        where a conflict makes it worth while to look for them.
        """
        demand = incompatibility.cause
        if not isinstance(demand, Demand):
            return
        (index, declared), other = incompatibility.terms
        package = self.packages.all[index]
        if demand in package.widened:
            wide = package.widened[demand]
        else:
            wide = package.widened[demand] = self._declaring(package, demand)
        if wide != declared:
            incompatibility.terms = ((index, wide), other)
            self.clauses.add_pair((index, wide), other, incompatibility)
            self.solution.changed.append(other[0])  # being wider, it may already bite

    def _declaring(self, package: Package, demand: Demand) -> int:
        needed = self.packages.all[demand.package]
        wide = 0
        for position in range(len(package.known.versions)):
            for name, wanted in self.packages.needs(package, position):
                if name == needed.name and needed.demand(wanted) is demand:
                    wide |= 2 << position
        return wide
