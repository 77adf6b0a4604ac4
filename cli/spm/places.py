"""Where spm keeps things on this machine.

| what                    | setting     | default                                |
|-------------------------|-------------|----------------------------------------|
| the store               | `SPM_DATA`  | the user's data folder, `spm`          |
| what can be made again  | `SPM_CACHE` | the user's cache folder, `spm`         |
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spm.folders import STORE, cache_folder, data_folder

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Places:
    """The two folders everything else lives in."""

    data: Path
    """What must survive: the store."""
    cache: Path
    """What can be made again: registry metadata, git mirrors and compiled locks."""

    @property
    def store(self) -> Path:
        """The root of the store."""
        return self.data / STORE

    @property
    def metadata(self) -> Path:
        """Registry answers with their entity tags."""
        return self.cache / "metadata"

    @property
    def git(self) -> Path:
        """Bare mirrors of git repositories."""
        return self.cache / "git"

    @property
    def compiled(self) -> Path:
        """Locks in the form that the hot commands read."""
        return self.cache / "locks"

    @property
    def remakeable(self) -> tuple[Path, ...]:
        """Every folder that may be removed at any time."""
        return (self.metadata, self.git, self.compiled)


def places_from(environment: Mapping[str, str]) -> Places:
    """The places that ``environment`` asks for, or the platform's own."""
    return Places(Path(data_folder(environment)), Path(cache_folder(environment)))
