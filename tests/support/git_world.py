"""A real git repository to fetch from, made with the real git."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SKILL = "---\nname: {name}\ndescription: Does what {name} does.\n---\n# {name}\n"


def git_environment(home: Path) -> dict[str, str]:
    """The environment of a person with git and an identity, and nothing else."""
    who = {"NAME": "Ada", "EMAIL": "ada@example.org", "DATE": "2026-01-02T03:04:05Z"}
    identity = {
        f"GIT_{role}_{key}": v for role in ("AUTHOR", "COMMITTER") for key, v in who.items()
    }
    return {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", **identity}


@dataclass(frozen=True)
class GitRepository:
    """A repository in a folder; ``url`` is what a source names."""

    folder: Path

    @property
    def url(self) -> str:
        return f"file://{self.folder}"

    @classmethod
    def make(cls, folder: Path) -> GitRepository:
        folder.mkdir(parents=True)
        made = cls(folder)
        made.git("init", "-q", "-b", "main")
        return made

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        done = subprocess.run(
            ["git", "-C", str(self.folder), "-c", "protocol.file.allow=always", *arguments],
            env=git_environment(self.folder.parent),
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def write(self, path: str, text: str | bytes) -> Path:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode() if isinstance(text, str) else text)
        return target

    def skill(self, folder: str, name: str = "tidy") -> None:
        path = f"{folder}/SKILL.md" if folder else "SKILL.md"
        self.write(path, SKILL.format(name=name))

    def commit(self, message: str = "change") -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")
