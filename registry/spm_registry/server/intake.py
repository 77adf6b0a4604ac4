"""From the bytes a publisher sent to a release that may be recorded, or the reasons why not.

No input or output: the archive's bytes and the moment come in, a `Submission` goes out.
The rules are those of ``spm check``; a client that packed with spm cannot fail them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from spm_registry.backends.database import About, Submission
from spm_registry.server.errors import Refusal
from spm_registry.wire import ReleaseDocument, SkillDocument, problems_of
from spm_spec.digests import sha256_hex
from spm_spec.errors import SpmError
from spm_spec.names import HOST_PACKAGES
from spm_spec.package import read_package
from spm_spec.skill import read_skill
from spm_spec.tree import build_tree

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from spm_spec.digests import Digest
    from spm_spec.skill_model import Skill
    from spm_spec.tree import FileEntry

_UNPUBLISHABLE = "the skill may not be published"


def examine(archive: bytes, *, now: datetime) -> Submission:
    """Read an archive as strictly as a client would.

    Raises:
        Refusal: 422, with every problem that has to be fixed.
    """
    files, tree = _files_and_tree(archive)
    skill = _skill_in(files)
    about = About(
        name=skill.name,
        description=skill.description,
        author=skill.author,
        homepage=skill.homepage,
        tags=skill.tags,
    )
    try:
        release = _release(skill, archive, tree, now)
        _check_document(about, release)
    except ValidationError as error:
        raise Refusal(
            422, "not-publishable", _UNPUBLISHABLE, problems=problems_of(error)
        ) from error
    return Submission(about, release)


def _files_and_tree(archive: bytes) -> tuple[Sequence[FileEntry], Digest]:
    try:
        files = read_package(archive, origin="the archive")
        return files, build_tree(files).digest
    except SpmError as error:
        reason = getattr(error, "reason", error.kind)
        raise Refusal(
            422,
            "bad-package",
            error.message,
            hint=error.hint or "make the archive with `spm pack`",
            problems=(f"{reason}: {error.message}",),
        ) from error


def _skill_in(files: Sequence[FileEntry]) -> Skill:
    reading = read_skill({entry.path: entry.data for entry in files}, folder=None)
    if reading.skill is None or not reading.publishable:
        problems = tuple(
            f"{problem.file}:{problem.line}: {problem.message}"
            for problem in reading.problems
            if problem.blocks != "nothing"
        )
        hint = "`spm check` shows the same problems"
        raise Refusal(422, "not-publishable", _UNPUBLISHABLE, hint=hint, problems=problems)
    if reading.skill.name in HOST_PACKAGES:
        raise Refusal(
            422,
            "reserved-name",
            f"`{reading.skill.name}` is something the environment provides",
            hint="choose another name",
        )
    return reading.skill


def _release(skill: Skill, archive: bytes, tree: Digest, now: datetime) -> ReleaseDocument:
    if skill.version is None:
        raise Refusal(
            422,
            "not-publishable",
            _UNPUBLISHABLE,
            hint="add `version:` to skill.yaml, or pack with `--version`",
            problems=("skill.yaml: version is missing",),
        )
    sha256 = sha256_hex(archive)
    return ReleaseDocument(
        version=skill.version,
        dependencies={name: range_.text for name, range_ in skill.dependencies.items()},
        checksum=f"sha256:{sha256}",
        tree=tree,
        size=len(archive),
        yanked=False,
        permissions=skill.permissions.as_document(),
        download_url=f"/packages/{sha256}.spm",
        created_at=now,
    )


def _check_document(about: About, release: ReleaseDocument) -> None:
    """Build the document the release would be sent in, which checks all of its fields."""
    SkillDocument(
        name=about.name,
        version=release.version,
        description=about.description,
        author=about.author,
        tags=about.tags,
        downloads=0,
        rating=None,
        created_at=release.created_at,
        updated_at=release.created_at,
        homepage=about.homepage,
        dependencies=release.dependencies,
        checksum=release.checksum,
        download_url=release.download_url,
        versions=(release,),
    )
