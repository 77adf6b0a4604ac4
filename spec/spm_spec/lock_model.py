"""What a project gets, exactly, as data: the model of ``skills.lock`` and its own laws.

``lock_text`` writes it, ``lock`` reads it. Resolving belongs to the resolver; here is
only what can be said of a lock alone, or of a lock beside a manifest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from spm_spec.manifest_model import range_lines
from spm_spec.names import HOST_PACKAGES
from spm_spec.policy import NOTHING, Policy
from spm_spec.sources import RegistrySource
from spm_spec.toml import InvalidToml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spm_spec.digests import Digest
    from spm_spec.manifest_model import Manifest
    from spm_spec.sources import Source
    from spm_spec.versions import Version

Ordered = TypeVar("Ordered", str, tuple[str, str])

_RELOCK = "run `spm lock`"


class InvalidLock(InvalidToml):
    """``skills.lock`` is not one that spm wrote from this format."""


@dataclass(frozen=True, slots=True)
class LockedPython:
    """One exact PyPI distribution that a skill's tools need."""

    name: str
    version: str
    hashes: tuple[str, ...]
    """``sha256:<64 hex>``, sorted, at least one."""
    marker: str | None = None
    """An environment marker, strings in single quotes."""


@dataclass(frozen=True, slots=True)
class LockEntry:
    """One release, pinned so that nothing else can stand in for it."""

    name: str
    version: Version | None
    source: Source
    tree: Digest
    archive_sha256: str | None = None
    """64 hex digits; exactly the releases of a registry have one."""
    archive_size: int | None = None
    dependencies: tuple[tuple[str, str], ...] = ()
    """Name and range as text, sorted by name; host packages too."""
    publisher: str | None = None
    """The fingerprint of the key that signed it: 40 or 64 lower-case hex digits."""
    policy: Policy = NOTHING
    """What it asks for."""
    python: tuple[LockedPython, ...] = ()


@dataclass(frozen=True, slots=True)
class Lock:
    """The answer to one manifest, and the parts of the manifest it answers."""

    requirements: tuple[str, ...] = ()
    """``Manifest.requirement_lines()``."""
    hosts: Mapping[str, str] = field(default_factory=dict[str, str])
    """The host packages that were resolved for, with their versions."""
    entries: tuple[LockEntry, ...] = ()
    """Sorted by name, one a name."""
    overrides: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    prereleases: tuple[str, ...] = ()

    def entry(self, name: str) -> LockEntry | None:
        """Return the entry of ``name``. Cost: one pass."""
        return next((entry for entry in self.entries if entry.name == name), None)

    def matches(self, manifest: Manifest) -> bool:
        """Whether this lock answers ``manifest`` as it is now."""
        return not self.differences(manifest)

    def differences(self, manifest: Manifest) -> tuple[str, ...]:
        """Return one line for everything in ``manifest`` that this lock was not made from.

        Nothing is resolved: the lines that the lock repeats are compared, and the
        registry each name is bound to.
        """
        hosts = {name: str(version) for name, version in manifest.hosts.items()}
        return (
            *_line_differences("", self.requirements, manifest.requirement_lines()),
            *_line_differences("override ", self.overrides, range_lines(manifest.overrides)),
            *_line_differences("constraint ", self.constraints, range_lines(manifest.constraints)),
            *_line_differences(
                "pre-releases of ", self.prereleases, tuple(sorted(manifest.prereleases))
            ),
            *_line_differences(
                "host ",
                tuple(f"{name}@{version}" for name, version in self.hosts.items()),
                tuple(f"{name}@{version}" for name, version in hosts.items()),
            ),
            *self._other_registries(manifest),
        )

    def unmet(self) -> tuple[str, ...]:
        """Return one line for each dependency whose locked version is outside its range.

        Overridden names are left out. For ``--check``: it parses every range.
        """
        from spm_spec.ranges import VersionRange

        versions = {entry.name: entry.version for entry in self.entries}
        overridden = {line_name(line) for line in self.overrides}
        lines: list[str] = []
        for entry in self.entries:
            for name, wanted in entry.dependencies:
                version = versions.get(name)
                if version is None or name in overridden:
                    continue
                if not VersionRange.parse(wanted).contains(version):
                    lines.append(f"`{entry.name}` needs `{name}` {wanted}, locked is {version}")
        return tuple(lines)

    def _other_registries(self, manifest: Manifest) -> list[str]:
        if not manifest.registries:
            return []
        chosen = manifest.chosen_registries()
        lines: list[str] = []
        for entry in self.entries:
            if isinstance(entry.source, RegistrySource):
                url = manifest.registry_of(entry.name, chosen.get(entry.name))
                if url is not None and url != entry.source.url:
                    lines.append(f"`{entry.name}` is locked from {entry.source.url}, not {url}")
        return lines


