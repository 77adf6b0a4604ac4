"""No text of a skill or a registry reaches a terminal as anything but text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.attacks.test_program_registries import Tale
from tests.support.program import Program, Run, write_skill
from tests.support.projects import manifest_of
from tests.support.raw_http import lying_server, reply

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

EVIL = "\x1b[2J\x07\x9b31m\x7f\u202edesrever\u2066\u200b\U000e0041"
"""Clears the screen, rings, colours, reverses, hides: each where it is not escaped."""
ESCAPED = "".join(f"\\u{{{ord(each):x}}}" if each in "\x1b\x9b\u202e" else "" for each in EVIL)


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program.below(tmp_path)


def assert_harmless(run: Run) -> None:
    shown = run.out + run.err
    raw = {each for each in shown if each != "\n" and not each.isprintable()}
    assert raw == set(), run
    assert not set(shown) & {"\u202e", "\u2066", "\u200b", "\U000e0041"}


def hostile(path: str, _headers: Mapping[str, str]) -> list[bytes]:
    """A registry whose every text is hostile."""
    document = json.loads(Tale().document()) | {"description": EVIL, "author": EVIL, "tags": [EVIL]}
    if path.startswith("/api/v1/tags"):
        return reply(json.dumps({"tags": [{"name": EVIL, "count": 1}]}).encode())
    if "/skills?" in path:
        page = {"skills": [document], "total": 1, "limit": 20, "offset": 0}
        return reply(json.dumps(page).encode())
    return reply(json.dumps(document).encode())


@pytest.mark.parametrize("words", [["search", "x"], ["info", "alpha"], ["tags"]], ids=" ".join)
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["table", "json"])
def test_a_registrys_words_are_shown_escaped_or_refused(
    program: Program, words: list[str], form: list[str]
) -> None:
    with lying_server(hostile) as server:
        run = program(*words, *form, "--registry", server.url)

    assert run.code in {0, 6}, run
    assert_harmless(run)


def test_a_registrys_error_is_shown_escaped(program: Program) -> None:
    error = {"kind": "invalid", "message": EVIL, "hint": EVIL, "problems": [EVIL]}
    body = json.dumps({"error": error}).encode()

    with lying_server(lambda _path, _headers: reply(body, status="400 Bad")) as server:
        shown = program("info", "alpha", "--registry", server.url)
        as_json = program("info", "alpha", "--json", "--registry", server.url)

    assert (shown.code, as_json.code) == (3, 3)
    assert_harmless(shown)
    assert_harmless(as_json)


def test_a_skills_words_are_shown_escaped_by_every_command(program: Program) -> None:
    folder = write_skill(program.root, "evil", files={"references/\u00e9.md": EVIL})
    quoted = json.dumps(EVIL).replace("\\u202e", "\\u202E")
    front = f"---\nname: evil\ndescription: {quoted}\nlicense: {quoted}\n---\n{EVIL}\n"
    (folder / "SKILL.md").write_text(front, encoding="utf-8", newline="")
    project = program.project(manifest="[skills]\n")
    commands = [
        ["check", "../evil"],
        ["check", "../evil", "--json"],
        ["pack", "../evil"],
        ["pack", "../evil", "--json"],
        ["add", "path:../evil"],
        ["load", "evil"],
        ["load", "evil", "--json"],
        ["list"],
        ["tree"],
        ["store", "list"],
    ]

    runs = {" ".join(words): program(*words, folder=project) for words in commands}

    for run in runs.values():
        assert_harmless(run)
    assert runs["check ../evil"].code in {0, 1}


def test_json_that_was_escaped_still_says_the_same(program: Program) -> None:
    """What a pipe reads is what the skill said, though a terminal would obey none of it."""
    folder = write_skill(program.root, "evil")
    (folder / "SKILL.md").write_text(
        f'---\nname: evil\ndescription: "Does \\u202e and more."\n---\nBody \u202e {chr(0x9B)}\n',
        encoding="utf-8",
    )
    project = program.project(manifest='[skills]\nevil = { path = "../evil" }\n')
    installed = program("install", folder=project)

    run = program("load", "evil", "--json", folder=project)

    if installed.code == 0:
        assert_harmless(run)
        assert "\u202e" in json.dumps(run.document, ensure_ascii=False)
    else:
        assert installed.code == 3


def test_what_a_person_typed_is_shown_escaped_too(program: Program) -> None:
    project = program.project(manifest=manifest_of("http://127.0.0.1:9"))

    runs = [
        program(*words, folder=project)
        for words in (["add", EVIL], ["load", EVIL], ["check", EVIL], ["info", EVIL], [EVIL])
    ]

    for run in runs:
        assert run.code in {2, 3}, run
        assert_harmless(run)


def test_output_in_a_poor_encoding_is_escaped_not_a_bug(program: Program) -> None:
    write_skill(program.root, "left", needs=None)
    project = program.project(manifest='[skills]\nleft = { path = "../left" }\n')
    assert program("install", folder=project).code == 0
    (project / "skills.toml").write_text('[skills]\nleft = "\u00e9"\n', encoding="utf-8")

    runs = [
        program(*words, folder=project, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
        for words in (["tree"], ["lock"], ["load", "left", "--json"])
    ]

    assert [run.code for run in runs][1:2] == [3]
    for run in runs:
        assert run.code != 70
        assert (run.out + run.err).isascii()
