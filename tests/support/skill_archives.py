"""Small skills as archives, ready to publish."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spm_spec.package import write_package
from spm_spec.skill import packed_files
from spm_spec.tree import FileEntry
from spm_spec.versions import Version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def skill_archive(
    name: str,
    version: str = "1.0.0",
    *,
    description: str = "Does something useful and small.",
    tags: Sequence[str] = (),
    dependencies: Mapping[str, str] | None = None,
    extra: Mapping[str, bytes] | None = None,
) -> bytes:
    """Pack a skill whose `skill.yaml` says what is asked."""
    front_matter = f'---\nname: {name}\ndescription: "{description}"\n---\n\nDo it.\n'
    lines = [f'author: "Ada Example"\nhomepage: "https://{name}.example.org"\n']
    if tags:
        lines.append("tags:\n" + "".join(f'  - "{tag}"\n' for tag in tags))
    if dependencies:
        needs = "".join(f'  {needed}: "{text}"\n' for needed, text in dependencies.items())
        lines.append("dependencies:\n" + needs)
    files = [
        FileEntry("SKILL.md", front_matter.encode()),
        FileEntry("skill.yaml", "".join(lines).encode()),
        *(FileEntry(path, data) for path, data in (extra or {}).items()),
    ]
    return write_package(packed_files(files, version=Version.parse(version)))
