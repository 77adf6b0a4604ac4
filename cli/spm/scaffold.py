"""The files that `spm new` and `spm init` begin with."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from spm_spec.errors import UserMistake
from spm_spec.names import parse_skill_name

if TYPE_CHECKING:
    from pathlib import Path

_SKILL = """\
---
name: {name}
description: Say in one or two sentences what this skill does and when an agent should use it.
license: Apache-2.0
---

# {title}

Tell the agent, step by step, how to do the work. Keep it short; put long material
into files under `references/` and name them here.
"""

_PROJECT = """\
version: 0.1.0
license: Apache-2.0
tags: []
"""

_TOOL = """\
tools:
  - name: greet
    description: Greets a person by name.
    entry: src/skill.py:greet
    input:
      type: object
      properties:
        person:
          type: string
          description: Whom to greet.
      required: [person]
      additionalProperties: false
"""

_PYTHON = '''\
"""The tools of this skill. Each takes keyword arguments and returns what JSON can say."""


def greet(person: str) -> dict[str, str]:
    """Greet ``person``."""
    return {"greeting": f"Hello, {person}!"}
'''

_PYTHON_TEST = """\
from skill import greet


def test_greet_names_the_person() -> None:
    assert greet("Ada") == {"greeting": "Hello, Ada!"}
"""


def write_skill(parent: Path, name: str, *, with_python: bool) -> Path:
    """Make the folder of a new skill and return it.

    Raises:
        InvalidName: ``name`` is not a skill name.
        UserMistake: something of that name is already there; nothing is changed.
    """
    folder = parent / parse_skill_name(name)
    if folder.exists() or folder.is_symlink():
        raise UserMistake(f"`{folder}` exists already", hint="choose another name or folder")
    files = {
        "SKILL.md": _SKILL.format(name=name, title=name.replace("-", " ").capitalize()),
        "skill.yaml": _PROJECT + (_TOOL if with_python else ""),
    }
    if with_python:
        files |= {"src/skill.py": _PYTHON, "tests/test_skill.py": _PYTHON_TEST}
    new = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    try:
        for path, text in files.items():
            target = new / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8", newline="\n")
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return folder
