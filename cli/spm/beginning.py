"""How a folder becomes a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spm.project import MANIFEST_NAME, Project, replace_text
from spm_spec.errors import UserMistake
from spm_spec.manifest_edit import new_manifest

if TYPE_CHECKING:
    from pathlib import Path


def start_project(folder: Path, *, registry: str | None) -> Project:
    """Write a first manifest into ``folder``.

    Raises:
        UserMistake: it is a project already; nothing is changed.
    """
    project = Project(folder)
    if project.manifest_path.exists() or project.manifest_path.is_symlink():
        raise UserMistake(
            f"`{MANIFEST_NAME}` exists already", hint="add skills with `spm add NAME`"
        )
    replace_text(project.manifest_path, new_manifest(registry=registry))
    return project
