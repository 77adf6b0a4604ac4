"""What is installed, where it is, and which skill needs which: read-only answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spm import console
from spm.project import Project
from spm_spec.errors import UserMistake

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class NotInstalled(UserMistake):
    """A skill is asked for that this project has not installed."""

    def __init__(self, name: str, installed: Sequence[str]) -> None:
        """Suggest the nearest of the ``installed`` names."""
        from difflib import get_close_matches

        near = get_close_matches(name, installed, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"run `spm add {name}`"
        super().__init__(f"`{name}` is not installed in this project", hint=hint)


def put_installed(*, as_json: bool) -> None:
    """Print the installed skills of the project around the current folder."""
    project = Project.above(Path.cwd())
    skills = project.installed().skills
    if as_json:
        console.put_document(
            [
                {
                    "name": skill.name,
                    "version": skill.version,
                    "source": skill.source,
                    "checksum": skill.checksum,
                    "installedAt": skill.installed_at,
                    "path": str(project.skill_path(skill.name, skill.version)),
                }
                for skill in skills
            ]
        )
        return
    console.put_table((skill.name, skill.version, skill.source) for skill in skills)


def path_of(name: str) -> Path:
    """The folder of an installed skill.

    Raises:
        NotInstalled: the project has no such skill, or its link is gone.
    """
    project = Project.above(Path.cwd())
    for skill in project.installed().skills:
        if skill.name == name:
            path = project.skill_path(skill.name, skill.version)
            if path.is_dir():
                return path
    raise NotInstalled(name, [skill.name for skill in project.installed().skills])


@dataclass(frozen=True, slots=True)
class Need:
    """One skill or host package that a skill needs, and what the lock chose for it."""

    name: str
    range: str
    version: str


@dataclass(frozen=True, slots=True)
class LockedSkill:
    """One skill of the lock with its needs, for drawing."""

    name: str
    version: str
    requested: bool
    """Whether skills.toml itself asks for it."""
    needs: tuple[Need, ...]

    def as_document(self) -> dict[str, object]:
        """The JSON form that `spm tree --json` prints; flat, so that depth costs nothing."""
        return asdict(self)


def locked_skills(project: Project) -> dict[str, LockedSkill]:
    """Every skill of the lock by name, sorted.

    Raises:
        UserMistake: there is no lock to read.
    """
    from spm.shown import version_text

    lock = project.lock()
    if lock is None:
        raise UserMistake("there is no skills.lock", hint="run `spm lock` first")
    versions = {entry.name: version_text(entry) for entry in lock.entries} | dict(lock.hosts)
    asked = {requirement.name for requirement in project.manifest().requirements}
    needed = {name for entry in lock.entries for name, _ in entry.dependencies}
    return {
        entry.name: LockedSkill(
            name=entry.name,
            version=version_text(entry),
            requested=entry.name in asked or entry.name not in needed,
            needs=tuple(
                Need(name, text, versions.get(name, "?")) for name, text in entry.dependencies
            ),
        )
        for entry in sorted(lock.entries, key=lambda entry: entry.name)
    }


def draw_tree(skills: Mapping[str, LockedSkill]) -> Iterator[str]:
    """The lines of the tree: each skill's needs once, below the first place it appears."""
    shown: set[str] = set()
    for root in skills.values():
        if not root.requested:
            continue
        yield f"{root.name} {root.version}"
        waiting = _branches(root, "") if root.name not in shown else []
        shown.add(root.name)
        while waiting:
            need, indent, last = waiting.pop()
            skill = skills.get(need.name)
            again = skill is not None and need.name in shown and bool(skill.needs)
            mark = " (shown above)" if again else ""
            branch = "└── " if last else "├── "
            yield f"{indent}{branch}{need.name} {need.version} ({need.range}){mark}"
            if skill is not None and need.name not in shown:
                shown.add(need.name)
                waiting += _branches(skill, indent + ("    " if last else "│   "))


def _branches(skill: LockedSkill, indent: str) -> list[tuple[Need, str, bool]]:
    """The needs of ``skill`` in the order a stack gives them back."""
    last = len(skill.needs) - 1
    return [(need, indent, place == last) for place, need in enumerate(skill.needs)][::-1]
