"""A skill that a folder or a repository holds: read, named and digested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spm_spec.errors import UserMistake
from spm_spec.skill import read_skill
from spm_spec.sources import GitSource
from spm_spec.tree import build_tree
from spm_spec.versions import Version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spm_spec.digests import Digest
    from spm_spec.skill import Problem, Skill
    from spm_spec.sources import PathSource
    from spm_spec.tree import FileEntry

UNVERSIONED = Version.parse("0.0.0")
"""The version of a skill that states none; only folders and repositories hold such skills."""


class UnloadableSkill(UserMistake):
    """A folder or repository holds something that no agent could load."""

    def __init__(self, where: str, problems: Sequence[Problem]) -> None:
        """Keep the ``problems``; the first that blocks loading is the message."""
        blocking = [problem for problem in problems if problem.blocks == "load"]
        first = blocking[0] if blocking else problems[0]
        place = f"{first.file}:{first.line}" if first.line else first.file
        super().__init__(f"{where}: {place}: {first.message} [{first.code}]", hint=first.hint)
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class FoundSkill:
    """One skill with the source that gives exactly these bytes again."""

    skill: Skill
    source: GitSource | PathSource
    files: tuple[FileEntry, ...]
    tree: Digest

    @property
    def name(self) -> str:
        """The skill's name."""
        return str(self.skill.name)

    @property
    def version(self) -> Version:
        """The version it states, or `UNVERSIONED`."""
        return self.skill.version or UNVERSIONED

    @property
    def asked(self) -> GitSource | PathSource:
        """The source as a manifest asks for it: a repository without its commit."""
        source = self.source
        if isinstance(source, GitSource):
            return GitSource(source.url, source.reference, source.subdirectory)
        return source


def found_skill(
    files: tuple[FileEntry, ...], *, source: GitSource | PathSource, where: str, folder: str | None
) -> FoundSkill:
    """Read the skill in ``files``.

    Raises:
        UnloadableSkill: it does not load.
        InvalidTree: its names or sizes break the rules of spec/digest.md.
    """
    tree = build_tree(files).digest
    reading = read_skill({entry.path: entry.data for entry in files}, folder=folder)
    if reading.skill is None or not reading.loads:
        raise UnloadableSkill(where, reading.problems)
    return FoundSkill(reading.skill, source, files, tree)
