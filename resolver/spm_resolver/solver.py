"""The solver: propagate, choose the next package, learn from conflicts, until all is settled.

Pure: it asks a provider, never fetches, and depends on its inputs alone. When a
fact is not known it stops before using it, says which names it needs, and goes
on from there; so the order in which facts arrive cannot change the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spm_resolver.conflict import Unsatisfiable, resolve_conflict
from spm_resolver.errors import BudgetExhausted, NoSolution
from spm_resolver.incompatibility import Incompatibility, Requirement
from spm_resolver.preferences import Preferences
from spm_resolver.search import PROJECT, PROJECT_TERM, Search
from spm_resolver.versions_set import ABSENT, is_single

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spm_resolver.provider import Provider
    from spm_spec.ranges import VersionRange
    from spm_spec.versions import Version

MOST_STEPS = 10_000_000  # about as many microseconds; real problems need far fewer
DEFAULT_PREFERENCES = Preferences()
NAMES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Solution:
    """The version of every package selected, sorted by name; host packages among them."""

    versions: Mapping[str, Version]


@dataclass(frozen=True, slots=True)
class NeedsMore:
    """Names the provider must learn before the search goes on, sorted.

    ``names`` holds what is needed now and what will be if no conflict arises.
    """

    names: tuple[str, ...]


class Solver:
    """One search; call ``step`` until it returns a solution."""

    def __init__(
        self,
        provider: Provider,
        requirements: Mapping[str, VersionRange],
        preferences: Preferences = DEFAULT_PREFERENCES,
        *,
        most_steps: int = MOST_STEPS,
        origin: str = "skills.toml",
    ) -> None:
        """Search for ``requirements``, which explanations say stand in ``origin``."""
        self._search = Search(provider, requirements.keys(), preferences)
        self._requirements = sorted(requirements.items())
        self._lowest = preferences.lowest
        self._most_steps = most_steps
        self._origin = origin
        self._required = False
        self.decisions = 0
        self.conflicts = 0

    def step(self) -> Solution | NeedsMore:
        """Search until done or until more must be known.

        Raises:
            NoSolution: the requirements contradict each other.
            BudgetExhausted: the search took too many steps.
            UniverseTooLarge: more versions or packages than the caps allow.
            ContradictoryMetadata: the provider repeats itself.

        """
        try:
            return self._run()
        except Unsatisfiable as error:
            root = error.incompatibility
        raise self._no_solution(root)

    def _run(self) -> Solution | NeedsMore:
        if not self._required:
            missing = self._search.packages.unknown(name for name, _ in self._requirements)
            if missing:
                return NeedsMore(tuple(missing))
            self._require()
        while True:
            self._settle(self._search.clauses.propagate())
            package = self._search.agenda.next()
            if package is None:
                return self._solution()
            if not self._choose(package):
                return NeedsMore(self._foreseen())

    def _require(self) -> None:
        """Turn the requirements into incompatibilities with the project."""
        self._required = True
        for name, wanted in self._requirements:
            demand = self._search.package(name).demand(wanted)
            term = (demand.package, demand.forbidden)
            incompatibility = Incompatibility((term, PROJECT_TERM), Requirement(demand))
            self._search.clauses.add_pair(term, PROJECT_TERM, incompatibility)
        self._search.solution.changed.append(PROJECT)

    def _settle(self, conflict: Incompatibility | None) -> None:
        """Resolve conflicts and propagate until nothing more follows."""
        while conflict is not None:
            self.conflicts += 1
            self._spend()
            conflict = resolve_conflict(self._search, conflict)
            if conflict is None:
                conflict = self._search.clauses.propagate()

    def _choose(self, package: int) -> bool:
        """Settle ``package`` on its preferred version; ``False`` if more must be known first."""
        search = self._search
        domain = search.solution.domain[package]
        version = self._preferred(package)
        self.decisions += 1
        self._spend()
        if not search.agenda.followed[package] & version:
            needs = search.packages.needs(search.packages.all[package], version.bit_length() - 2)
            if search.packages.unknown(name for name, _ in needs):
                return False
            failed = search.follow(package, version)
            if failed is not None:
                self._rule_out(package, failed)
                return True
        if domain == version:
            search.solution.changed.append(package)
        else:
            search.solution.decide(package, version)
        return True

    def _rule_out(self, package: int, failed: Incompatibility) -> None:
        """Exclude the versions whose dependency cannot hold, instead of deciding on one."""
        search = self._search
        search.widen(failed)
        for involved, _ in failed.terms:
            search.agenda.bump(involved)
        domain = search.solution.domain[package] & ~failed.terms[0][1]
        if domain:
            search.solution.assign(package, domain, failed)
        else:
            self._settle(failed)

    def _preferred(self, package: int) -> int:
        """Return the set of the one version of a selected package to try first."""
        domain = self._search.solution.domain[package]
        locked = domain & self._search.packages.all[package].locked
        if locked:
            return locked
        return domain & -domain if self._lowest else 1 << (domain.bit_length() - 1)

    def _foreseen(self) -> tuple[str, ...]:
        """Return all unknown names that the preferred versions of selected packages need."""
        search = self._search
        names: set[str] = set()
        for index, domain in enumerate(search.solution.domain):
            if domain & ABSENT or index == PROJECT:
                continue
            version = self._preferred(index)
            if not search.agenda.followed[index] & version:
                needs = search.packages.needs(search.packages.all[index], version.bit_length() - 2)
                names.update(name for name, _ in needs)
        return tuple(sorted(search.packages.unknown(names)))

    def _spend(self) -> None:
        steps = self.decisions + self.conflicts + self._search.clauses.looked_at
        if steps > self._most_steps:
            search = self._search
            counts = search.agenda.conflicts
            order = sorted(range(1, len(counts)), key=lambda index: (-counts[index], index))
            busiest = [search.packages.all[index].name for index in order[:NAMES_SHOWN]]
            raise BudgetExhausted(self._most_steps, tuple(busiest))

    def _solution(self) -> Solution:
        chosen: dict[str, Version] = {}
        for package, domain in zip(
            self._search.packages.all, self._search.solution.domain, strict=True
        ):
            if not domain & ABSENT and package.index != PROJECT:
                if not is_single(domain):
                    message = f"{package.name} was left undecided"
                    raise AssertionError(message)
                chosen[package.name] = package.known.newest(domain)
        return Solution(dict(sorted(chosen.items())))

    def _no_solution(self, root: Incompatibility) -> NoSolution:
        from spm_resolver.explain import explain

        return explain(root, self._search.packages, self._origin)


def solve(
    provider: Provider,
    requirements: Mapping[str, VersionRange],
    preferences: Preferences = DEFAULT_PREFERENCES,
) -> Solution | NeedsMore:
    """Solve at once with what ``provider`` knows; see ``Solver.step``."""
    return Solver(provider, requirements, preferences).step()
