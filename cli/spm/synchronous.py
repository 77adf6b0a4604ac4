"""The methods of `SkillManager` for scripts that have no event loop.

Each call runs its own event loop to the end, so none may be made from inside one.
"""

from __future__ import annotations

from asyncio import run
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from spm.installation import InstallReport
    from spm.loaded import LoadedSkill
    from spm.locking import Change
    from spm.manager import SkillManager
    from spm.rollback import RolledBack
    from spm.status import Status
    from spm_registry.wire import SkillDocument, SkillPage
    from spm_spec.installed import InstalledSkill


class SynchronousSkillManager:
    """A `SkillManager` whose methods wait; what they mean is said there."""

    def __init__(self, manager: SkillManager) -> None:
        """Wait for the methods of ``manager``."""
        self._manager = manager

    def search(
        self,
        query: str = "",
        *,
        tags: Sequence[str] = (),
        limit: int = 20,
        offset: int = 0,
        sort: str | None = None,
    ) -> SkillPage:
        """See `SkillManager.search`."""
        manager = self._manager
        return run(manager.search(query, tags=tags, limit=limit, offset=offset, sort=sort))

    def get_tags(self) -> list[tuple[str, int]]:
        """See `SkillManager.get_tags`."""
        return run(self._manager.get_tags())

    def get_skill(self, name: str, *, version: str | None = None) -> SkillDocument:
        """See `SkillManager.get_skill`."""
        return run(self._manager.get_skill(name, version=version))

    def publish(self, path: str | Path, *, version: str = "") -> dict[str, object]:
        """See `SkillManager.publish`."""
        return run(self._manager.publish(path, version=version))

    def install(
        self,
        *requirements: str,
        version: str | None = None,
        registry: str | None = None,
        force: bool = False,
        offline: bool = False,
        frozen: bool = False,
    ) -> InstallReport:
        """See `SkillManager.install`."""
        return run(
            self._manager.install(
                *requirements,
                version=version,
                registry=registry,
                force=force,
                offline=offline,
                frozen=frozen,
            )
        )

    def install_profile(
        self, name: str, *, registry: str | None = None, force: bool = False, offline: bool = False
    ) -> InstallReport:
        """See `SkillManager.install_profile`."""
        manager = self._manager
        return run(manager.install_profile(name, registry=registry, force=force, offline=offline))

    def uninstall(self, *names: str, force: bool = False) -> InstallReport:
        """See `SkillManager.uninstall`."""
        return run(self._manager.uninstall(*names, force=force))

    def update(
        self,
        *names: str,
        registry: str | None = None,
        force: bool = False,
        offline: bool = False,
    ) -> InstallReport:
        """See `SkillManager.update`."""
        return run(self._manager.update(*names, registry=registry, force=force, offline=offline))

    def rollback(self, *, force: bool = False) -> RolledBack:
        """See `SkillManager.rollback`."""
        return run(self._manager.rollback(force=force))

    def lock(self) -> tuple[Change, ...]:
        """See `SkillManager.lock`."""
        return run(self._manager.lock())

    def list(self) -> tuple[InstalledSkill, ...]:
        """See `SkillManager.list`."""
        return run(self._manager.list())

    def get_installed(self, name: str) -> InstalledSkill | None:
        """See `SkillManager.get_installed`."""
        return run(self._manager.get_installed(name))

    def status(self) -> Status:
        """See `SkillManager.status`."""
        return run(self._manager.status())

    def load(self, name: str) -> LoadedSkill:
        """See `SkillManager.load`."""
        return run(self._manager.load(name))

    def load_all(self) -> dict[str, LoadedSkill]:
        """See `SkillManager.load_all`."""
        return run(self._manager.load_all())

    def clear_cache(self) -> int:
        """See `SkillManager.clear_cache`."""
        return run(self._manager.clear_cache())

    def get_cache_size(self) -> int:
        """See `SkillManager.get_cache_size`."""
        return run(self._manager.get_cache_size())
