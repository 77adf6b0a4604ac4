"""The documents say what the program does, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from spm.app import run
from spm_spec import errors

ROOT = Path(__file__).parents[2]
CLI = (ROOT / "spec" / "cli.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _commands(text: str) -> set[str]:
    """Every `spm COMMAND` that stands in backticks or in a console block."""
    inline = re.findall(r"`spm ([a-z]+)", text)
    blocks = re.findall(r"```(?:console|sh)\n(.*?)```", text, flags=re.DOTALL)
    typed = re.findall(
        r"^\$? ?(?:[A-Z_]+=\S+ )?spm ([a-z]+)", "\n".join(blocks), flags=re.MULTILINE
    )
    return {*inline, *typed}


@pytest.fixture(scope="module")
def known_commands() -> set[str]:
    text = subprocess.run(
        [sys.executable, "-m", "spm", "--help"], capture_output=True, text=True, check=True
    ).stdout
    _, _, commands = text.partition("Commands")
    return set(re.findall(r"^\s+([a-z]+)\s", commands, flags=re.MULTILINE))


@pytest.mark.parametrize("document", ["README.md", "CHANGELOG.md", "spec/cli.md", "SECURITY.md"])
def test_every_command_a_document_names_exists(document: str, known_commands: set[str]) -> None:
    named = _commands((ROOT / document).read_text(encoding="utf-8"))

    assert named - known_commands == set()


def test_the_program_has_every_command_it_promises(known_commands: set[str]) -> None:
    promised = (
        "init new check pack publish search info tags add remove lock install update list tree "
        "path status rollback load call registry store profile cache demo"
    )

    assert set(promised.split()) <= known_commands


def test_every_exit_code_is_documented() -> None:
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", CLI, flags=re.MULTILINE)}
    defined = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}

    assert documented == defined


def test_every_setting_is_documented_and_every_documented_setting_is_read() -> None:
    documented = set(re.findall(r"^\| `(SPM_[A-Z_]+)`", CLI, flags=re.MULTILINE))
    folders = (ROOT / "cli" / "spm", ROOT / "sandbox" / "spm_sandbox" / "adapters")
    source = "".join(
        path.read_text(encoding="utf-8") for folder in folders for path in folder.rglob("*.py")
    )
    read = set(re.findall(r'"(SPM_[A-Z_]+)"', source))

    assert documented == read - {"SPM_"}


def test_every_command_has_help_with_its_own_summary(
    known_commands: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    helps: set[str] = set()
    for name in known_commands:
        assert run([name, "--help"], "spm") == 0
        _, _, text = capsys.readouterr().out.partition(f"Usage: spm {name}")
        assert len(text) > 80
        helps.add(text)

    assert len(helps) == len(known_commands)


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert len(README.splitlines()) < 150
