"""Where spm keeps things on this machine.

| what                          | setting          | default                              |
|-------------------------------|------------------|--------------------------------------|
| what must survive             | `SPM_DATA`       | the user's data folder, `spm`        |
| the store, and stores to read | `SPM_STORE_PATH` | `store/v1` in the data folder        |
| what can be made again        | `SPM_CACHE`      | the user's cache folder, `spm`       |
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spm.folders import cache_folder, data_folder, store_folder

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Places:
    """The folders everything else lives in."""

    data: Path
    """What must survive: the store and the profiles."""
    cache: Path
    """What can be made again: registry metadata, git mirrors and compiled locks."""
    store: Path
    """The root of the store that is written."""
    lower_stores: tuple[Path, ...] = ()
    """Stores that are read where `store` lacks a tree, in this order; never written."""

    @property
    def profiles(self) -> Path:
        """Named sets of skills that belong to no project."""
        return self.data / "profiles"

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
    return Places(
        data=Path(data_folder(environment)),
        cache=Path(cache_folder(environment)),
        store=Path(store_folder(environment)),
        lower_stores=_lower_stores(environment),
    )


def _lower_stores(environment: Mapping[str, str]) -> tuple[Path, ...]:
    text = environment.get("SPM_STORE_PATH")
    if not text:
        return ()
    from spm_store.layers import parse_store_path

    return parse_store_path(text)[1:]
