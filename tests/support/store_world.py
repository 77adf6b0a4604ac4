"""A project that shows one skill, and the store that holds it, for the program to be run on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.program import Program, Run, snapshot, write_skill
from tests.support.stored import contents

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class World:
    """A project that shows the skill `tidy`, and the store that holds it."""

    program: Program
    project: Path
    store: Path

    def __call__(self, *words: str, **settings: str) -> Run:
        """Run one command in the project."""
        return self.program(*words, folder=self.project, **settings)

    @property
    def index(self) -> Path:
        """The store's index."""
        return self.store / "index.sqlite"

    @property
    def tree(self) -> Path:
        """The only tree."""
        [tree] = (self.store / "trees").iterdir()
        return tree

    def state(self) -> Mapping[str, object]:
        """The project and the files of the store, but for who is at work."""
        stored = {
            f"store/{path}": found
            for path, found in contents(self.store).items()
            if not path.startswith("index.sqlite-") and path != "gc.lock"
        }
        return {f"project/{name}": data for name, data in snapshot(self.project).items()} | stored

    def sql(self, text: str) -> None:
        """Change the index as only a test may."""
        with closing(sqlite3.connect(self.index)) as connection:
            connection.executescript(text)


def world_below(root: Path, program: Program | None = None) -> World:
    """A new world, installed."""
    program = program or Program.below(root)
    write_skill(root, "tidy", files={"references/more.md": "more\n"})
    project = program.project(manifest='[skills]\ntidy = { path = "../tidy" }\n')
    world = World(program, project, Path(program.settings["SPM_DATA"]) / "store" / "v1")
    done = world("install")
    assert done.code == 0, done.err
    return world
