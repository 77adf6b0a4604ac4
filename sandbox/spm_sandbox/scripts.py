"""Which program runs a script: its first line, else its suffix, from a short list (pure)."""

from __future__ import annotations

from spm_sandbox.errors import RuntimeMissing

LONGEST_FIRST_LINE = 256
_SHELLS = {"sh": "/bin/sh", "bash": "/bin/bash"}
_BY_SUFFIX = {"sh": "sh", "bash": "bash", "py": "python3"}


def command_for(path: str, beginning: bytes, *, python: str) -> tuple[str, ...]:
    """Return the command that runs the script ``path``, without the path itself.

    ``beginning`` is the start of the file, ``python`` the interpreter inside.

    Raises:
        RuntimeMissing: no interpreter is named, or one that is not on the list.
    """
    name = _named(beginning) or _BY_SUFFIX.get(path.rpartition(".")[2].lower())
    if name in _SHELLS:
        return (_SHELLS[name],)
    if name in {"python", "python3"}:
        return (python, "-E", "-s", "-S", "-B")
    raise RuntimeMissing(
        f"script {path}",
        f"its interpreter is {name!r}" if name else "it names no interpreter",
        hint="begin it with `#!/bin/sh`, `#!/bin/bash` or `#!/usr/bin/env python3`",
    )


def _named(beginning: bytes) -> str | None:
    """Return the last part of the interpreter of a ``#!`` line, through ``env``."""
    if not beginning.startswith(b"#!"):
        return None
    line = beginning[2:LONGEST_FIRST_LINE].partition(b"\n")[0].decode("ascii", "replace")
    words = line.split()
    if words and words[0].rpartition("/")[2] == "env":
        words = [word for word in words[1:] if not word.startswith("-")]
    return words[0].rpartition("/")[2] if words else ""
