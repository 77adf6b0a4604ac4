"""Projects that ask a registry for skills, and the program in harder surroundings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.program import Run, snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.support.program import Program

SECONDS = 40


def manifest_of(url: str, *names: str, more: str = "", **ranges: str) -> str:
    """A skills.toml that asks the registry at ``url`` for ``names``, or for ``ranges``."""
    wanted = dict.fromkeys(names, "*") | {
        name.replace("_", "-"): text for name, text in ranges.items()
    }
    lines = "".join(f'{name} = "{text}"\n' for name, text in wanted.items())
    return f'[skills]\n{lines}\n[registries]\ndefault = "{url}"\n{more}'


def started(
    program: Program,
    *words: str,
    folder: Path,
    before: Sequence[str] = (),
    **settings: str,
) -> subprocess.Popen[str]:
    """The program, running; ``before`` is a command that runs it."""
    return subprocess.Popen(
        [*before, sys.executable, "-m", "spm", *words],
        cwd=folder,
        env=program.environment | settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> Run:
    """How a started program ends."""
    try:
        out, err = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Run(process.returncode, out, err)


def without_override() -> tuple[str, ...]:
    """A command after which permissions hold, even for root."""
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("root ignores permissions, and there is no `setpriv` to make it obey them")
    capabilities = "-dac_override,-dac_read_search,-fowner"
    return (setpriv, f"--bounding-set={capabilities}", f"--inh-caps={capabilities}")


def on_full_disk(folder: Path, size: str) -> tuple[str, ...]:
    """A command that sees a disk of ``size`` at ``folder``, which only it sees."""
    unshare = shutil.which("unshare")
    script = f'mount -t tmpfs -o size={size} tmpfs "$0" && exec "$@"'
    command = ("sh", "-c", script, str(folder))
    if os.geteuid() != 0 or unshare is None:
        pytest.skip("only root may mount a small disk")
    tried = subprocess.run([unshare, "-m", *command, "true"], capture_output=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"this host mounts no small disk: {tried.stderr.decode().strip()}")
    return (unshare, "-m", *command)


def everything(program: Program, project: Path) -> Mapping[str, bytes | str]:
    """The project and the store, without the files that only say who is at work."""
    store = program.root / "data" / "spm" / "store"
    found = {f"project/{name}": data for name, data in snapshot(project).items()}
    for root in (store, program.root / "data" / "store"):
        found |= {
            f"store/{name}": data
            for name, data in snapshot(root).items()
            if "index.sqlite" not in name and not name.endswith("gc.lock")
        }
    return found
