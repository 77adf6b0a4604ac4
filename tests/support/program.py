"""The installed program, run as a person runs it: in a process, in a folder, with settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SECONDS = 50


@dataclass(frozen=True, slots=True)
class Run:
    """How one command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Stdout as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Program:
    """`spm` with settings of its own below ``root``."""

    root: Path
    settings: Mapping[str, str]

    @staticmethod
    def below(root: Path) -> Program:
        """A program whose store and cache lie below ``root``."""
        settings = {
            "SPM_DATA": str(root / "data"),
            "SPM_CACHE": str(root / "cache"),
            "SPM_DURABILITY": "none",
            "HOME": str(root / "home"),
        }
        return Program(root, settings)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every command."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SPM_", "GIT_", "CLAUDE", "CODEX", "GEMINI"))
        }
        # Compiled modules are kept, as they are for a person; without them each start is slow.
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        return kept | dict(self.settings)

    def __call__(
        self, *words: str, folder: Path | None = None, text: str | None = None, **settings: str
    ) -> Run:
        """Run one command to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "spm", *words],
            cwd=folder or self.root,
            env=self.environment | settings,
            input=text if text is not None else "",
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return Run(done.returncode, done.stdout, done.stderr)

    def project(self, name: str = "project", manifest: str = "") -> Path:
        """A new project folder with this manifest."""
        folder = self.root / name
        folder.mkdir()
        (folder / "skills.toml").write_text(manifest, encoding="utf-8")
        return folder


def write_skill(
    parent: Path,
    name: str,
    *,
    version: str | None = "1.0.0",
    needs: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    yaml: str = "",
) -> Path:
    """Write a small skill that may be published, and return its folder."""
    folder = parent / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "SKILL.md").write_text(
        f"---\nname: {name}\ndescription: Does {name}. Use when asked.\n---\n\n# {name}\n",
        encoding="utf-8",
    )
    lines = [f"version: {version}"] if version else []
    lines += ["license: Apache-2.0"]
    if needs:
        lines += ["dependencies:", *(f'  {need}: "{text}"' for need, text in needs.items())]
    (folder / "skill.yaml").write_text("\n".join(lines) + "\n" + yaml, encoding="utf-8")
    for path, text in (files or {}).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return folder


def snapshot(folder: Path) -> dict[str, bytes | str]:
    """Every file and link below ``folder``, to show that a refusal changed nothing."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file() and path.name != ".lock":
            found[name] = path.read_bytes()
    return found
