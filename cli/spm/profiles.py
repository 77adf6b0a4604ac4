"""Profiles: named sets of skills that belong to no project and stay until they are removed.

A profile is a project that spm keeps in its data folder: manifest, lock and skills
folder are those of spec/installed.md, so `spm -C "$(spm profile path NAME)"` runs any
command on it. It is filled from a project's lock, and never resolves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spm.installation import frozen_lock, install_lock
from spm.project import LOCK_NAME, MANIFEST_NAME, PROFILE_MARKER, Project, replace_text
from spm_spec.errors import UserMistake
from spm_spec.lock import render_lock
from spm_spec.sources import PathSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spm.installation import InstallReport
    from spm.places import Places
    from spm.reach import Reach

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_NAME_CHARACTERS = 64


class InvalidProfile(UserMistake):
    """A name that no profile can have."""

    def __init__(self, name: str) -> None:
        """Show the name."""
        super().__init__(
            f"`{name}` is no name of a profile",
            hint="1 to 64 lower-case letters and digits, with single hyphens between them",
        )


class UnknownProfile(UserMistake):
    """A profile is asked for that was never filled."""

    def __init__(self, name: str) -> None:
        """Name the profile."""
        super().__init__(f"there is no profile `{name}`", hint="`spm profile list` shows them")


class NeedsAFolder(UserMistake):
    """A profile cannot pin what only one project's folder holds."""

    def __init__(self, skill: str, path: str) -> None:
        """Name the skill and the folder it comes from."""
        super().__init__(
            f"`{skill}` comes from the folder `{path}`, which a profile does not have",
            hint="publish it, or take it from a git repository",
        )


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile and how much it shows."""

    name: str
    project: Project
    skills: int

    def as_document(self) -> dict[str, object]:
        """The JSON form that `spm profile list --json` prints."""
        return {"name": self.name, "path": str(self.project.root), "skills": self.skills}


def profile_named(places: Places, name: str) -> Project:
    """Where the profile ``name`` is, or would be.

    Raises:
        InvalidProfile: no profile can be called so.
    """
    if len(name) > _NAME_CHARACTERS or _NAME.fullmatch(name) is None:
        raise InvalidProfile(name)
    return Project(places.profiles / name)


def existing_profile(places: Places, name: str) -> Project:
    """The profile ``name``.

    Raises:
        InvalidProfile, UnknownProfile: there is none.
    """
    profile = profile_named(places, name)
    if not profile.root.is_dir():
        raise UnknownProfile(name)
    return profile


def profiles_in(places: Places) -> Iterator[Profile]:
    """Every profile by name."""
    folders = sorted(places.profiles.iterdir()) if places.profiles.is_dir() else ()
    for folder in folders:
        if folder.is_dir() and _NAME.fullmatch(folder.name):
            project = Project(folder)
            yield Profile(folder.name, project, len(project.installed().skills))


async def install_profile(
    project: Project, name: str, reach: Reach, *, force: bool = False
) -> InstallReport:
    """Show in the profile ``name`` exactly what the lock of ``project`` pins.

    Raises:
        LockOutOfDate: the project's lock is not that of its manifest.
        NeedsAFolder: it pins a folder.
    """
    profile = profile_named(reach.places, name)
    manifest, text = project.manifest(), project.manifest_text()
    lock = frozen_lock(project, manifest)
    for entry in lock.entries:
        if isinstance(entry.source, PathSource):
            raise NeedsAFolder(str(entry.name), entry.source.path)
    texts = {MANIFEST_NAME: text, LOCK_NAME: render_lock(lock)}
    async with profile.exclusively():
        replace_text(profile.root / PROFILE_MARKER, f"{name}\n")
        report = await install_lock(
            profile,
            manifest,
            lock,
            reach,
            force=force,
            texts={file: content.encode() for file, content in texts.items()},
        )
        replace_text(profile.manifest_path, texts[MANIFEST_NAME])
        replace_text(profile.lock_path, texts[LOCK_NAME])
    return report


async def remove_profile(name: str, reach: Reach) -> None:
    """Remove a profile; what only it kept becomes garbage.

    The store forgets it last: interrupted, rather too much is kept than too little.

    Raises:
        InvalidProfile, UnknownProfile: there is none.
    """
    import shutil

    profile = existing_profile(reach.places, name)
    async with profile.exclusively():
        shutil.rmtree(profile.root)
    reach.store().forget(profile.root)
