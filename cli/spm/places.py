"""Where spm keeps things on this machine.

| what                    | setting     | default                                |
|-------------------------|-------------|----------------------------------------|
| store and git mirrors   | `SPM_DATA`  | the user's data folder, `spm`          |
| registry metadata       | `SPM_CACHE` | the user's cache folder, `spm`         |

The default folders are those of the platform (XDG on Linux).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spm_spec.errors import UserMistake

if TYPE_CHECKING:
    from collections.abc import Mapping

STORE_VERSION = "v1"


@dataclass(frozen=True, slots=True)
class Places:
    """The two folders everything else lives in."""

    data: Path
    """What must survive: the store."""
    cache: Path
    """What can be fetched again: registry metadata and git mirrors."""

    @property
    def store(self) -> Path:
        """The root of the store, of the layout version this spm writes."""
        return self.data / "store" / STORE_VERSION

    @property
    def metadata(self) -> Path:
        """Registry answers with their entity tags."""
        return self.cache / "metadata"

    @property
    def git(self) -> Path:
        """Bare mirrors of git repositories."""
        return self.cache / "git"


def places_from(environment: Mapping[str, str]) -> Places:
    """The places that ``environment`` asks for, or the platform's own."""
    data = _absolute(environment, "SPM_DATA")
    cache = _absolute(environment, "SPM_CACHE")
    if data is None or cache is None:
        import platformdirs

        data = data or platformdirs.user_data_path("spm")
        cache = cache or platformdirs.user_cache_path("spm")
    return Places(data, cache)


def _absolute(environment: Mapping[str, str], name: str) -> Path | None:
    text = environment.get(name)
    if not text:
        return None
    path = Path(text).expanduser()
    if not path.is_absolute():
        raise UserMistake(
            f"{name}: `{text}` is not an absolute path",
            hint=f"set {name} to a path that starts with `/`",
        )
    return path
