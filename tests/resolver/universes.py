"""Small languages for universes, and an independent oracle for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spm_resolver.driver import resolve
from spm_resolver.preferences import Preferences
from spm_resolver.provider import PackageMetadata, ReleaseMetadata
from spm_spec.ranges import VersionRange
from spm_spec.versions import Version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spm_resolver.solver import Solution

Texts = dict[str, dict[str, dict[str, str]]]


class Universe:
    """Packages that can be served to the resolver; remembers what was fetched."""

    def __init__(self) -> None:
        self.packages: dict[str, dict[Version, ReleaseMetadata]] = {}
        self.fetched: list[tuple[str, ...]] = []

    @classmethod
    def of(cls, texts: Texts) -> Universe:
        """Serve everything in ``texts``: name, version, dependencies."""
        universe = cls()
        for name, versions in texts.items():
            universe.packages.setdefault(name, {})
            for version, needs in versions.items():
                universe.serve(name, version, needs)
        return universe

    def serve(
        self,
        name: str,
        version: str,
        needs: Mapping[str, str] | None = None,
        *,
        yanked: bool = False,
    ) -> Universe:
        """Add one release."""
        dependencies = {other: VersionRange.parse(text) for other, text in (needs or {}).items()}
        release = ReleaseMetadata(dependencies, yanked)
        self.packages.setdefault(name, {})[Version.parse(version)] = release
        return self

    def fetch(self, names: Sequence[str]) -> dict[str, PackageMetadata | None]:
        """Answer as a registry does; only what exists."""
        self.fetched.append(tuple(names))
        return {
            name: PackageMetadata(name, self.packages[name])
            for name in names
            if name in self.packages
        }

    def resolve(
        self,
        requirements: Mapping[str, str],
        *,
        locked: Mapping[str, str] | None = None,
        prereleases: frozenset[str] = frozenset(),
        lowest: bool = False,
    ) -> dict[str, str]:
        """Resolve to plain texts."""
        pins = {name: Version.parse(text) for name, text in (locked or {}).items()}
        preferences = Preferences(pins, prereleases, lowest)
        return shown(resolve(self.fetch, ranges(requirements), preferences, names=self.packages))


def ranges(requirements: Mapping[str, str]) -> dict[str, VersionRange]:
    """Parse every range."""
    return {name: VersionRange.parse(text) for name, text in requirements.items()}


def shown(solution: Solution) -> dict[str, str]:
    """Return the solution as plain texts."""
    return {name: str(version) for name, version in solution.versions.items()}


def is_satisfiable(texts: Texts, requirements: Mapping[str, str]) -> bool:
    """Ask a SAT solver, with one variable a release, whether there is any solution."""
    from pysat.solvers import Cadical153

    numbers: dict[tuple[str, str], int] = {}
    for name, versions in texts.items():
        for version in versions:
            numbers[name, version] = len(numbers) + 1

    def admitted(name: str, text: str) -> list[int]:
        wanted = VersionRange.parse(text)
        return [
            numbers[name, version]
            for version in texts.get(name, {})
            if wanted.admits(Version.parse(version))
        ]

    created: Any = Cadical153()  # python-sat has no types
    with created as oracle:
        for name, text in requirements.items():
            oracle.add_clause(admitted(name, text))
        for name, versions in texts.items():
            variables = [numbers[name, version] for version in versions]
            for place, one in enumerate(variables):
                for other in variables[:place]:
                    oracle.add_clause([-one, -other])
            for version, needs in versions.items():
                for other_name, text in needs.items():
                    oracle.add_clause([-numbers[name, version], *admitted(other_name, text)])
        return bool(oracle.solve())


def faults(texts: Texts, requirements: Mapping[str, str], solution: Mapping[str, str]) -> list[str]:
    """Return every way in which ``solution`` is wrong: unmet, or selected without need."""
    found: list[str] = []
    reached: set[str] = set()
    pending = [("the project", requirements)]
    while pending:
        who, needs = pending.pop()
        for name, text in needs.items():
            version = solution.get(name)
            if version is None or not VersionRange.parse(text).admits(Version.parse(version)):
                found.append(f"{who} needs {name} {text}, got {version}")
            elif name not in reached:
                reached.add(name)
                pending.append((f"{name} {version}", texts[name][version]))
    found += [f"{name} is not needed" for name in solution if name not in reached]
    return found
