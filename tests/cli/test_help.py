"""Every command explains itself with an example, and whatever prints data prints JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from spm.app import run
from tests.support.program import Program

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = (
    *("init", "new", "check", "pack", "publish", "search", "info", "tags", "add", "remove"),
    *(
        "lock",
        "install",
        "update",
        "rollback",
        "status",
        "list",
        "tree",
        "path",
        "load",
        "call",
        "demo",
    ),
    *("registry serve", "registry token create", "registry token list", "registry token revoke"),
    *("store path", "store info", "store list", "store du", "store gc", "store why"),
    *("profile list", "profile path", "profile remove"),
    *("store verify", "store rebuild", "store export", "store import"),
    *("cache path", "cache size", "cache clear"),
)
GROUPS = ("registry", "registry token", "store", "profile", "cache")
TALKERS = {"init", "new", "demo", "registry serve", "registry token revoke", "profile remove"}
"""Commands that print no data."""


def _help(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert run([*command.split(), "--help"], "spm") == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", [*COMMANDS, *GROUPS])
def test_a_command_shows_an_example_of_itself(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = _help(command, capsys)

    _, found, example = text.partition("Example")
    assert found
    assert command.rsplit(maxsplit=1)[-1] in example.splitlines()[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_whatever_prints_data_prints_json(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ("--json" in _help(command, capsys)) == (command not in TALKERS)


def test_the_list_of_commands_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    listed = {command: _help(command, capsys) for command in ("", *GROUPS)}

    for group, text in listed.items():
        _, _, names = text.partition("Commands:\n")
        for line in names.splitlines():
            command = f"{group} {line.split()[0]}".strip() if line.startswith("  ") else ""
            assert not command or command in {*COMMANDS, *GROUPS}, command


def test_folders_and_what_was_cleared_are_told_as_json_too(tmp_path: Path) -> None:
    program = Program.below(tmp_path)

    assert program("store", "path", "--json").document == {
        "path": str(tmp_path / "data" / "store" / "v1")
    }
    assert program("cache", "path", "--json").document == {"path": str(tmp_path / "cache")}
    assert program("cache", "clear", "--json").document == {"bytes": 0}


def test_a_token_is_told_as_json_too(tmp_path: Path) -> None:
    program = Program.below(tmp_path)

    made = program("registry", "token", "create", "ada", "--data", "registry", "--json")

    document = json.loads(made.out)
    assert document["account"] == "ada"
    assert document["token"].startswith("spm_")
