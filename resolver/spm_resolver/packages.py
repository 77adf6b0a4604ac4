"""Packages by index: their known versions, what is demanded of them, what they need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spm_resolver.errors import UniverseTooLarge
from spm_resolver.incompatibility import Demand
from spm_resolver.provider import NOT_KNOWN
from spm_resolver.versions_set import KnownVersions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from spm_resolver.preferences import Preferences
    from spm_resolver.provider import Candidate, Provider
    from spm_spec.ranges import VersionRange

MOST_PACKAGES = 100_000  # in one search

Needs = tuple[tuple[str, "VersionRange"], ...]


class Package:
    """One package the search has met.

    ``needs`` are the dependencies of each version asked for so far. ``locked`` is
    the set of the locked version alone, empty without one. ``widened`` gives, for
    a demand, the versions whose dependency on it is already one incompatibility.
    """

    __slots__ = (
        "_by_cuts",
        "_by_identity",
        "_prereleases",
        "exists",
        "index",
        "known",
        "locked",
        "name",
        "needs",
        "widened",
    )

    def __init__(
        self,
        index: int,
        name: str,
        candidates: Sequence[Candidate] | None,
        preferences: Preferences,
    ) -> None:
        """Sort the ``candidates``; ``None`` if there is no package called ``name``."""
        locked = preferences.locked.get(name)
        self.index = index
        self.name = name
        self.exists = candidates is not None
        self.known = KnownVersions(name, candidates or (), locked)
        self.locked = 0 if locked is None else self.known.of_version(locked)
        self.needs: list[Needs | None] = [None] * len(self.known.versions)
        self.widened: dict[Demand, int] = {}
        self._prereleases = name in preferences.prereleases
        self._by_identity: dict[int, tuple[VersionRange, Demand]] = {}
        self._by_cuts: dict[object, Demand] = {}

    def demand(self, wanted: VersionRange) -> Demand:
        """Return what ``wanted`` demands of this package; equal ranges give one object."""
        # Ranges are mostly shared objects; the tuple keeps each alive, so its id stays its own.
        seen = self._by_identity.get(id(wanted))
        if seen is not None:
            return seen[1]
        cuts = (wanted.cuts, wanted.opened)
        demand = self._by_cuts.get(cuts)
        if demand is None:
            allowed = self.known.allowed_by(wanted, prereleases=self._prereleases)
            demand = Demand(self.index, wanted, allowed, self.known.full)
            self._by_cuts[cuts] = demand
        self._by_identity[id(wanted)] = (wanted, demand)
        return demand

    def demands(self) -> Iterable[Demand]:
        """Return every demand met so far, in the order met."""
        return self._by_cuts.values()


class Packages:
    """All packages of one search, in the order they were met."""

    def __init__(self, provider: Provider, preferences: Preferences) -> None:
        """Ask ``provider`` about packages as they are met."""
        self.provider = provider
        self._preferences = preferences
        self.all: list[Package] = []
        self.index: dict[str, int] = {}
        self._answers: dict[str, Sequence[Candidate] | None] = {}

    def unknown(self, names: Iterable[str]) -> list[str]:
        """Return those of ``names`` that the provider must learn before they can be met."""
        missing: list[str] = []
        for name in names:
            if name not in self.index and name not in self._answers:
                answer = self.provider.versions(name)
                if answer is NOT_KNOWN:
                    missing.append(name)
                else:
                    self._answers[name] = answer
        return missing

    def meet(self, name: str) -> Package:
        """Return the package ``name``, which is new and not ``unknown``."""
        if len(self.all) >= MOST_PACKAGES:
            raise UniverseTooLarge("packages in one search", len(self.all) + 1, MOST_PACKAGES)
        candidates = self._answers.pop(name)
        package = Package(len(self.all), name, candidates, self._preferences)
        self.index[name] = package.index
        self.all.append(package)
        return package

    def needs(self, package: Package, position: int) -> Needs:
        """Return the dependencies of the version at ``position``, sorted by name."""
        needs = package.needs[position]
        if needs is None:
            version = package.known.versions[position]
            needs = tuple(sorted(self.provider.dependencies(package.name, version).items()))
            package.needs[position] = needs
        return needs
