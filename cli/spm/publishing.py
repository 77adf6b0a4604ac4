"""Sends one release to a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spm.checking import read_archive
from spm.packing import pack_folder
from spm_spec.errors import UserMistake
from spm_spec.package import read_package
from spm_spec.skill import read_skill

if TYPE_CHECKING:
    from pathlib import Path

    from spm.reach import Reach


class NoToken(UserMistake):
    """Publishing needs to say who is publishing."""

    def __init__(self) -> None:
        """Say where a token comes from."""
        super().__init__(
            "publishing needs a token",
            hint="put one into SPM_TOKEN; `spm registry token create` makes it",
        )


async def publish(path: Path, reach: Reach, url: str, *, version: str) -> dict[str, object]:
    """Publish the skill in the folder, or the archive, at ``path`` to the registry at ``url``.

    Everything that can be refused here is refused before a connection is opened.

    Raises:
        NotPublishable: the skill breaks a rule that released skills must keep.
        NoToken: no token is set.
    """
    archive = _archive_of(path, version)
    if reach.token is None:
        raise NoToken
    async with reach.client(url) as client:
        document = await client.publish(archive)
    return {
        "name": document.name,
        "version": str(document.version),
        "checksum": document.checksum,
        "registry": url,
    }


def _archive_of(path: Path, version: str) -> bytes:
    if path.is_dir():
        return pack_folder(path, version=version).archive
    if version:
        raise UserMistake(
            "an archive already has its version", hint="leave --version out, or publish the folder"
        )
    if not path.is_file():
        raise UserMistake(f"`{path}` is neither a folder nor a file")
    archive = read_archive(path)
    files = read_package(archive, origin=str(path))
    reading = read_skill({entry.path: entry.data for entry in files}, folder=None)
    if not reading.publishable:
        from spm.packing import NotPublishable

        blocking = [problem for problem in reading.problems if problem.blocks != "nothing"]
        raise NotPublishable(str(path), blocking)
    return archive
