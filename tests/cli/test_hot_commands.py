"""What the hot commands import is what they cost."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from spm import __version__
from tests.support.program import Program, write_skill

HEAVY = {"typer", "pydantic", "aiohttp", "asyncio", "rich", "sqlalchemy", "tomlkit", "yaml"}
_MODULES = """
import sys
from spm.__main__ import main
code = main(sys.argv[1:])
sys.stderr.write("\\n" + " ".join(name for name in sys.modules if "." not in name))
sys.exit(code)
"""


def _imported(program: Program, *words: str, folder: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-I", "-c", _MODULES, *words],
        cwd=folder,
        env=program.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.rsplit("\n", 1)[-1].split())


@pytest.mark.needs("git")
@pytest.mark.parametrize(
    "words", [["--version"], ["install"], ["install", "--frozen"], ["list"], ["path", "one"]]
)
def test_a_hot_command_imports_nothing_heavy(tmp_path: Path, words: list[str]) -> None:
    program = Program.below(tmp_path)
    write_skill(tmp_path / "skills", "one")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "one"]):
        subprocess.run(
            ["git", *command], cwd=tmp_path / "skills", check=True, env=program.environment
        )
    project = program.project()
    added = program("add", f"git+file://{tmp_path}/skills", folder=project)
    assert added.code == 0, added.err

    imported = _imported(program, *words, folder=project)

    assert imported & HEAVY == set()


def test_the_version_is_the_one_of_the_distribution() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")

    assert tomllib.loads(text)["project"]["version"] == __version__


def test_version_prints_one_line(tmp_path: Path) -> None:
    run = Program.below(tmp_path)("--version")

    assert (run.code, run.out, run.err) == (0, f"spm {__version__}\n", "")


def test_roundtable_skills_is_the_same_program(tmp_path: Path) -> None:
    program = Program.below(tmp_path)
    command = [str(Path(sys.executable).with_name("roundtable")), "skills", "--version"]

    done = subprocess.run(
        command, env=program.environment, capture_output=True, text=True, check=True
    )

    assert done.stdout == f"spm {__version__}\n"


def test_roundtable_without_skills_says_what_it_knows(tmp_path: Path) -> None:
    program = Program.below(tmp_path)
    command = [str(Path(sys.executable).with_name("roundtable")), "panels"]

    done = subprocess.run(
        command, env=program.environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert done.stderr == (
        "error: this program knows only `roundtable skills`\nhint: try `roundtable skills --help`\n"
    )
