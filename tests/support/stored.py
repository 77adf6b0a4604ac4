"""Skills to put into a store, and a store's contents to compare."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from spm_spec.tree import FileEntry

GREETER = (
    FileEntry("SKILL.md", b"---\nname: greeter\ndescription: Greets.\n---\n"),
    FileEntry("scripts/greet.sh", b"#!/bin/sh\necho hello\n", executable=True),
    FileEntry("src/__init__.py", b""),
    FileEntry("src/skill.py", b"def greet():\n    return 'hello'\n"),
)
COUNTER = (
    FileEntry("SKILL.md", b"---\nname: counter\ndescription: Counts.\n---\n"),
    FileEntry("assets/__init__.py", b""),
    FileEntry("src/skill.py", b"def greet():\n    return 'hello'\n"),
)


def contents(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Return what is below ``folder``: kind with mode, and bytes, by path."""
    found: dict[str, tuple[str, bytes]] = {}
    for parent, folders, files in os.walk(folder):
        for name in folders + files:
            path = Path(parent, name)
            status = path.lstat()
            mode = stat.filemode(status.st_mode)
            data = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
            found[str(path.relative_to(folder))] = (mode, data)
    return found


def names(folder: Path) -> list[str]:
    """Return the names in ``folder``, sorted."""
    return sorted(path.name for path in folder.iterdir())


def move_folder(folder: Path, to: Path) -> None:
    """Move a read-only folder, which its owner may only do while it is writable."""
    folder.chmod(0o755)
    folder.rename(to)
    to.chmod(0o555)
