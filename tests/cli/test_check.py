"""What is found in the wild loads with a warning that names the line and the fix."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from spm.app import run
from spm_spec.errors import EXIT_DONE, EXIT_MISTAKE, EXIT_NO

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = "---\nname: skill\ndescription: Does things. Use when asked.\n---\n\n# Body\n"
FLOW = PLAIN.replace("---\n\n", "metadata: {a: b}\n---\n\n")
COLON = PLAIN.replace("Does things.", "Does this: and that.")
UNKNOWN = PLAIN.replace("---\n\n", "model: opus\n---\n\n")
OTHER = PLAIN.replace("name: skill", "name: other")
WILD = {
    "byte-order-mark": ("SKILL.md", "\ufeff" + PLAIN, 1, True, "save the file as UTF-8"),
    "carriage-returns": ("SKILL.md", PLAIN.replace("\n", "\r\n"), 1, True, "LF line ends"),
    "file-name": ("skill.md", PLAIN, 0, False, "rename it to `SKILL.md`"),
    "flow-metadata": ("SKILL.md", FLOW, 4, True, "one `key: value` a line"),
    "unquoted-value": ("SKILL.md", COLON, 3, False, "put quotes around the value"),
    "unknown-field": ("SKILL.md", UNKNOWN, 4, False, "move it under `metadata`"),
    "name-not-folder": ("SKILL.md", OTHER, 2, False, "rename the folder to `other`"),
}


@pytest.fixture
def skill(tmp_path: Path) -> Path:
    folder = tmp_path / "skill"
    folder.mkdir()
    (folder / "skill.yaml").write_text("version: 1.0.0\n", encoding="utf-8")
    return folder


def _check(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = run(["check", str(path), "--json"], "spm")
    (document,) = json.loads(capsys.readouterr().out)
    return code, document


@pytest.mark.parametrize("code", WILD)
def test_what_is_found_in_the_wild_loads_with_a_warning(
    code: str, skill: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, text, line, publishable, hint = WILD[code]
    (skill / file).write_bytes(text.encode())

    ended, found = _check(skill, capsys)

    (problem,) = found["problems"]
    assert (found["loads"], found["publishable"]) == (True, publishable)
    assert ended == (EXIT_DONE if publishable else EXIT_NO)
    assert (problem["code"], problem["file"], problem["line"]) == (code, file, line)
    assert problem["severity"] == "warning"
    assert problem["message"]
    assert hint in problem["hint"]


@pytest.mark.parametrize("command", ["pack", "publish"])
@pytest.mark.parametrize("code", [code for code, case in WILD.items() if not case[3]])
def test_what_breaks_the_public_specification_is_neither_packed_nor_published(
    command: str,
    code: str,
    skill: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file, text, *_ = WILD[code]
    (skill / file).write_bytes(text.encode())
    monkeypatch.chdir(skill.parent)
    monkeypatch.setenv("SPM_REGISTRY", "http://127.0.0.1:9")

    ended = run([command, "skill"], "spm")

    told = capsys.readouterr()
    assert (ended, told.out) == (EXIT_MISTAKE, "")
    assert told.err.startswith("error: `skill` may not be published:\n")
    assert f"[{code}]" in told.err
    assert [path.name for path in skill.parent.iterdir()] == ["skill"]


def test_each_problem_is_told_with_its_place_and_its_hint(
    skill: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (skill / "SKILL.md").write_text(COLON, encoding="utf-8")

    run(["check", str(skill)], "spm")

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{skill}: loads"
    assert lines[1] == (
        "  SKILL.md:3: warning: the value of `description` is not YAML without quotes"
        " [unquoted-value] (blocks publish)"
    )
    assert lines[2].startswith("    hint: put quotes around the value")


def test_an_archive_is_checked_as_its_folder_was(
    skill: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (skill / "SKILL.md").write_text(PLAIN, encoding="utf-8")
    archive = tmp_path / "skill.spm"
    assert run(["pack", str(skill), "--output", str(archive)], "spm") == EXIT_DONE
    capsys.readouterr()

    ended, found = _check(archive, capsys)

    assert ended == EXIT_DONE
    assert found == {
        "path": str(archive),
        "name": "skill",
        "loads": True,
        "publishable": True,
        "problems": [],
    }


def test_an_archive_that_cannot_be_read_is_a_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "skill.spm").write_bytes(b"no archive")

    ended, found = _check(tmp_path / "skill.spm", capsys)

    (problem,) = found["problems"]
    assert (ended, found["loads"], problem["code"]) == (EXIT_NO, False, "unreadable-archive")
    assert "skill.spm" in problem["message"]


def test_what_is_not_there_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended = run(["check", str(tmp_path / "absent")], "spm")

    assert ended == EXIT_MISTAKE
    assert capsys.readouterr().err == (
        f"error: there is no `{tmp_path / 'absent'}`\nhint: name the folder that holds SKILL.md\n"
    )
