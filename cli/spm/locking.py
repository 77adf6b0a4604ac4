"""From what a project asks for to exactly what it gets.

`spm.universe` learns what there is, the resolver chooses, and the choice becomes a
`Lock`. Nothing here writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spm.sources.path import fetch_path
from spm.universe import Universe
from spm_resolver.driver import resolve_async
from spm_resolver.preferences import Preferences
from spm_spec.lock import Lock, LockEntry
from spm_spec.manifest_model import range_lines
from spm_spec.policy import NOTHING, parse_policy
from spm_spec.sources import PathSource, RegistrySource
from spm_spec.tree import build_tree

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from spm.project import Project
    from spm.reach import Reach
    from spm_registry.wire import ReleaseDocument
    from spm_spec.manifest import Manifest
    from spm_spec.ranges import VersionRange
    from spm_spec.versions import Version


@dataclass(frozen=True, slots=True)
class Change:
    """One line of difference between two locks."""

    name: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        """The line a person reads."""
        if self.before is None:
            return f"+ {self.name} {self.after}"
        if self.after is None:
            return f"- {self.name} {self.before}"
        return f"~ {self.name} {self.before} -> {self.after}"

    def as_document(self) -> dict[str, str | None]:
        """The JSON form."""
        return {"name": self.name, "before": self.before, "after": self.after}


def changes_between(before: Lock | None, after: Lock) -> tuple[Change, ...]:
    """What ``after`` does differently, by name."""
    old = {entry.name: _shown(entry) for entry in before.entries} if before else {}
    new = {entry.name: _shown(entry) for entry in after.entries}
    return tuple(
        Change(name, old.get(name), new.get(name))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def _shown(entry: LockEntry) -> str:
    if isinstance(entry.source, RegistrySource):
        return str(entry.version)
    return f"{entry.version} ({entry.tree.hex[:12]})"


def is_settled(project: Project, manifest: Manifest, lock: Lock) -> bool:
    """Whether ``lock`` answers ``manifest`` and its folders still hold what it pins.

    Asks nobody: registries and repositories are pinned by digest and commit.
    """
    if lock.differences(manifest):
        return False
    for entry in lock.entries:
        if isinstance(entry.source, PathSource):
            files = fetch_path(entry.source, root=project.root)
            if build_tree(files).digest != entry.tree:
                return False
    return True


async def make_lock(
    project: Project,
    manifest: Manifest,
    reach: Reach,
    *,
    current: Lock | None,
    unlocked: Collection[str] | None = (),
) -> Lock:
    """Resolve ``manifest`` and return the lock.

    What ``current`` pins is preferred, except for the names in ``unlocked``;
    ``None`` unlocks everything.

    Raises:
        NoSolution: no choice of versions satisfies everything; the message explains.
        SpmError: a source could not be read, or lied.
    """
    wanted = {
        str(requirement.name): requirement.range
        for requirement in manifest.requirements
        if requirement.name is not None
    }
    preferences = Preferences(
        locked=_locked_versions(current, unlocked), prereleases=manifest.prereleases
    )
    async with Universe(project, manifest, reach) as universe:
        await universe.read_direct(current, unlocked)
        solution = await resolve_async(universe.fetch, wanted, preferences)
    entries = [
        _entry(universe, name, version)
        for name, version in sorted(solution.versions.items())
        if name in universe.found or name in universe.documents
    ]
    return Lock(
        requirements=manifest.requirement_lines(),
        hosts={name: str(version) for name, version in sorted(manifest.hosts.items())},
        entries=tuple(entries),
        overrides=range_lines(manifest.overrides),
        constraints=range_lines(manifest.constraints),
        prereleases=tuple(sorted(manifest.prereleases)),
    )


def _locked_versions(current: Lock | None, unlocked: Collection[str] | None) -> dict[str, Version]:
    if current is None or unlocked is None:
        return {}
    return {
        entry.name: entry.version
        for entry in current.entries
        if entry.version is not None and entry.name not in unlocked
    }


def _entry(universe: Universe, name: str, version: Version) -> LockEntry:
    found = universe.found.get(name)
    if found is not None:
        return LockEntry(
            name=found.skill.name,
            version=found.version,
            source=found.source,
            tree=found.tree,
            dependencies=_dependencies(found.skill.dependencies),
            policy=found.skill.permissions,
        )
    url, document = universe.documents[name]
    release = next(item for item in document.versions if item.version == version)
    return _registry_entry(url, document.name, release)


def _registry_entry(url: str, name: str, release: ReleaseDocument) -> LockEntry:
    where = f"{url}: {name} {release.version}"
    policy = (
        parse_policy(release.permissions, where=lambda path: f"{where}: {path}")
        if release.permissions
        else NOTHING
    )
    return LockEntry(
        name=name,
        version=release.version,
        source=RegistrySource(url),
        tree=release.tree,
        archive_sha256=release.checksum.removeprefix("sha256:"),
        archive_size=release.size,
        dependencies=tuple(sorted(release.dependencies.items())),
        policy=policy,
    )


def _dependencies(ranges: Mapping[str, VersionRange]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, str(wanted)) for name, wanted in ranges.items()))
