"""Skills from a folder on this machine, named relative to the project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spm_spec.errors import UserMistake
from spm_store.folder import read_folder

if TYPE_CHECKING:
    from pathlib import Path

    from spm_spec.sources import PathSource
    from spm_spec.tree import FileEntry


def fetch_path(source: PathSource, *, root: Path) -> tuple[FileEntry, ...]:
    """The files of the skill that ``source`` names, read from below or beside ``root``.

    Raises:
        UserMistake: there is no such folder.
    """
    folder = root / source.path
    if not folder.is_dir():
        raise UserMistake(
            f"`{source.path}` is not a folder",
            hint="paths in skills.toml are relative to the folder of skills.toml",
        )
    return read_folder(folder)
