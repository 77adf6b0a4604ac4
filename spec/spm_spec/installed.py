"""``.roundtable/skills/index.json``: which skills a project has installed.

The index is for people and for other programs; what is installed is what the lock
says. A damaged index therefore costs nothing: it is refused and written again.
See spec/installed.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from spm_spec.errors import UserMistake
from spm_spec.names import parse_skill_name
from spm_spec.quoting import quote
from spm_spec.shapes import is_list, is_table
from spm_spec.versions import Version

INDEX_CHARACTERS = 16 << 20
SKILLS = 10_000
TEXT_CHARACTERS = 4096

_FIELDS = ("name", "version", "installedAt", "source", "checksum")


class DamagedIndex(UserMistake):
    """The index is not one; ``origin`` is the file."""

    def __init__(self, message: str, *, origin: str) -> None:
        """Say what is wrong and that it is easily put right."""
        super().__init__(f"{origin}: {message}", hint="run `spm install` to write it again")
        self.origin = origin


@dataclass(frozen=True, slots=True)
class InstalledSkill:
    """One skill that is linked into the project."""

    name: str
    version: str
    installed_at: str
    """RFC 3339 in UTC, to the second: ``2026-11-23T19:28:43Z``."""
    source: str
    """The canonical text of its source."""
    checksum: str
    """The tree digest."""


@dataclass(frozen=True, slots=True)
class Installed:
    """All of them, sorted by name, and when the project was last brought up to date."""

    skills: tuple[InstalledSkill, ...] = ()
    last_sync: str | None = None


def parse_installed(text: str, *, origin: str = "index.json") -> Installed:
    """Return what ``text`` lists. Unknown fields are other programs' and are ignored.

    Raises:
        DamagedIndex: not JSON, or a field is missing or of the wrong type, or a name or
            version is none.

    """
    import json

    if len(text) > INDEX_CHARACTERS:
        message = f"has {len(text)} characters, the limit is {INDEX_CHARACTERS}"
        raise DamagedIndex(message, origin=origin)
    try:
        document: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedIndex("not JSON", origin=origin) from error
    if not is_table(document):
        raise DamagedIndex("not an object", origin=origin)
    listed = document.get("installedSkills", [])
    if not is_list(listed) or len(listed) > SKILLS:
        message = f"`installedSkills` is not a list of at most {SKILLS}"
        raise DamagedIndex(message, origin=origin)
    last_sync = document.get("lastSyncTime")
    if last_sync is not None and not isinstance(last_sync, str):
        raise DamagedIndex("`lastSyncTime` is not text", origin=origin)
    skills = [_skill(item, index, origin) for index, item in enumerate(listed)]
    return Installed(_sorted(skills), last_sync)


def render_installed(installed: Installed) -> str:
    """Return the text of the index: sorted, indented by two, with a line break at the end."""
    import json

    document = {
        "installedSkills": [
            {
                "name": skill.name,
                "version": skill.version,
                "installedAt": skill.installed_at,
                "source": skill.source,
                "checksum": skill.checksum,
            }
            for skill in _sorted(installed.skills)
        ],
        "lastSyncTime": installed.last_sync,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _sorted(
    skills: list[InstalledSkill] | tuple[InstalledSkill, ...],
) -> tuple[InstalledSkill, ...]:
    return tuple(sorted(skills, key=lambda skill: (skill.name, skill.version)))


def _skill(item: object, index: int, origin: str) -> InstalledSkill:
    if not is_table(item):
        raise DamagedIndex(f"skill {index} is not an object", origin=origin)
    texts: list[str] = []
    for field in _FIELDS:
        value = item.get(field)
        if not isinstance(value, str) or len(value) > TEXT_CHARACTERS:
            name = item.get("name")
            which = quote(name) if isinstance(name, str) else str(index)
            raise DamagedIndex(f"`{field}` of skill {which} is not a short text", origin=origin)
        texts.append(value)
    try:  # both become names of folders
        parse_skill_name(texts[0])
        Version.parse(texts[1])
    except UserMistake as error:
        raise DamagedIndex(f"skill {index}: {error.message}", origin=origin) from error
    return InstalledSkill(*texts)
