"""From the files of a skill to the skill, with everything there is to say about it.

``read_skill`` loads whatever another agent would load and notes each fault; a
fault's code decides whether it keeps the skill from loading, from being
published, or from nothing (see ``problems``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spm_spec.checksum import SKILL_YAML, checksum_of, packed_files
from spm_spec.fields import Fields
from spm_spec.frontmatter import decoded, read_front_matter
from spm_spec.problems import Problem, ProblemList
from spm_spec.quoting import quote
from spm_spec.skill_markdown import BODY_LINES, read_markdown_fields
from spm_spec.skill_model import EntryPoint, Framework, Skill, Tool
from spm_spec.skill_yaml import YamlFields, read_yaml_fields
from spm_spec.yaml import InvalidYaml, YamlDocument, load_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spm_spec.frontmatter import FrontMatter
    from spm_spec.skill_markdown import MarkdownFields

__all__ = [
    "SKILL_FILES",
    "EntryPoint",
    "Framework",
    "Problem",
    "Skill",
    "SkillReading",
    "Tool",
    "checksum_of",
    "packed_files",
    "read_skill",
]

SKILL_FILES = ("SKILL.md", "skill.md", "Skill.md")
"""The names under which a skill is recognised; only the first may be published."""


@dataclass(frozen=True, slots=True)
class SkillReading:
    """A skill, if it loads, and its problems in the order of its lines."""

    skill: Skill | None
    problems: tuple[Problem, ...]

    @property
    def loads(self) -> bool:
        """Whether no problem keeps the skill from being loaded."""
        return self.skill is not None

    @property
    def publishable(self) -> bool:
        """Whether no problem keeps the skill from being published."""
        return self.loads and all(problem.blocks == "nothing" for problem in self.problems)


def read_skill(files: Mapping[str, bytes], *, folder: str | None) -> SkillReading:
    """Read the skill made of ``files``, keyed by path, that lives in ``folder``.

    ``folder`` is ``None`` where there is no folder to compare the name with. Does
    not raise for anything the files hold.
    """
    problems = ProblemList()
    skill = _read(files, folder, problems)
    found = problems.result()
    if any(problem.blocks == "load" for problem in found):
        skill = None
    return SkillReading(skill, found)


def _read(files: Mapping[str, bytes], folder: str | None, problems: ProblemList) -> Skill | None:
    file = _skill_file(files, problems)
    if file is None:
        return None
    front = read_front_matter(files[file], file=file, problems=problems)
    described = _skill_yaml(files, problems)
    if front is None:
        return None
    fields = Fields(front.document, file, problems)
    markdown = read_markdown_fields(fields)
    _check_body(front, file, problems)
    described_fields = described or Fields(_EMPTY, SKILL_YAML, problems)
    markdown_name = markdown.name if markdown else None
    told = read_yaml_fields(described_fields, files.keys(), markdown_name=markdown_name)
    if markdown is None:
        return None
    if told.version is None and "version" not in described_fields.values:
        _note_version_missing(problems, SKILL_YAML if described else file)
    _check_agreement(described_fields, markdown, told)
    _check_checksum(described_fields, told, files)
    name = told.name or markdown.name or folder
    if name is None:
        message = "neither the files nor a folder give the skill a name"
        problems.add("nameless", message, file=file, hint="add `name:` to the front matter")
        return None
    _check_folder(described_fields if told.name else fields, name, folder)
    return _joined(name, markdown, told, front.body)


_EMPTY = YamlDocument({}, SKILL_YAML, {(): 0}, {}, frozenset())


def _skill_file(files: Mapping[str, bytes], problems: ProblemList) -> str | None:
    there = [name for name in SKILL_FILES if name in files]
    if not there:
        hint = "a skill is a folder with a SKILL.md at its top"
        problems.add("missing-skill-file", "there is no SKILL.md", file="SKILL.md", hint=hint)
        return None
    if len(there) > 1:
        message = f"`{there[0]}` and `{there[1]}` are the same file to some systems"
        problems.add("two-skill-files", message, file=there[1], hint=f"remove `{there[1]}`")
    if there[0] != "SKILL.md":
        message = f"the file is named `{there[0]}`, not `SKILL.md`"
        problems.add("file-name", message, file=there[0], hint="rename it to `SKILL.md`")
    return there[0]


def _skill_yaml(files: Mapping[str, bytes], problems: ProblemList) -> Fields | None:
    if SKILL_YAML not in files:
        return None
    text = decoded(files[SKILL_YAML], SKILL_YAML, problems)
    if text is None:
        return None
    try:
        document = load_yaml(text, origin=SKILL_YAML)
    except InvalidYaml as error:
        problems.add(
            "invalid-yaml", error.problem, file=SKILL_YAML, line=error.line, hint=error.hint
        )
        return None
    if document.value is not None and not isinstance(document.value, dict):
        message = "the file is not a mapping of fields"
        problems.add("not-a-mapping", message, file=SKILL_YAML, line=document.line_of(()))
    return Fields(document, SKILL_YAML, problems)


def _check_body(front: FrontMatter, file: str, problems: ProblemList) -> None:
    lines = front.body.count("\n") + (not front.body.endswith("\n"))
    if lines > BODY_LINES:
        message = f"the body has {lines} lines, more than {BODY_LINES} are not recommended"
        hint = "move details to files under references/"
        problems.add("body-too-long", message, file=file, line=front.body_line, hint=hint)


def _note_version_missing(problems: ProblemList, file: str) -> None:
    message = "the skill has no version"
    hint = "write `version: 1.0.0` in skill.yaml, or give --version"
    problems.add("version-missing", message, file=file, hint=hint)


def _check_agreement(described: Fields, markdown: MarkdownFields, told: YamlFields) -> None:
    pairs = (
        ("name", markdown.name, told.name),
        ("description", markdown.description, told.description),
        ("license", markdown.license, told.license),
        ("compatibility", markdown.compatibility, told.compatibility),
    )
    for key, in_markdown, in_yaml in pairs:
        if in_yaml is None or in_markdown is None or in_yaml == in_markdown:
            continue
        message = (
            f"`{key}` is {quote(in_yaml, limit=40)} here "
            f"and {quote(in_markdown, limit=40)} in SKILL.md"
        )
        hint = "say it in SKILL.md alone"
        described.note("files-disagree", (key,), message, hint=hint)


def _check_checksum(described: Fields, told: YamlFields, files: Mapping[str, bytes]) -> None:
    if told.checksum is None:
        return
    actual = checksum_of(files)
    if actual != told.checksum:
        message = f"the files have the checksum {actual}, this says {told.checksum}"
        hint = "a file was changed after packing; leave the line out in a folder you edit"
        described.note("checksum-mismatch", ("checksum",), message, hint=hint)


def _check_folder(fields: Fields, name: str, folder: str | None) -> None:
    if folder is not None and name != folder:
        message = f"the name is {quote(name)}, the folder is {quote(folder)}"
        hint = f"rename the folder to {quote(name)} or the skill to {quote(folder)}"
        fields.note("name-not-folder", ("name",), message, hint=hint)


def _joined(name: str, markdown: MarkdownFields, told: YamlFields, body: str) -> Skill:
    return Skill(
        name=name,
        description=told.description or markdown.description,
        version=told.version,
        license=told.license or markdown.license,
        compatibility=told.compatibility or markdown.compatibility,
        metadata=markdown.metadata,
        allowed_tools=markdown.allowed_tools,
        author=told.author,
        repository=told.repository,
        homepage=told.homepage,
        tags=told.tags,
        capabilities=told.capabilities,
        frameworks=told.frameworks,
        dependencies=told.dependencies,
        python_requirements=told.python_requirements,
        tools=told.tools,
        permissions=told.permissions,
        checksum=told.checksum,
        signing=told.signing,
        body=body,
    )
