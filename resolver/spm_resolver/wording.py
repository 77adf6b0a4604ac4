"""How version sets, demands and incompatibilities are put into words.

Every phrase is derived from the facts it states: a range is shown as it was
written where one stands for exactly the set meant, else by the known versions at
the ends of the set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spm_resolver.incompatibility import Demand, Learnt, Requirement, SelfDependency
from spm_resolver.versions_set import ABSENT, is_single, positions
from spm_spec.names import is_host_package

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spm_resolver.incompatibility import Incompatibility
    from spm_resolver.packages import Package, Packages
    from spm_spec.ranges import VersionRange


class Wording:
    """Phrases about the packages of one search; requirements stand in ``origin``."""

    def __init__(self, packages: Packages, origin: str) -> None:
        """Speak about ``packages``."""
        self._packages = packages
        self._origin = origin
        self._sentences: dict[Incompatibility, str] = {}

    @property
    def failure(self) -> str:
        """The conclusion of every explanation."""
        return f"{self._origin} cannot be satisfied"

    def sentence(self, incompatibility: Incompatibility) -> str:
        """Return what ``incompatibility`` says, as a clause without full stop."""
        sentence = self._sentences.get(incompatibility)
        if sentence is None:
            sentence = self._sentences[incompatibility] = self._compose(incompatibility)
        return sentence

    def _compose(self, incompatibility: Incompatibility) -> str:
        cause = incompatibility.cause
        if not isinstance(cause, Learnt):
            subject, verb, thing = self._parts(incompatibility)
            return f"{subject} {verb} {thing}"
        together = [term for term in incompatibility.terms if not term[1] & ABSENT]
        needed = [term for term in incompatibility.terms if term[1] & ABSENT]
        if not together and not needed:
            return self.failure
        chosen = [self.chosen(self._packages.all[index], versions) for index, versions in together]
        wanted = [self._required(self._packages.all[index], versions) for index, versions in needed]
        return _derived(chosen, wanted)

    def premises(
        self, one: Incompatibility, other: Incompatibility, conclusion: Incompatibility
    ) -> str:
        """Return what the two premises of ``conclusion`` say, merged where that reads better."""
        remaining = {index for index, _ in conclusion.terms}
        for first, second in ((one, other), (other, one)):
            link = self._link(first, second)
            if link is not None and link not in remaining:
                _, verb, thing = self._parts(second)
                return f"{self.sentence(first)} which {verb} {thing}"
        if not isinstance(one.cause, Learnt) and not isinstance(other.cause, Learnt):
            subject, verb, thing = self._parts(one)
            other_subject, other_verb, other_thing = self._parts(other)
            if (subject, verb) == (other_subject, other_verb) and ", " not in thing + other_thing:
                return f"{subject} {verb} both {' and '.join(sorted((thing, other_thing)))}"
        first_sentence = self.sentence(one)
        joint = ", and" if ", " in first_sentence else " and"
        return f"{first_sentence}{joint} {self.sentence(other)}{self._gap(one, other)}"

    def wanted(self, demand: Demand) -> str:
        """Return the demand as it was written: ``name range``."""
        name = self._packages.all[demand.package].name
        text = as_written(demand.wanted)
        return name if demand.wanted.is_any or not text else f"{name} {text}"

    def chosen(self, package: Package, versions: int) -> str:
        """Return ``versions``, a set without absence, as something that may be chosen."""
        every = package.known.full & ~ABSENT
        releases = package.known.without_prereleases(every) or every
        if versions in {every, releases} and not is_single(versions):
            return f"every version of {package.name}"
        return self._named(package, versions)

    def _required(self, package: Package, forbidden: int) -> str:
        allowed = package.known.full & ~forbidden
        if allowed == package.known.full & ~ABSENT:
            return package.name
        return self._as_demanded(package, allowed) or f"{package.name} {_runs(package, allowed)}"

    def _named(self, package: Package, versions: int) -> str:
        demanded = None if is_single(versions) else self._as_demanded(package, versions)
        return demanded or f"{package.name} {_runs(package, versions)}"

    def _as_demanded(self, package: Package, versions: int) -> str | None:
        """Return ``versions`` as the first range met that allows exactly them."""
        for demand in package.demands():
            if demand.allowed == versions and not demand.wanted.is_any:
                return self.wanted(demand)
        return None

    def _parts(self, incompatibility: Incompatibility) -> tuple[str, str, str]:
        cause = incompatibility.cause
        if isinstance(cause, Requirement):
            return self._origin, "requires", self.wanted(cause.demand) + self._trouble(cause.demand)
        index, versions = incompatibility.terms[0]
        subject = self.chosen(self._packages.all[index], versions)
        if isinstance(cause, SelfDependency):
            return subject, "depends on", f"{self.wanted(cause.demand)}, another version of itself"
        if isinstance(cause, Demand):
            return subject, "depends on", self.wanted(cause) + self._trouble(cause)
        message = "what is learnt has no parts"
        raise AssertionError(message)

    def _trouble(self, demand: Demand) -> str:
        """Say why no version can meet the demand, if none can."""
        if demand.allowed:
            return ""
        package = self._packages.all[demand.package]
        versions = package.known.versions
        if is_host_package(package.name):
            if versions:
                return f", but this environment provides {package.name} {versions[-1]}"
            return ", which this environment does not provide"
        if not package.exists:
            return ", which does not exist"
        if versions:
            nothing = demand.wanted.is_empty
            return ", which no version can match" if nothing else ", which no version matches"
        yanked = package.known.withheld
        return ", all of whose versions are yanked" if yanked else ", which has no versions"

    def _link(self, first: Incompatibility, second: Incompatibility) -> int | None:
        """Return the package by which ``first`` leads to ``second``, if it does."""
        demand = demand_of(first)
        if demand is None or not demand.allowed or not isinstance(second.cause, Demand):
            return None
        index, versions = second.terms[0]
        leads = index == demand.package and demand.allowed & versions == demand.allowed
        return index if leads else None

    def _gap(self, one: Incompatibility, other: Incompatibility) -> str:
        """Say so if two ranges overlap, but only where no version lies."""
        first, second = demand_of(one), demand_of(other)
        if first is None or second is None or first.package != second.package:
            return ""
        if first.allowed & second.allowed or not (first.allowed and second.allowed):
            return ""
        if first.wanted.intersect(second.wanted).is_empty:
            return ""
        return f", and no version of {self._packages.all[first.package].name} matches both"


def as_written(wanted: VersionRange) -> str:
    """Return the text of a range on one line, without needless blanks."""
    return " ".join(wanted.text.split()).replace(", ", ",")


def demand_of(incompatibility: Incompatibility) -> Demand | None:
    """Return what a fact that was not learnt demands."""
    cause = incompatibility.cause
    if isinstance(cause, Demand):
        return cause
    return None if isinstance(cause, Learnt) else cause.demand


def _derived(chosen: Sequence[str], wanted: Sequence[str]) -> str:
    if not chosen:
        required = " or ".join(wanted)
        return f"either {required} is required" if len(wanted) > 1 else f"{required} is required"
    if not wanted:
        if len(chosen) == 1:
            return f"{chosen[0]} cannot be used"
        return f"{_listed(chosen)} cannot be used together"
    verb = "requires" if len(chosen) == 1 else "together require"
    return f"{_listed(chosen)} {verb} {' or '.join(wanted)}"


def _listed(items: Sequence[str]) -> str:
    *most, last = items
    return f"{', '.join(most)} and {last}" if most else last


def _runs(package: Package, versions: int) -> str:
    """Write a set by the ends of its unbroken runs of known versions."""
    known = package.known
    scale = known.full
    if versions == known.without_prereleases(versions):
        scale = known.without_prereleases(scale)
    inside = set(positions(versions))
    runs: list[list[int]] = []
    broken = True
    line = positions(scale)
    for position in line:
        if position not in inside:
            broken = True
        elif broken:
            runs.append([position, position])
            broken = False
        else:
            runs[-1][1] = position
    return " or ".join(_run(package, first, last, line) for first, last in runs)


def _run(package: Package, first: int, last: int, line: list[int]) -> str:
    versions = package.known.versions
    if first == last:
        return str(versions[first])
    if last == line[-1]:
        return f">={versions[first]}"
    if first == line[0]:
        return f"<={versions[last]}"
    return f">={versions[first]} <={versions[last]}"
