"""What is known of every package while one lock is made: read, or asked for, once.

Folders and repositories are read before anything is resolved, because their skills
say what they need. Registries are asked for all names that the resolver is missing
at once, over connections that stay open from one round to the next.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from spm.found import FoundSkill, found_skill
from spm.sources.path import fetch_path
from spm_registry.wire import RegistryLied
from spm_resolver.provider import PackageMetadata, ReleaseMetadata
from spm_spec.errors import SpmError, UserMistake
from spm_spec.names import HOST_PACKAGES, parse_skill_name
from spm_spec.ranges import VersionRange
from spm_spec.sources import GitSource, PathSource

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Self

    from spm.project import Project
    from spm.reach import Reach
    from spm_registry.client import RegistryClient
    from spm_registry.wire import SkillDocument
    from spm_spec.lock import Lock
    from spm_spec.manifest import Manifest
    from spm_spec.sources import Requirement
    from spm_spec.versions import Version


class Universe:
    """What is known of every package while one lock is made."""

    def __init__(self, project: Project, manifest: Manifest, reach: Reach) -> None:
        """Know nothing yet of what ``manifest`` needs."""
        self._project, self._manifest, self._reach = project, manifest, reach
        self._chosen = manifest.chosen_registries()
        self.found: dict[str, FoundSkill] = {}
        self.documents: dict[str, tuple[str, SkillDocument]] = {}
        self._clients: dict[str, RegistryClient] = {}
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Begin; registries are connected to when they are first asked."""
        await self._open.__aenter__()
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Close every connection."""
        await self._open.aclose()

    async def read_direct(self, current: Lock | None, unlocked: Collection[str] | None) -> None:
        """Read every folder and repository the manifest names, concurrently."""
        from asyncio import gather

        direct = [
            requirement
            for requirement in self._manifest.requirements
            if isinstance(requirement.source, GitSource | PathSource)
        ]
        pinned = _pinned_sources(current, unlocked)
        skills = await gather(*(self._read(requirement, pinned) for requirement in direct))
        for requirement, skill in zip(direct, skills, strict=True):
            if requirement.name is not None and skill.name != requirement.name:
                raise UserMistake(
                    f"skills.toml calls it `{requirement.name}`, its SKILL.md says `{skill.name}`",
                    hint=f"write `{skill.name}` in skills.toml",
                )
            self.found[skill.name] = skill

    async def _read(self, requirement: Requirement, pinned: Mapping[str, GitSource]) -> FoundSkill:
        source = requirement.source
        if isinstance(source, GitSource) and source.commit is None:
            before = pinned.get(str(requirement.name))
            if before is not None and _asks_for(source, before):
                source = replace(source, commit=before.commit)
        return await read_source(source, project=self._project, reach=self._reach)

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
            release = ReleaseMetadata(self._needs(found.skill.dependencies))
            return PackageMetadata(name, {found.version: release})
        host = self._manifest.hosts.get(name)
        releases = {} if host is None else {host: ReleaseMetadata({})}
        return PackageMetadata(name, releases)

    async def _ask(self, url: str, names: Sequence[str]) -> dict[str, PackageMetadata | None]:
        client = self._clients.get(url)
        if client is None:
            client = await self._open.enter_async_context(self._reach.client(url))
            self._clients[url] = client
        documents = await client.skills(names)
        answer: dict[str, PackageMetadata | None] = {}
        for name in names:
            document = documents.get(name)
            if document is None:
                answer[name] = None
                continue
            self.documents[name] = (url, document)
            answer[name] = self._metadata(url, document)
        return answer

    def _metadata(self, url: str, document: SkillDocument) -> PackageMetadata:
        releases: dict[Version, ReleaseMetadata] = {}
        for release in document.versions:
            try:
                written: dict[str, VersionRange] = {
                    parse_skill_name(name): VersionRange.parse(text)
                    for name, text in release.dependencies.items()
                }
            except SpmError as error:
                raise RegistryLied(
                    url, f"{document.name} {release.version}: dependencies: {error.message}"
                ) from error
            releases[release.version] = ReleaseMetadata(self._needs(written), yanked=release.yanked)
        return PackageMetadata(document.name, releases)

    def _needs(self, written: Mapping[str, VersionRange]) -> dict[str, VersionRange]:
        """What a skill needs once the manifest's overrides and constraints have spoken."""
        overrides, constraints = self._manifest.overrides, self._manifest.constraints
        needs = {name: overrides.get(name, wanted) for name, wanted in written.items()}
        for name in needs.keys() & constraints.keys():
            needs[name] = needs[name].intersect(constraints[name])
        return needs


def _pinned_sources(current: Lock | None, unlocked: Collection[str] | None) -> dict[str, GitSource]:
    """The repositories that stay at the commit of the lock, by skill."""
    if current is None or unlocked is None:
        return {}
    return {
        entry.name: entry.source
        for entry in current.entries
        if isinstance(entry.source, GitSource) and entry.name not in unlocked
    }


def _asks_for(asked: GitSource, pinned: GitSource) -> bool:
    """Whether a manifest's source is the one a lock pinned; the folder may have been found."""
    same = (asked.url, asked.reference) == (pinned.url, pinned.reference)
    return same and asked.subdirectory in {None, pinned.subdirectory}


async def read_source(source: object, *, project: Project, reach: Reach) -> FoundSkill:
    """Read the skill in a folder or repository; one with a commit is read at that commit."""
    if isinstance(source, PathSource):
        files = fetch_path(source, root=project.root)
        name = (project.root / source.path).resolve().name
        return found_skill(files, source=source, where=source.path, folder=name)
    if not isinstance(source, GitSource):
        raise AssertionError(f"not a direct source: {source!r}")  # noqa: TRY004  # our bug
    from asyncio import CancelledError, to_thread
    from threading import Event

    from spm.sources.git import fetch_git
    from spm.sources.git_process import GIVEN_UP

    given_up = Event()
    GIVEN_UP.set(given_up)
    try:
        checkout = await to_thread(
            fetch_git,
            source,
            cache=reach.places.git,
            offline=reach.offline,
            environment=reach.environment,
        )
    except CancelledError:
        given_up.set()  # a thread cannot be interrupted; this one looks
        raise
    exact = GitSource(source.url, source.reference, checkout.subdirectory, checkout.commit)
    folder = checkout.subdirectory.rsplit("/", 1)[-1] if checkout.subdirectory else None
    return found_skill(checkout.files, source=exact, where=source.url, folder=folder)
