"""Stand-alone problems as JSON: for vectors, bug reports and comparisons.

The shape is in spec/resolver.md section 7. Reading is strict: an unknown key, a
name that is no name or a range that is no range is refused with its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from spm_resolver.preferences import Preferences
from spm_resolver.provider import PackageMetadata, ReleaseMetadata
from spm_spec.errors import UserMistake
from spm_spec.quoting import quote
from spm_spec.ranges import InvalidRange, VersionRange
from spm_spec.versions import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME_CHARACTERS = 256
PROBLEM_BYTES = 256 * 1024 * 1024
KEYS = frozenset({"universe", "requirements", "locked", "yanked", "prereleases", "lowest", "hosts"})


class InvalidProblem(UserMistake):
    """Text that is not a problem of the shape spec/resolver.md gives."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A universe and what is asked of it."""

    packages: Mapping[str, PackageMetadata]
    requirements: Mapping[str, VersionRange]
    preferences: Preferences


def read_problem(text: str) -> Problem:
    """Return the problem written as JSON ``text``.

    Raises:
        InvalidProblem: not JSON, or not of the shape; names the place.

    """
    document = _document(text)
    yanked = _yanked(_table(document.get("yanked", {}), "yanked"))
    packages = _universe(_table(document.get("universe"), "universe"), yanked)
    hosts = _table(document.get("hosts", {}), "hosts")
    for name, version in hosts.items():
        release = {_version(version, f"hosts.{name}"): ReleaseMetadata({})}
        packages[_name(name, "hosts")] = PackageMetadata(name, release)
    return Problem(
        packages,
        _ranges(_table(document.get("requirements"), "requirements"), "requirements"),
        _preferences(document),
    )


def _document(text: str) -> dict[str, object]:
    import json

    try:
        document = _table(json.loads(text, object_pairs_hook=_without_repetition), "the problem")
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, ValueError) else "nested too deeply"
        message = f"the problem is not JSON: {reason}"
        raise InvalidProblem(message) from error
    unknown = sorted(document.keys() - KEYS)
    if unknown:
        hint = f"known keys: {', '.join(sorted(KEYS))}"
        raise InvalidProblem(f"the problem has an unknown key {quote(unknown[0])}", hint=hint)
    return document


def _without_repetition(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise InvalidProblem(f"the key {quote(repeated)} is written twice in one object")
    return table


def _universe(
    universe: Mapping[str, object], yanked: Mapping[str, frozenset[Version]]
) -> dict[str, PackageMetadata]:
    packages: dict[str, PackageMetadata] = {}
    for name, versions in universe.items():
        where = f"universe.{_name(name, 'universe')}"
        hidden = yanked.get(name, frozenset())
        releases: dict[Version, ReleaseMetadata] = {}
        for text, dependencies in _table(versions, where).items():
            version = _version(text, where)
            if version in releases:
                raise InvalidProblem(f"{where} has {version} twice")
            needs = _ranges(_table(dependencies, f"{where}.{text}"), f"{where}.{text}")
            releases[version] = ReleaseMetadata(needs, yanked=version in hidden)
        packages[name] = PackageMetadata(name, releases)
    return packages


def _yanked(table: Mapping[str, object]) -> dict[str, frozenset[Version]]:
    return {
        name: frozenset(_version(text, f"yanked.{name}") for text in _list(texts, f"yanked.{name}"))
        for name, texts in table.items()
    }


def _preferences(document: Mapping[str, object]) -> Preferences:
    locked = _table(document.get("locked", {}), "locked")
    lowest = document.get("lowest", False)
    if not isinstance(lowest, bool):
        raise InvalidProblem("lowest is neither true nor false")
    return Preferences(
        locked={name: _version(text, f"locked.{name}") for name, text in locked.items()},
        prereleases=frozenset(
            _name(name, "prereleases")
            for name in _list(document.get("prereleases", []), "prereleases")
        ),
        lowest=lowest,
    )


def _ranges(table: Mapping[str, object], where: str) -> dict[str, VersionRange]:
    return {_name(name, where): _range(text, f"{where}.{name}") for name, text in table.items()}


def _range(text: object, where: str) -> VersionRange:
    if not isinstance(text, str):
        raise InvalidProblem(f"{where} is not a range in a string")
    try:
        return VersionRange.parse(text)
    except InvalidRange as error:
        raise InvalidProblem(f"{where}: {error.message}", hint=error.hint) from error


def _version(text: object, where: str) -> Version:
    if not isinstance(text, str):
        raise InvalidProblem(f"{where} is not a version in a string")
    try:
        return Version.parse(text)
    except InvalidVersion as error:
        raise InvalidProblem(f"{where}: {error.message}", hint=error.hint) from error


def _name(name: object, where: str) -> str:
    if not isinstance(name, str):
        raise InvalidProblem(f"{where} holds something that is not a name")
    if not name or len(name) > NAME_CHARACTERS or not name.isprintable() or " " in name:
        message = f"{where} has the name {quote(name, limit=40)}, "
        message += f"which is not 1 to {NAME_CHARACTERS} printable characters without blanks"
        raise InvalidProblem(message)
    return name


def _table(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise InvalidProblem(f"{where} is {'missing' if value is None else 'not an object'}")
    return cast("dict[str, object]", value)


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise InvalidProblem(f"{where} is not a list")
    return cast("list[object]", value)
