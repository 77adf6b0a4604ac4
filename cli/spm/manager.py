"""`SkillManager`: everything the program does, for programs that embed it.

Methods are async because they may wait for registries; those that only read the
disk return at once. `SkillManager.synchronous` offers the same methods to scripts
without an event loop.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from spm.changing import Steps, write_lock
from spm.listing import NotInstalled
from spm.loaded import LoadedSkill, load_skill
from spm.locking import Change, changes_between, make_lock
from spm.project import NoProject, Project
from spm.reach import Reach
from spm_spec.errors import SpmError, UserMistake
from spm_spec.sources import RegistryName, parse_requirement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spm.installation import InstallReport
    from spm.rollback import RolledBack
    from spm.status import Status
    from spm.synchronous import SynchronousSkillManager
    from spm_registry.wire import SkillDocument, SkillPage
    from spm_spec.installed import InstalledSkill
    from spm_spec.manifest import Manifest

_log = logging.getLogger("spm")


class SkillManager:
    """The skills of one project, and the registries they come from."""

    def __init__(
        self,
        project: str | Path | None = None,
        *,
        registry: str | None = None,
        token: str | None = None,
        offline: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Manage the project at or above ``project`` (the current folder by default).

        ``registry`` stands in for the project's default registry, ``token`` is sent to
        registries that ask for one, ``offline`` forbids every connection. Settings come
        from ``environment`` (the process's own by default): `SPM_DATA`, `SPM_CACHE`,
        `SPM_REGISTRY`, `SPM_TOKEN`, `SPM_OFFLINE`, `SPM_DURABILITY`.
        """
        self._start = Path(project) if project is not None else Path.cwd()
        self._reach = Reach.of(environment, registry=registry, token=token, offline=offline)

    @property
    def synchronous(self) -> SynchronousSkillManager:
        """The same methods for scripts that have no event loop."""
        from spm.synchronous import SynchronousSkillManager

        return SynchronousSkillManager(self)

    @property
    def project(self) -> Project:
        """The project that is managed.

        Raises:
            NoProject: there is no skills.toml at or above the folder.
        """
        return Project.above(self._start.absolute())

    # Asking a registry.

    async def search(
        self,
        query: str = "",
        *,
        tags: Sequence[str] = (),
        limit: int = 20,
        offset: int = 0,
        sort: str | None = None,
    ) -> SkillPage:
        """Skills that fit ``query``, best first; ``sort`` orders otherwise."""
        async with self._reach.client(self._registry()) as client:
            return await client.search(query, tags=tags, sort=sort, limit=limit, offset=offset)

    async def get_tags(self) -> list[tuple[str, int]]:
        """Tags in use with the number of skills each, the most used first."""
        async with self._reach.client(self._registry()) as client:
            page = await client.tags()
        return [(tag.name, tag.count) for tag in page.tags]

    async def get_skill(self, name: str, *, version: str | None = None) -> SkillDocument:
        """What the registry knows of ``name``.

        Raises:
            UnknownSkill: the registry has no such skill or version.
        """
        from spm_spec.names import parse_skill_name
        from spm_spec.versions import Version

        url = self._reach.registry_for(parse_skill_name(name), self._manifest())
        async with self._reach.client(url) as client:
            document = (
                await client.skill(parse_skill_name(name))
                if version is None
                else await client.release(parse_skill_name(name), Version.parse(version))
            )
        if document is None:
            raise UnknownSkill(url, name, version)
        return document

    async def publish(self, path: str | Path, *, version: str = "") -> dict[str, object]:
        """Release the skill in a folder, or an archive made by `spm pack`."""
        from spm.publishing import publish

        return await publish(Path(path), self._reach, self._registry(), version=version)

    # Changing the project.

    async def install(
        self,
        *requirements: str,
        version: str | None = None,
        registry: str | None = None,
        force: bool = False,
        offline: bool = False,
        frozen: bool = False,
    ) -> InstallReport:
        """Add ``requirements`` to the project, if any, and install what it asks for.

        ``version`` is the range of a single requirement given by name. ``registry``
        and ``offline`` are those of the manager, for this call. ``frozen`` installs
        exactly the lock and never resolves.

        Raises:
            LockOutOfDate: ``frozen``, and the lock is not the manifest's.
            NoSolution: nothing satisfies all requirements; the project is unchanged.
        """
        if version is not None:
            if len(requirements) != 1:
                raise UserMistake("`version` goes with exactly one skill")
            requirements = (f"{requirements[0]}@{version}",)
        if frozen and requirements:
            raise UserMistake("a frozen install adds nothing", hint="leave --frozen out")
        project = self.project
        step = Steps(project, self._reach.limited(registry=registry, offline=offline), force=force)
        async with project.exclusively():
            if frozen:
                return await step.install_frozen()
            text = project.manifest_text()
            open_ended: list[str] = []
            for requirement in map(parse_requirement, requirements):
                text = await step.with_requirement(text, requirement)
                if isinstance(requirement.source, RegistryName) and requirement.range.is_any:
                    open_ended.append(str(requirement.name))
            return await step.apply(text, unlocked=(), open_ended=open_ended)

    async def install_profile(
        self, name: str, *, registry: str | None = None, force: bool = False, offline: bool = False
    ) -> InstallReport:
        """Show what the project's lock pins in the profile ``name``, which outlives the project.

        Raises:
            LockOutOfDate: the lock is not the manifest's.
            NeedsAFolder: it pins a folder.
        """
        from spm.profiles import install_profile

        project = self.project
        reach = self._reach.limited(registry=registry, offline=offline)
        async with project.exclusively():
            return await install_profile(project, name, reach, force=force)

    async def uninstall(self, *names: str, force: bool = False) -> InstallReport:
        """Drop ``names`` from the project, and whatever only they needed.

        ``force`` also removes what was changed since spm put it there.

        Raises:
            NotInstalled: the manifest does not ask for one of them.
        """
        from spm_spec.manifest_edit import without_requirement

        project = self.project
        async with project.exclusively():
            text = project.manifest_text()
            asked = [str(requirement.name) for requirement in project.manifest().requirements]
            for name in names:
                if name not in asked:
                    raise NotInstalled(name, asked)
                text = without_requirement(text, name)
            return await Steps(project, self._reach, force=force).apply(text, unlocked=())

    async def update(
        self,
        *names: str,
        registry: str | None = None,
        force: bool = False,
        offline: bool = False,
    ) -> InstallReport:
        """Move ``names``, or everything, to the newest versions that fit.

        ``registry`` and ``offline`` are those of the manager, for this call.
        """
        project = self.project
        async with project.exclusively():
            lock = project.lock()
            known = [str(entry.name) for entry in lock.entries] if lock is not None else []
            for name in names:
                if name not in known:
                    raise NotInstalled(name, known)
            reach = self._reach.limited(registry=registry, offline=offline)
            steps = Steps(project, reach, force=force)
            return await steps.apply(project.manifest_text(), unlocked=names or None)

    async def rollback(self, *, force: bool = False) -> RolledBack:
        """Go back to the generation before the one in view, with its manifest and lock.

        ``force`` drops edits of both, and of private copies.

        Raises:
            NoEarlierGeneration: there is none.
            EditedSince: manifest or lock were edited since the last install.
        """
        from spm.rollback import roll_back

        project = self.project
        async with project.exclusively():
            return roll_back(project, self._reach.store(), force=force)

    async def lock(self) -> tuple[Change, ...]:
        """Write the lock without installing, and return what changed in it."""
        project = self.project
        async with project.exclusively():
            manifest, before = project.manifest(), project.lock()
            after = await make_lock(project, manifest, self._reach, current=before)
            write_lock(project, before, after, self._reach)
            return changes_between(before, after)

    # Reading the project.

    async def list(self) -> tuple[InstalledSkill, ...]:
        """The installed skills, by name."""
        return self.project.installed().skills

    async def get_installed(self, name: str) -> InstalledSkill | None:
        """One installed skill, or ``None``."""
        for skill in self.project.installed().skills:
            if skill.name == name:
                return skill
        return None

    async def status(self) -> Status:
        """Whether the project is as its lock says, skill by skill."""
        from spm.status import status_of

        return status_of(self.project, self._reach)

    async def load(self, name: str) -> LoadedSkill:
        """One installed skill, its files verified."""
        return load_skill(self.project, name, self._reach)

    async def load_all(self) -> dict[str, LoadedSkill]:
        """Every installed skill that loads; each that does not is a logged warning."""
        loaded: dict[str, LoadedSkill] = {}
        for skill in self.project.installed().skills:
            try:
                loaded[skill.name] = load_skill(self.project, skill.name, self._reach)
            except (SpmError, OSError) as error:
                _log.warning("skill %s does not load: %s", skill.name, error)
        return loaded

    # What is kept on this machine.

    async def clear_cache(self) -> int:
        """Remove what can be fetched again; returns the bytes removed."""
        from spm.caching import clear_cache

        return clear_cache(self._reach.places)

    async def get_cache_size(self) -> int:
        """The bytes that `clear_cache` would remove."""
        from spm.caching import cache_bytes

        return cache_bytes(self._reach.places)

    def _manifest(self) -> Manifest | None:
        try:
            return self.project.manifest()
        except NoProject:
            return None

    def _registry(self) -> str:
        return self._reach.default_registry(self._manifest())


class UnknownSkill(UserMistake):
    """A registry was asked for a skill that it does not have."""

    def __init__(self, url: str, name: str, version: str | None) -> None:
        """Name the registry, so that a person sees where was looked."""
        what = f"`{name}` {version}" if version else f"`{name}`"
        super().__init__(f"{url} has no skill {what}", hint=f"try `spm search {name}`")
