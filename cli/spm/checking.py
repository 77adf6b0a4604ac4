"""What `spm check` finds: for each skill, whether it loads and may be published."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from spm_spec.errors import SpmError, UserMistake
from spm_spec.package import read_package
from spm_spec.skill import Problem, read_skill
from spm_store.folder import read_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from spm_spec.tree import FileEntry

SKILL_FILES = ("SKILL.md", "skill.md", "Skill.md")
MAX_DEPTH = 6
"""How deep below a given folder skills are looked for."""
MAX_FOLDERS = 2_000
_PASSED_OVER = frozenset({"node_modules", "__pycache__"})


@dataclass(frozen=True, slots=True)
class CheckedSkill:
    """One skill and everything there is to say about it."""

    path: str
    name: str | None
    loads: bool
    publishable: bool
    problems: tuple[Problem, ...]

    def as_document(self) -> dict[str, object]:
        """The JSON form that `spm check --json` prints."""
        return {
            "path": self.path,
            "name": self.name,
            "loads": self.loads,
            "publishable": self.publishable,
            "problems": [asdict(problem) for problem in self.problems],
        }


def check_paths(paths: Iterable[Path]) -> list[CheckedSkill]:
    """Check every skill at or below ``paths``, in the order given, sorted below each.

    A path may also be an archive, such as `spm pack` makes.

    Raises:
        UserMistake: a path does not exist, or holds no skill at all.
    """
    checked: list[CheckedSkill] = []
    for path in paths:
        if path.is_file():
            checked.append(check_archive(path))
            continue
        if not path.is_dir():
            raise UserMistake(f"there is no `{path}`", hint="name the folder that holds SKILL.md")
        found = [check_skill(folder) for folder in skills_below(path)]
        if not found:
            raise UserMistake(
                f"no SKILL.md in `{path}` or below it",
                hint="start one with `spm new NAME`",
            )
        checked += found
    return checked


def check_skill(folder: Path) -> CheckedSkill:
    """Check the one skill whose root is ``folder``; what cannot even be read is a problem too."""
    try:
        files = read_folder(folder)
    except SpmError as error:
        return _unreadable(folder, "unreadable-folder", error)
    return _checked(folder, files, folder=folder.resolve().name)


def check_archive(path: Path) -> CheckedSkill:
    """Check the skill in one archive; what cannot even be read is a problem too."""
    try:
        files = read_package(read_archive(path), origin=path.name)
    except SpmError as error:
        return _unreadable(path, "unreadable-archive", error)
    return _checked(path, files, folder=None)


def read_archive(path: Path) -> bytes:
    """The bytes of an archive that a registry would take.

    Raises:
        UserMistake: it is too large.
    """
    from spm_registry.wire import ARCHIVE_BYTES

    size = path.stat().st_size
    if size > ARCHIVE_BYTES:
        raise UserMistake(f"`{path}` has {size} bytes, registries take at most {ARCHIVE_BYTES}")
    return path.read_bytes()


def _unreadable(path: Path, code: str, error: SpmError) -> CheckedSkill:
    problem = Problem(
        code=code,
        severity="error",
        blocks="load",
        message=error.message,
        file=".",
        line=0,
        hint=error.hint,
    )
    return CheckedSkill(str(path), None, loads=False, publishable=False, problems=(problem,))


def _checked(path: Path, files: Sequence[FileEntry], *, folder: str | None) -> CheckedSkill:
    reading = read_skill({entry.path: entry.data for entry in files}, folder=folder)
    return CheckedSkill(
        path=str(path),
        name=str(reading.skill.name) if reading.skill else None,
        loads=reading.loads,
        publishable=reading.publishable,
        problems=reading.problems,
    )


def skills_below(root: Path) -> Iterator[Path]:
    """The folders at or below ``root`` that hold a SKILL.md, bounded in depth and number.

    A skill's own subfolders are not searched: what lies inside belongs to it.
    """
    waiting = [(root, 0)]
    seen = 0
    while waiting:
        folder, depth = waiting.pop()
        seen += 1
        if seen > MAX_FOLDERS:
            raise UserMistake(f"more than {MAX_FOLDERS} folders below `{root}`")
        if any((folder / name).is_file() for name in SKILL_FILES):
            yield folder
            continue
        if depth < MAX_DEPTH:
            children = sorted(
                (child for child in folder.iterdir() if child.is_dir() and not child.is_symlink()),
                reverse=True,
            )
            waiting += [
                (child, depth + 1)
                for child in children
                if child.name not in _PASSED_OVER and not child.name.startswith(".")
            ]
