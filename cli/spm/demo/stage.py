"""The stage of the demo: a folder of its own, a registry, and commands run for real.

Nothing is imitated: each line that begins with `$` is the installed program in a
process of its own, with settings that point into the stage's folder. A claim that
does not hold ends the story with an error.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spm import console
from spm_spec.errors import AnswerIsNo, EnvironmentFailure

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

COMMAND_SECONDS = 60
SHOWN_LINES = 14
"""How much of one command's output the story shows."""
SHOWN_CHARACTERS = 2000
"""How much of it is shown when the story ends there."""


class ClaimFailed(AnswerIsNo):
    """Something that the story says did not happen."""


class Stage:
    """Runs commands, shows them, and checks what is claimed."""

    def __init__(self, root: Path) -> None:
        """Play below ``root``; nothing outside of it is written."""
        self.root = root
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SPM_", "GIT_", "CLAUDE", "CODEX", "GEMINI"))
        }
        self.environment = kept | {
            "SPM_DATA": str(root / "data"),
            "SPM_CACHE": str(root / "cache"),
            "SPM_DURABILITY": "none",
            "HOME": str(root / "home"),
            "TMPDIR": str(root / "tmp"),
        }
        self.claims = 0

    def chapter(self, title: str) -> None:
        """Begin the next part of the story."""
        console.put("")
        console.put(_bold(title))

    def tell(self, text: str) -> None:
        """One line of the story."""
        console.put(f"  {text}")

    def claim(self, text: str, held: bool, evidence: object = "") -> None:  # noqa: FBT001  # reads as a sentence
        """Say that ``text`` happened, or end the story."""
        if not held:
            raise ClaimFailed(f"the demo claims: {text}; it did not happen: {evidence}")
        self.claims += 1
        console.put(f"  ok: {text}")

    def spm(
        self,
        *words: str,
        folder: Path | None = None,
        expect: int = 0,
        show: bool = True,
        settings: Mapping[str, str] | None = None,
    ) -> str:
        """Run one command as a person would and return its stdout."""
        if show:
            where = f" ({folder.name}/)" if folder is not None else ""
            console.put(console.printable(f"  $ spm {' '.join(map(_quoted, words))}{where}"))
        done = subprocess.run(
            [sys.executable, "-m", "spm", *words],
            cwd=folder or self.root,
            env=self.environment | dict(settings or {}),
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if show:
            _show(done.stdout + done.stderr)
        if done.returncode != expect:
            raise ClaimFailed(
                f"`spm {' '.join(words)}` ended with {done.returncode}, not {expect}: "
                f"{(done.stderr or done.stdout).strip()[-SHOWN_CHARACTERS:]}"
            )
        return done.stdout

    def document(
        self,
        *words: str,
        folder: Path | None = None,
        show: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> Any:
        """Run one command with ``--json`` and return the document it prints."""
        text = self.spm(*words, "--json", folder=folder, show=show, settings=settings)
        return json.loads(text)


def _show(text: str) -> None:
    lines = [line for line in text.splitlines() if line.strip()]
    for line in lines[:SHOWN_LINES]:
        console.put(console.printable(f"    {line}"))
    if len(lines) > SHOWN_LINES:
        console.put(f"    ... {len(lines) - SHOWN_LINES} more lines")


def _quoted(word: str) -> str:
    plain = word.replace("-", "").replace("_", "").replace(".", "").replace("/", "").isalnum()
    return word if plain else f"'{word}'"


def _bold(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m" if sys.stdout.isatty() else text


@contextmanager
def stage(keep: str | None) -> Generator[Stage]:
    """A stage in a new folder, which is removed afterwards unless it is to be kept.

    Raises:
        EnvironmentFailure: the folder to keep exists already.
    """
    if keep is not None:
        root = Path(keep).absolute()
        try:
            root.mkdir(parents=True)
        except FileExistsError as error:
            raise EnvironmentFailure(
                f"`{keep}` exists already", hint="name a new folder"
            ) from error
    else:
        root = Path(tempfile.mkdtemp(prefix="spm-demo-"))
    for name in ("home", "tmp"):
        (root / name).mkdir()
    try:
        yield Stage(root)
    finally:
        if keep is None:
            remove(root)


def remove(root: Path) -> None:
    """Remove a folder that may hold read-only folders of a store."""
    for folder, names, _ in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o755)
    shutil.rmtree(root)


@contextmanager
def registry(on: Stage) -> Generator[str]:
    """The URL of a registry that serves until the end of the block."""
    words = ["registry", "serve", "--data", "registry", "--port", "0"]
    console.put(f"  $ spm {' '.join(words)} &")
    server = subprocess.Popen(
        [sys.executable, "-m", "spm", *words],
        cwd=on.root,
        env=on.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    stream = server.stderr
    if stream is None:
        raise AssertionError("a pipe was asked for")
    watchdog = threading.Timer(COMMAND_SECONDS, server.kill)
    watchdog.start()
    try:
        line = stream.readline()
        url = next((word.rstrip(";") for word in line.split() if word.startswith("http")), None)
        if url is None:
            raise ClaimFailed(f"the registry did not start: {line.strip()}")
        watchdog.cancel()
        drain = threading.Thread(target=stream.read, daemon=True)
        drain.start()
        yield url
    finally:
        watchdog.cancel()
        server.terminate()
        try:
            server.wait(timeout=COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        stream.close()


def installed_files(skills: Path) -> dict[str, Path]:
    """Every file of the skills linked below ``skills``, by skill, version and path."""
    found: dict[str, Path] = {}
    for folder in sorted(path for path in skills.glob("[!.]*/*") if path.is_dir()):
        for parent, _, names in os.walk(folder, followlinks=True):
            for name in names:
                path = Path(parent, name)
                found[str(path.relative_to(skills))] = path
    return found


def digests(files: Mapping[str, Path]) -> dict[str, str]:
    """BLAKE3 of each of ``files``."""
    from spm_spec.digests import blob_digest

    return {name: str(blob_digest(path.read_bytes())) for name, path in files.items()}


def bytes_named(files: Iterable[Path]) -> int:
    """What ``files`` add up to, one by one."""
    return sum(path.stat().st_size for path in files)


def bytes_held(files: Iterable[Path]) -> int:
    """What ``files`` take on the disk, where one file may have many names."""
    found = (path.stat() for path in files)
    return sum({(each.st_dev, each.st_ino): each.st_size for each in found}.values())
