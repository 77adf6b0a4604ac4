"""Installing 200 skills: warm and frozen beside `cp -r`, and cold from a loopback registry.

    python bench/install.py [--runs N] [--json]

Warm means that the store has every tree and the project has nothing. Cold means an
empty store; it stands beside fetching the same archives with as many connections and
copying the same files, which is the least that any client does.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from generated_skills import write_skills
from timing import Comparison, command, options, paired, report

if TYPE_CHECKING:
    from collections.abc import Generator

PYTHON = sys.executable
SPM = str(Path(PYTHON).with_name("spm"))
SKILLS = 200
CONNECTIONS = 16


def main() -> None:
    """Publish, lock, then time both ways of installing."""
    asked = options("installing 200 skills", runs=7)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        environment = _environment(root)
        skills = write_skills(root / "skills", SKILLS)
        with _registry(root, environment) as (url, token):
            asyncio.run(_publish(url, token, skills))
            project = _project(root, environment, url, skills)
            comparisons = [
                _warm(root, project, environment, asked.runs),
                _cold(root, project, environment, asked.runs, url),
            ]
        subprocess.run(["chmod", "-R", "u+w", str(root)], check=True)
    report(comparisons, as_json=asked.json)


def _warm(root: Path, project: Path, environment: dict[str, str], runs: int) -> Comparison:
    installed, copied = project / ".roundtable", root / "copied"
    ours = command([SPM, "install", "--frozen"], folder=project, environment=environment)
    theirs = command(["cp", "-r", str(root / "skills"), str(copied)])
    mine, beside = paired(
        ours,
        theirs,
        runs=runs,
        before_ours=lambda: shutil.rmtree(installed, ignore_errors=True),
        before_theirs=lambda: shutil.rmtree(copied, ignore_errors=True),
    )
    return Comparison(f"warm frozen install of {SKILLS}", mine, "cp -r", beside, "0.1")


def _cold(
    root: Path, project: Path, environment: dict[str, str], runs: int, url: str
) -> Comparison:
    installed, store = project / ".roundtable", root / "data"

    def wipe() -> None:
        shutil.rmtree(installed, ignore_errors=True)
        if store.exists():
            subprocess.run(["chmod", "-R", "u+w", str(store)], check=True)
            shutil.rmtree(store)

    lock = tomllib.loads((project / "skills.lock").read_text())
    targets = [f"{url}/packages/{digest}.spm" for digest in _archives(lock)]
    ours = command([SPM, "install", "--frozen"], folder=project, environment=environment)
    copied = root / "copied"
    copy = command(["cp", "-r", str(root / "skills"), str(copied)])

    def theirs() -> None:
        asyncio.run(_fetch(targets))
        copy()

    mine, beside = paired(
        ours,
        theirs,
        runs=min(runs, 5),
        before_ours=wipe,
        before_theirs=lambda: shutil.rmtree(copied, ignore_errors=True),
    )
    return Comparison(
        f"cold frozen install of {SKILLS}", mine, "download and cp -r", beside, "none set"
    )


def _archives(lock: dict[str, object]) -> list[str]:
    """Every archive digest in a lock, wherever its reader keeps it."""
    found: list[str] = []
    waiting: list[object] = [lock]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            for key, item in cast("dict[str, object]", value).items():
                if key == "sha256" and isinstance(item, str):
                    found.append(item)
                else:
                    waiting.append(item)
        elif isinstance(value, list):
            waiting += cast("list[object]", value)
    return found


async def _fetch(targets: list[str]) -> None:
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as session:

        async def one(target: str) -> None:
            async with session.get(target) as answer:
                answer.raise_for_status()
                await answer.read()

        await asyncio.gather(*(one(target) for target in targets))


def _environment(root: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SPM_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {"SPM_DATA": str(root / "data"), "SPM_CACHE": str(root / "cache")}


@contextmanager
def _registry(root: Path, environment: dict[str, str]) -> Generator[tuple[str, str]]:
    data = str(root / "registry")
    token = subprocess.run(
        [SPM, "registry", "token", "create", "--data", data, "bench"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    server = subprocess.Popen(
        [SPM, "registry", "serve", "--data", data, "--port", "0"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        if server.stderr is None:
            sys.exit("the registry has no stderr")
        line = server.stderr.readline()
        url = next(word.rstrip(";") for word in line.split() if word.startswith("http"))
        yield url, token
    finally:
        server.terminate()
        server.communicate()


async def _publish(url: str, token: str, skills: list[Path]) -> None:
    from spm.packing import pack_folder
    from spm_registry.client import RegistryClient

    async with RegistryClient(url, token=token) as client:
        for skill in skills:
            await client.publish(pack_folder(skill).archive)


def _project(root: Path, environment: dict[str, str], url: str, skills: list[Path]) -> Path:
    project = root / "project"
    project.mkdir()
    wanted = "".join(f'{skill.name} = "^1"\n' for skill in skills)
    (project / "skills.toml").write_text(f'[skills]\n{wanted}\n[registries]\ndefault = "{url}"\n')
    command([SPM, "install"], folder=project, environment=environment)()
    return project


if __name__ == "__main__":
    main()
