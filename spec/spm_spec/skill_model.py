"""A skill in memory: what SKILL.md and skill.yaml say together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spm_spec.names import SkillName
    from spm_spec.policy import Policy
    from spm_spec.ranges import VersionRange
    from spm_spec.versions import Version

Runtime = Literal["python", "typescript", "executable"]


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """Where a tool's code starts: a file of the skill and, but for programs, a name in it."""

    path: str
    attribute: str | None

    def __str__(self) -> str:
        """Return the text as skill.yaml writes it."""
        if self.attribute is None:
            return self.path
        return f"{self.path}{':' if self.path.endswith('.py') else '#'}{self.attribute}"


@dataclass(frozen=True, slots=True)
class Tool:
    """Something the skill can be called to do."""

    name: str
    description: str
    input_schema: Mapping[str, object]
    """JSON Schema 2020-12, always with ``type: object``."""
    runtime: Runtime
    entry: EntryPoint
    line: int
    """The line of skill.yaml where the tool is declared."""


@dataclass(frozen=True, slots=True)
class Framework:
    """A framework the skill says it works with."""

    name: str
    compatibility: VersionRange
    instructions_file: str | None
    """A file of the skill with instructions for this framework alone."""


@dataclass(frozen=True, slots=True)
class Skill:
    """One skill; where both files speak, skill.yaml has won.

    ``name`` is a valid skill name only if no problem says otherwise: a skill of
    the wild loads under the name it gives itself. ``dependencies`` holds skills and
    host packages in the order written; ``body`` has LF line ends.
    """

    name: SkillName | str
    description: str
    version: Version | None
    license: str | None
    compatibility: str | None
    metadata: Mapping[str, str]
    allowed_tools: tuple[str, ...]
    author: str | None
    repository: str | None
    homepage: str | None
    tags: tuple[str, ...]
    capabilities: tuple[str, ...]
    frameworks: tuple[Framework, ...]
    dependencies: Mapping[str, VersionRange]
    python_requirements: Mapping[str, str]
    tools: tuple[Tool, ...]
    permissions: Policy
    checksum: str | None
    signing: Mapping[str, object]
    body: str
