"""Answers the hot commands without the full program, when there is nothing to do.

`install` with everything in place, `list` and `path` are run by shells, hooks and
agents all day: they read three small files and import neither typer, pydantic,
aiohttp nor asyncio. Anything unusual (an option, a difference, an error) is left
to the full program, which says it properly.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from spm_spec.errors import SpmError

_QUIET_OPTIONS = frozenset({"--frozen", "--offline"})


def answer(words: list[str]) -> int | None:
    """The exit code, or ``None`` when the full program must take over."""
    command, *rest = words
    try:
        if command == "install" and _QUIET_OPTIONS.issuperset(rest):
            return _install()
        if command == "list" and rest in ([], ["--json"]):
            from spm.listing import put_installed

            put_installed(as_json=bool(rest))
            return 0
        if command == "path" and len(rest) == 1 and not rest[0].startswith("-"):
            from spm.listing import path_of

            sys.stdout.write(f"{path_of(rest[0])}\n")
            return 0
    except (SpmError, OSError):
        return None
    return None


def _install() -> int | None:
    if os.environ.get("SPM_REGISTRY"):
        return None
    from spm.console import counted
    from spm.installation import in_place
    from spm.places import places_from
    from spm.project import Project
    from spm_spec.sources import PathSource

    project = Project.above(Path.cwd())
    manifest = project.manifest()
    lock = project.lock()
    if lock is None or lock.differences(manifest):
        return None
    if any(isinstance(entry.source, PathSource) for entry in lock.entries):
        return None
    if not in_place(project, manifest, lock, places_from(os.environ).store):
        return None
    sys.stderr.write(f"everything is in place ({counted(len(lock.entries), 'skill')})\n")
    return 0
