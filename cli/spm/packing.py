"""From a skill's folder to one archive file that a registry takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spm_spec.digests import Digest, sha256_hex
from spm_spec.errors import UserMistake
from spm_spec.package import PACKAGE_SUFFIX, write_package
from spm_spec.skill import packed_files, read_skill
from spm_spec.tree import build_tree
from spm_spec.versions import Version
from spm_store.folder import read_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from spm_spec.package import Form
    from spm_spec.skill import Problem
    from spm_spec.tree import FileEntry

FORMS: Mapping[str, Form] = {"tar.zst": "tar.zst", "tar.gz": "tar.gz", "zip": "zip"}


class NotPublishable(UserMistake):
    """The skill breaks a rule that released skills must keep."""

    def __init__(self, path: str, problems: Sequence[Problem]) -> None:
        """Keep the ``problems`` that stand in the way; all are in the message."""
        lines = [f"`{path}` may not be published:"]
        # What does not even load comes first: the rest may follow from it.
        for problem in sorted(problems, key=lambda problem: problem.blocks != "load"):
            place = f"{problem.file}:{problem.line}" if problem.line else problem.file
            advice = f" ({problem.hint})" if problem.hint else ""
            lines.append(f"  {place}: {problem.message}{advice} [{problem.code}]")
        super().__init__("\n".join(lines), hint=f"`spm check {path}` says the same at any time")
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class PackedSkill:
    """One release, as it leaves this machine."""

    name: str
    version: Version
    tree: Digest
    archive: bytes
    sha256: str
    form: str

    def as_document(self) -> dict[str, object]:
        """The JSON form that `spm pack --json` prints."""
        return {
            "name": self.name,
            "version": str(self.version),
            "tree": str(self.tree),
            "sha256": self.sha256,
            "size": len(self.archive),
            "format": self.form,
        }


def pack_folder(folder: Path, *, version: str = "", form: str = "tar.zst") -> PackedSkill:
    """Pack the skill in ``folder``; ``version`` is for a skill that states none.

    Raises:
        NotPublishable: the skill breaks the public specification, or states no version.
        UserMistake: the form is unknown, or ``version`` contradicts the skill.
    """
    written_as = FORMS.get(form)
    if written_as is None:
        raise UserMistake(f"unknown archive format `{form}`", hint=f"one of {', '.join(FORMS)}")
    if not folder.is_dir():
        raise UserMistake(f"`{folder}` is not a folder", hint="name the folder that holds SKILL.md")
    files = read_folder(folder)
    chosen = _version_of(folder, files, version)
    packed = packed_files(files, version=chosen)
    contents = {entry.path: entry.data for entry in packed}
    reading = read_skill(contents, folder=folder.resolve().name)
    blocking = [problem for problem in reading.problems if problem.blocks != "nothing"]
    if blocking or reading.skill is None:
        raise NotPublishable(str(folder), blocking)
    archive = write_package(packed, written_as)
    return PackedSkill(
        name=str(reading.skill.name),
        version=chosen,
        tree=build_tree(packed).digest,
        archive=archive,
        sha256=sha256_hex(archive),
        form=form,
    )


def _version_of(folder: Path, files: Sequence[FileEntry], asked: str) -> Version:
    reading = read_skill({entry.path: entry.data for entry in files}, folder=folder.resolve().name)
    stated = reading.skill.version if reading.skill else None
    if not asked:
        if stated is None:
            blocking = [problem for problem in reading.problems if problem.blocks != "nothing"]
            raise NotPublishable(str(folder), blocking)
        return stated
    wanted = Version.parse(asked)
    if stated is not None and stated != wanted:
        raise UserMistake(
            f"`{folder}` states version {stated}, the command line says {wanted}",
            hint="change `version` in skill.yaml, or leave --version out",
        )
    return wanted


def write_archive(packed: PackedSkill, target: Path | None) -> Path:
    """Write the archive; the default is `NAME-VERSION.spm` in the current folder."""
    from pathlib import Path

    path = target or Path(f"{packed.name}-{packed.version}{PACKAGE_SUFFIX}")
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.write_bytes(packed.archive)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return path
