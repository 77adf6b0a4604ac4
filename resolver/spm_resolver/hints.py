"""What would probably help after a failure: at most one hint, the best there is.

In order of worth: a name that does not exist, a host package that is absent or of
the wrong version, a range that holds nothing, a pre-release or a yanked version
that would match, and at last which versions there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spm_resolver.wording import as_written, demand_of
from spm_spec.names import is_host_package

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from spm_resolver.incompatibility import Demand, Incompatibility
    from spm_resolver.packages import Package, Packages
    from spm_spec.versions import Version

NEARNESS = 0.7  # of two names, 1.0 being equal
MOST_NAMES_COMPARED = 20_000


def best_hint(facts: Sequence[Incompatibility], packages: Packages) -> str | None:
    """Return the best hint that the ``facts`` of a failure give, if any."""
    by_package: dict[int, list[Demand]] = {}
    for fact in facts:
        demand = demand_of(fact)
        if demand is not None:
            by_package.setdefault(demand.package, []).append(demand)
    concerned = [(packages.all[index], demands) for index, demands in sorted(by_package.items())]
    for hint in _HINTS:
        for package, demands in concerned:
            text = hint(package, demands, packages)
            if text is not None:
                return text
    return None


def _unknown_name(package: Package, _: Sequence[Demand], packages: Packages) -> str | None:
    if package.exists or is_host_package(package.name):
        return None
    near = nearest_name(package.name, packages.provider.known_names())
    if near is None:
        return f"check the spelling of {package.name}, or name the source it comes from"
    return f"did you mean {near}?"


def _absent_host(package: Package, _: Sequence[Demand], packages: Packages) -> str | None:
    del packages
    if not is_host_package(package.name) or package.known.versions:
        return None
    return f"state the version of {package.name} under [hosts] in skills.toml"


def _wrong_host(package: Package, demands: Sequence[Demand], packages: Packages) -> str | None:
    del packages
    failing = [demand for demand in demands if not demand.allowed and demand.wanted.cuts]
    if not is_host_package(package.name) or not package.known.versions or not failing:
        return None
    wanted = failing[0].wanted
    old = package.known.versions[-1].key < wanted.cuts[0]
    change = "upgrade" if old else "change"
    text = as_written(wanted)
    return f"{change} {package.name} to {text}, or state its version under [hosts] in skills.toml"


def _empty_range(package: Package, demands: Sequence[Demand], packages: Packages) -> str | None:
    del packages
    for demand in demands:
        if demand.wanted.is_empty:
            text = as_written(demand.wanted)
            return f"no version at all lies in {text}, the range given for {package.name}"
    return None


def _prerelease(package: Package, demands: Sequence[Demand], packages: Packages) -> str | None:
    del packages
    prereleases = [version for version in package.known.versions if version.prerelease]
    version = _meeting(demands, prereleases)
    if version is None:
        return None
    return (
        f"{package.name} {version} is a pre-release that would match; "
        f"name it in the range, or allow pre-releases of {package.name}"
    )


def _yanked(package: Package, demands: Sequence[Demand], packages: Packages) -> str | None:
    del packages
    version = _meeting(demands, package.known.withheld)
    if version is None:
        return None
    return f"{package.name} {version} would match but was yanked; only a lock may keep it"


def _known_versions(package: Package, demands: Sequence[Demand], packages: Packages) -> str | None:
    del packages
    versions = package.known.versions
    if is_host_package(package.name) or not versions or all(one.allowed for one in demands):
        return None
    if len(versions) == 1:
        return f"the only version of {package.name} is {versions[0]}"
    return f"{package.name} has versions from {versions[0]} to {versions[-1]}"


def _meeting(demands: Sequence[Demand], versions: Iterable[Version]) -> Version | None:
    """Return the newest of ``versions``, oldest first, inside every demanded range."""
    allowed = -1
    for demand in demands:
        allowed &= demand.allowed
    if allowed:
        return None  # this package is not where the trouble is
    found = None
    for version in versions:
        if all(demand.wanted.contains(version) for demand in demands):
            found = version
    return found


def nearest_name(name: str, names: Iterable[str]) -> str | None:
    """Return the most similar of ``names``, the first in order among equals."""
    from difflib import get_close_matches

    candidates = sorted(set(names) - {name})[:MOST_NAMES_COMPARED]
    near = get_close_matches(name, candidates, n=1, cutoff=NEARNESS)
    return near[0] if near else None


_HINTS: tuple[Callable[[Package, Sequence[Demand], Packages], str | None], ...] = (
    _unknown_name,
    _absent_host,
    _wrong_host,
    _empty_range,
    _prerelease,
    _yanked,
    _known_versions,
)
