"""The checksum of a packed skill, and the lines that packing sets."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from spm_spec.checksum import SkillYamlNotEditable, checksum_of, packed_files
from spm_spec.skill import read_skill
from spm_spec.tree import FileEntry
from spm_spec.versions import Version

if TYPE_CHECKING:
    from pathlib import Path

SKILL = FileEntry("SKILL.md", b"---\nname: a\ndescription: b\n---\n")
SCRIPT = FileEntry("scripts/run.sh", b"#!/bin/sh\n", executable=True)
VERSION = Version.parse("1.2.3")
CHECKSUM = checksum_of({SKILL.path: SKILL.data, SCRIPT.path: SCRIPT.data})


def packed_yaml(written: bytes) -> str:
    """What packing makes of a skill.yaml."""
    files = packed_files([SKILL, FileEntry("skill.yaml", written), SCRIPT], version=VERSION)
    return next(entry.data for entry in files if entry.path == "skill.yaml").decode()


def test_the_checksum_is_what_sha256sum_says(tmp_path: Path) -> None:
    """The command of spec/skill.md, on names that sort differently by locale."""
    files = {"SKILL.md": b"x", "a/B.txt": b"1", "a/b.txt": b"2", "Z": b"", "é": b"3", "a-b": b"4"}
    for path, data in {**files, "skill.yaml": b"version: 1.0.0\n"}.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(data)
    command = (
        r"find . -type f ! -path ./skill.yaml -printf '%P\n' | LC_ALL=C sort "
        r"| xargs -d '\n' sha256sum | sha256sum"
    )
    said = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, check=True, capture_output=True, text=True
    )

    assert checksum_of(files) == f"sha256:{said.stdout.split()[0]}"


def test_packing_makes_skill_yaml_if_there_is_none() -> None:
    files = packed_files([SCRIPT, SKILL], version=VERSION)

    assert [entry.path for entry in files] == ["SKILL.md", "scripts/run.sh", "skill.yaml"]
    assert files[1] == SCRIPT
    assert files[2].data.decode() == f"version: 1.2.3\nchecksum: {CHECKSUM}\n"


@pytest.mark.parametrize(
    ("written", "packed"),
    [
        (b"", "version: 1.2.3\nchecksum: {}\n"),
        (b"# mine\nauthor: me", "# mine\nauthor: me\nversion: 1.2.3\nchecksum: {}\n"),
        (
            b"version: 1.0.0 # set by hand\nauthor: me\n",
            "version: 1.2.3 # set by hand\nauthor: me\nchecksum: {}\n",
        ),
        (
            b"checksum: sha256:00  # old\n\nversion: '1.2.3'\n",
            "checksum: {}  # old\n\nversion: '1.2.3'\n",
        ),
        (b'"version": 1.0.0\n', "version: 1.2.3\nchecksum: {}\n"),
        (
            b"version: 1.0.0\r\nauthor: me\r\n",
            "version: 1.2.3\r\nauthor: me\r\nchecksum: {}\r\n",
        ),
        (
            b"signing:\n  version: 7\n  checksum: x\n",
            "signing:\n  version: 7\n  checksum: x\nversion: 1.2.3\nchecksum: {}\n",
        ),
        (b"\xef\xbb\xbfauthor: me\n", "\ufeffauthor: me\nversion: 1.2.3\nchecksum: {}\n"),
        (b"---\nauthor: me\n", "---\nauthor: me\nversion: 1.2.3\nchecksum: {}\n"),
    ],
)
def test_packing_sets_two_lines_and_nothing_else(written: bytes, packed: str) -> None:
    assert packed_yaml(written) == packed.replace("{}", CHECKSUM)


def test_packing_what_was_packed_changes_nothing() -> None:
    once = packed_files([SKILL, SCRIPT, FileEntry("skill.yaml", b"tags: [a]\n")], version=VERSION)

    assert packed_files(once, version=VERSION) == once


def test_what_was_packed_loads_and_may_be_published() -> None:
    files = packed_files([SKILL, SCRIPT], version=VERSION)
    reading = read_skill({entry.path: entry.data for entry in files}, folder="a")

    assert reading.problems == ()
    assert reading.publishable
    assert reading.skill is not None
    assert (reading.skill.version, reading.skill.checksum) == (VERSION, CHECKSUM)


@pytest.mark.parametrize(
    ("written", "key"),
    [
        (b"{author: me}\n", "version"),
        (b"{version: 1.0.0}\n", "version"),
        (b"author: me\n...\n", "version"),
        (b"version: >\n  1.0.0\n", "version"),
        (b"- a\n", "version"),
        (b"version: 1.2.3\nchecksum:\n  a: b\n", "checksum"),
    ],
)
def test_packing_refuses_what_it_cannot_edit_by_lines(written: bytes, key: str) -> None:
    with pytest.raises(SkillYamlNotEditable) as caught:
        packed_yaml(written)

    assert caught.value.message == f"skill.yaml: `{key}` cannot be set by editing a line"
    assert caught.value.hint == f"write `{key}: …` on a line of its own at the left margin"