def line_name(line: str) -> str:
    """Return the skill that a requirement line or a range line is about."""
    return line.partition("@")[0].rstrip(" ").rpartition("/")[2]


def _line_differences(
    kind: str, locked: tuple[str, ...], wanted: tuple[str, ...]
) -> tuple[str, ...]:
    if locked == wanted:
        return ()
    before = {line_name(line): line for line in locked}
    after = {line_name(line): line for line in wanted}
    lines: list[str] = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if old is None:
            lines.append(f"added {kind}{new}")
        elif new is None:
            lines.append(f"removed {kind}{old}")
        else:
            lines.append(f"changed {kind}{old} to {new}")
    return tuple(lines)


def is_increasing(values: Sequence[Ordered]) -> bool:
    """Whether ``values`` are sorted and all different."""
    return list(values) == sorted(set(values))


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a well-formed lock cannot be true; ``entry`` is its index among the entries."""

    reason: str
    message: str
    entry: int | None = None
    hint: str | None = None


def fault_of(lock: Lock) -> Fault | None:
    """Return the first law that ``lock`` breaks.

    Entries and lines are sorted and unique; every name that is asked for is locked or is
    a host package; everything that is locked is asked for. Cost: linear.
    """
    return _order_fault(lock) or _completeness_fault(lock)


def _order_fault(lock: Lock) -> Fault | None:
    before = ""
    for index, entry in enumerate(lock.entries):
        if entry.name <= before:
            if entry.name == before:
                return Fault("duplicate-entry", f"`{entry.name}` is locked twice", index)
            return Fault("unsorted", f"`{entry.name}` comes after `{before}`", index)
        before = entry.name
        names = [name for name, _ in entry.dependencies]
        if not is_increasing(names):
            message = f"the dependencies of `{entry.name}` are not sorted, or repeat a name"
            return Fault("unsorted", message, index)
    asked = [line_name(line) for line in lock.requirements]
    if len(set(asked)) != len(asked):
        return Fault("duplicate-entry", "a name is required twice")
    for lines in (lock.requirements, lock.overrides, lock.constraints, lock.prereleases):
        if not is_increasing(lines):
            message = f"`{lines[0]}` and what follows it is not sorted, or repeats"
            return Fault("unsorted", message)
    return None


def _completeness_fault(lock: Lock) -> Fault | None:
    entries = {entry.name: index for index, entry in enumerate(lock.entries)}
    both = entries.keys() & lock.hosts.keys()
    if both:
        name = min(both)
        return Fault("two-meanings", f"`{name}` is a skill and a host package", entries[name])
    waiting = [line_name(line) for line in lock.requirements]
    for name in waiting:
        if name not in entries:
            return Fault("incomplete", f"`{name}` is required and has no entry", None, _RELOCK)
    reached = set(waiting)
    while waiting:
        index = entries[waiting.pop()]
        for name, _ in lock.entries[index].dependencies:
            if name in reached or name in lock.hosts or name in HOST_PACKAGES:
                continue
            if name not in entries:
                message = f"`{lock.entries[index].name}` needs `{name}`, which has no entry"
                return Fault("incomplete", message, index, _RELOCK)
            reached.add(name)
            waiting.append(name)
    return _unasked(lock, reached)


def _unasked(lock: Lock, reached: set[str]) -> Fault | None:
    for index, entry in enumerate(lock.entries):
        if entry.name not in reached:
            return Fault("unasked", f"nothing asks for `{entry.name}`", index, _RELOCK)
    return None
