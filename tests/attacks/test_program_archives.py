"""A hostile archive given to the installed program: refused, and nothing is written or sent."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.support.archives import tar_gz, tar_member
from tests.support.program import Program, snapshot, write_skill
from tests.support.raw_http import lying_server, reply
from tests.support.skill_archives import skill_archive

if TYPE_CHECKING:
    from pathlib import Path

SKILL = b"---\nname: evil\ndescription: Is evil.\n---\n"
GOOD = tar_member("SKILL.md", SKILL)


def _zip_of(name: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("SKILL.md", SKILL)
        archive.writestr(name, b"evil")
    return made.getvalue()


ARCHIVES = {
    "climbs": tar_gz(GOOD, tar_member("../../evil.txt", b"evil")),
    "climbs in a zip": _zip_of("../../evil.txt"),
    "is absolute": tar_gz(GOOD, tar_member("/tmp/evil.txt", b"evil")),
    "links out": tar_gz(GOOD, tar_member("notes", kind=tarfile.SYMTYPE, link=b"/etc/passwd")),
    "links hard": tar_gz(GOOD, tar_member("notes", kind=tarfile.LNKTYPE, link=b"/etc/passwd")),
    "holds a device": tar_gz(GOOD, tar_member("zero", kind=tarfile.CHRTYPE)),
    "says it twice": tar_gz(GOOD, GOOD),
    "differs by case": tar_gz(GOOD, tar_member("skill.MD", SKILL)),
    "is cut": skill_archive("evil")[:-9],
    "is followed by more": skill_archive("evil") + b"more",
    "is nothing": b"",
    "is no archive": b"#!/bin/sh\necho evil\n" * 99,
}


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program.below(tmp_path)


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_is_hostile_is_refused_before_anything_is_sent(
    program: Program, name: str
) -> None:
    path = program.root / "evil.spm"
    path.write_bytes(ARCHIVES[name])
    before = snapshot(program.root)

    with lying_server(lambda _path, _headers: reply()) as server:
        run = program(
            "publish", "evil.spm", "--json", "--registry", server.url, SPM_TOKEN="spm_secret"
        )

        assert server.seen == []
    assert (run.code, run.out) == (6, ""), run.err
    assert json.loads(run.err)["error"]["message"].startswith("evil.spm: ")
    assert snapshot(program.root) == before


def test_a_folder_whose_link_leaves_it_is_not_packed(program: Program) -> None:
    folder = write_skill(program.root, "evil")
    (folder / "notes.md").symlink_to("/etc/passwd")
    before = snapshot(program.root)

    commands = [["pack", "evil"], ["publish", "evil", "--registry", "http://127.0.0.1:9"]]
    runs = [program(*words) for words in commands]

    for run in runs:
        assert run.code in {3, 6}, run.err
        assert "notes.md" in run.err
        assert "root:" not in run.err
    assert snapshot(program.root) == before


def test_a_skill_with_a_pipe_in_it_does_not_hang(program: Program) -> None:
    import os

    folder = write_skill(program.root, "evil")
    os.mkfifo(folder / "pipe")

    run = program("pack", "evil")

    assert run.code in {3, 6}, run.err
    assert "pipe" in run.err


def test_a_published_archive_must_be_publishable(program: Program) -> None:
    path = program.root / "poor.spm"
    path.write_bytes(tar_gz(tar_member("SKILL.md", b"no front matter\n")))

    with lying_server(lambda _path, _headers: reply()) as server:
        run = program("publish", "poor.spm", "--registry", server.url, SPM_TOKEN="spm_secret")

        assert server.seen == []
    assert run.code == 3, run.err
    assert "`poor.spm` may not be published:" in run.err


def test_publishing_without_a_token_says_where_one_comes_from(program: Program) -> None:
    write_skill(program.root, "good")

    run = program("publish", "good", "--registry", "http://127.0.0.1:9")

    assert run.code == 3
    assert run.err == (
        "error: publishing needs a token\n"
        "hint: put one into SPM_TOKEN; `spm registry token create` makes it\n"
    )
