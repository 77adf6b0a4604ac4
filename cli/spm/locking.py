"""From what a project asks for to exactly what it gets.

Folders and repositories are read first, because their skills say what they need;
then the resolver runs, asking registries for everything it does not know yet, all
of it at once. Nothing here writes: the result is a `Lock`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spm.found import FoundSkill, found_skill
from spm.sources.path import fetch_path
from spm_registry.wire import RegistryLied
from spm_resolver.driver import resolve_async
from spm_resolver.preferences import Preferences
from spm_resolver.provider import PackageMetadata, ReleaseMetadata
from spm_spec.errors import SpmError, UserMistake
from spm_spec.lock import Lock, LockEntry
from spm_spec.names import HOST_PACKAGES
from spm_spec.policy import NOTHING, parse_policy
from spm_spec.ranges import VersionRange
from spm_spec.sources import GitSource, PathSource, RegistrySource
from spm_spec.tree import build_tree

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from spm.project import Project
    from spm.reach import Reach
    from spm_registry.wire import ReleaseDocument, SkillDocument
    from spm_spec.manifest import Manifest
    from spm_spec.sources import Requirement
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


class _Universe:
    """What is known of every package while one lock is made."""

    def __init__(self, project: Project, manifest: Manifest, reach: Reach) -> None:
        self._project, self._manifest, self._reach = project, manifest, reach
        self._chosen = {
            requirement.name: requirement.source.name
            for requirement in manifest.requirements
            if isinstance(requirement.source, _registry_name())
        }
        self.found: dict[str, FoundSkill] = {}
        self.documents: dict[str, tuple[str, SkillDocument]] = {}

    async def read_direct(self, current: Lock | None, unlocked: Collection[str] | None) -> None:
        """Read every folder and repository the manifest names, concurrently."""
        from asyncio import gather

        direct = [
            requirement
            for requirement in self._manifest.requirements
            if isinstance(requirement.source, GitSource | PathSource)
        ]
        pinned = _pinned_commits(current, unlocked)
        skills = await gather(*(self._read(requirement, pinned) for requirement in direct))
        for requirement, skill in zip(direct, skills, strict=True):
            if requirement.name is not None and skill.name != requirement.name:
                raise UserMistake(
                    f"skills.toml calls it `{requirement.name}`, its SKILL.md says `{skill.name}`",
                    hint=f"write `{skill.name}` in skills.toml",
                )
            self.found[skill.name] = skill

    async def _read(self, requirement: Requirement, pinned: Mapping[GitSource, str]) -> FoundSkill:
        return await read_source(
            requirement.source, project=self._project, reach=self._reach, pinned=pinned
        )

    async def fetch(self, names: Sequence[str]) -> Mapping[str, PackageMetadata | None]:
        """Everything the resolver wants to know, all names at once."""
        known = {name: self._without_network(name) for name in names if self._is_near(name)}
        by_registry: dict[str, list[str]] = {}
        for name in names:
            if name not in known:
                url = self._reach.registry_for(name, self._manifest, self._chosen.get(name))
                by_registry.setdefault(url, []).append(name)
        for url, wanted in by_registry.items():
            known |= await self._ask(url, wanted)
        return known

    def _is_near(self, name: str) -> bool:
        return name in self.found or name in self._manifest.hosts or name in HOST_PACKAGES

    def _without_network(self, name: str) -> PackageMetadata | None:
        found = self.found.get(name)
        if found is not None:
            release = ReleaseMetadata(dict(found.skill.dependencies))
            return PackageMetadata(name, {found.version: release})
        host = self._manifest.hosts.get(name)
        releases = {} if host is None else {host: ReleaseMetadata({})}
        return PackageMetadata(name, releases, host=True)

    async def _ask(self, url: str, names: Sequence[str]) -> dict[str, PackageMetadata | None]:
        async with self._reach.client(url) as client:
            documents = await client.skills(names)
        answer: dict[str, PackageMetadata | None] = {}
        for name in names:
            document = documents.get(name)
            if document is None:
                answer[name] = None
                continue
            self.documents[name] = (url, document)
            answer[name] = _metadata(url, document)
        return answer


def _registry_name() -> type:
    from spm_spec.sources import RegistryName

    return RegistryName


def _metadata(url: str, document: SkillDocument) -> PackageMetadata:
    releases: dict[Version, ReleaseMetadata] = {}
    for release in document.versions:
        try:
            needs = {name: VersionRange.parse(text) for name, text in release.dependencies.items()}
        except SpmError as error:
            raise RegistryLied(
                url, f"{document.name} {release.version}: dependencies: {error.message}"
            ) from error
        releases[release.version] = ReleaseMetadata(needs, yanked=release.yanked)
    return PackageMetadata(document.name, releases)


def _pinned_commits(current: Lock | None, unlocked: Collection[str] | None) -> dict[GitSource, str]:
    if current is None or unlocked is None:
        return {}
    pinned: dict[GitSource, str] = {}
    for entry in current.entries:
        source = entry.source
        if isinstance(source, GitSource) and source.commit and entry.name not in unlocked:
            wanted = GitSource(source.url, source.reference, source.subdirectory)
            pinned[wanted] = source.commit
    return pinned


async def read_source(
    source: object,
    *,
    project: Project,
    reach: Reach,
    pinned: Mapping[GitSource, str] | None = None,
) -> FoundSkill:
    """Read the skill in a folder or repository; a pinned repository stays at its commit."""
    if isinstance(source, PathSource):
        files = fetch_path(source, root=project.root)
        folder = (project.root / source.path).resolve().name
        return found_skill(files, source=source, where=source.path, folder=folder)
    if not isinstance(source, GitSource):
        raise AssertionError(f"not a direct source: {source!r}")  # noqa: TRY004  # our bug
    from asyncio import to_thread

    from spm.sources.git import fetch_git

    commit = source.commit or (pinned or {}).get(source)
    wanted = GitSource(source.url, source.reference, source.subdirectory, commit)
    checkout = await to_thread(
        fetch_git,
        wanted,
        cache=reach.places.git,
        offline=reach.offline,
        environment=reach.environment,
    )
    exact = GitSource(source.url, source.reference, checkout.subdirectory, checkout.commit)
    folder = checkout.subdirectory.rsplit("/", 1)[-1] if checkout.subdirectory else None
    return found_skill(checkout.files, source=exact, where=source.url, folder=folder)


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
    universe = _Universe(project, manifest, reach)
    await universe.read_direct(current, unlocked)
    wanted = {
        requirement.name: requirement.range
        for requirement in manifest.requirements
        if requirement.name is not None
    }
    locked = {
        entry.name: entry.version
        for entry in (current.entries if current is not None else ())
        if entry.version is not None and unlocked is not None and entry.name not in unlocked
    }
    solution = await resolve_async(universe.fetch, wanted, Preferences(locked=locked))
    entries = [
        _entry(universe, name, version)
        for name, version in sorted(solution.versions.items())
        if name in universe.found or name in universe.documents
    ]
    return Lock(
        requirements=manifest.requirement_lines(),
        hosts={name: str(version) for name, version in sorted(manifest.hosts.items())},
        entries=tuple(entries),
    )


def _entry(universe: _Universe, name: str, version: Version) -> LockEntry:
    found = universe.found.get(name)
    if found is not None:
        return LockEntry(
            name=found.skill.name,
            version=found.version,
            source=found.source,
            tree=found.tree,
            archive_sha256=None,
            archive_size=None,
            dependencies=_dependencies(found.skill.dependencies),
            publisher=None,
            policy=found.skill.permissions,
            python=(),
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
        publisher=None,
        policy=policy,
        python=(),
    )


def _dependencies(ranges: Mapping[str, VersionRange]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, str(wanted)) for name, wanted in ranges.items()))
