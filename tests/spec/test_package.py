"""Packages: the vectors, what refusals say, and that the same tree gives the same bytes."""

from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from spm_spec.digests import sha256_hex
from spm_spec.package import Form, PackageRefused, read_package, write_package
from spm_spec.tree import FileEntry, InvalidTree, Limits, build_tree
from tests.support.archives import ZipMember, tar_gz, tar_member, zip_archive
from tests.support.package_scenarios import BOTH, HELLO, VECTORS, all_scenarios, document

if TYPE_CHECKING:
    from pathlib import Path

FORMS: tuple[Form, ...] = ("tar.zst", "tar.gz", "zip")
CASES = {path.stem: path for path in sorted(VECTORS.glob("*.json"))}
ACCEPTED = [name for name, path in CASES.items() if '"refused"' not in path.read_text("utf-8")]

WRITE = """
import sys
from spm_spec.package import write_package
from spm_spec.tree import FileEntry
files = {FileEntry(f"d{n}/é{n}.md", b"x" * n, n % 2 == 0) for n in range(20)}
sys.stdout.buffer.write(write_package(files, sys.argv[1]))
"""


def vector(name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(CASES[name].read_text("utf-8"))
    return value


def test_the_vectors_are_the_ones_the_generator_writes() -> None:
    written = {scenario.name: document(scenario) for scenario in all_scenarios()}

    assert {name: path.read_text("utf-8") for name, path in CASES.items()} == written


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_accepted_archive_yields_the_files_and_tree_of_the_vector(name: str) -> None:
    case = vector(name)

    files = read_package(base64.b64decode(case["archive"]), origin=name)

    assert str(build_tree(files).digest) == case["tree"]
    assert [
        {"path": each.path, "text": each.data.decode(), "executable": each.executable}
        for each in files
    ] == case["files"]


WRITTEN: dict[str, Form] = {"written-tar-gz": "tar.gz", "written-zip": "zip"}


@pytest.mark.parametrize("name", WRITTEN)
def test_the_bytes_of_a_package_are_those_of_the_vector(name: str) -> None:
    assert write_package(BOTH, WRITTEN[name]) == base64.b64decode(vector(name)["archive"])


def test_tar_zst_holds_the_same_tar_as_tar_gz() -> None:
    plain = zstandard.ZstdDecompressor().decompress(write_package(BOTH))

    assert plain == gzip.decompress(write_package(BOTH, "tar.gz"))


@pytest.mark.skipif(zstandard.ZSTD_VERSION != (1, 5, 7), reason="pinned for zstd 1.5.7")
def test_the_bytes_of_tar_zst_are_pinned_for_a_release_of_zstd() -> None:
    assert sha256_hex(write_package(BOTH)) == (
        "667555fdb12b2db7c633623b0d740b00a9b7eadc15fa5c31495e784faee20b57"
    )


@pytest.mark.parametrize("form", FORMS)
def test_the_same_files_give_the_same_bytes_whatever_surrounds_them(form: Form) -> None:
    """Not the umask, the time zone, the language, the hash seed or the order."""
    worlds = [
        {"PYTHONHASHSEED": "1", "TZ": "Pacific/Kiritimati", "LC_ALL": "C"},
        {"PYTHONHASHSEED": "2", "TZ": "UTC", "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": "1"},
    ]

    archives = {
        subprocess.run(
            [sys.executable, "-c", WRITE, form],
            env={**os.environ, **world},
            umask=umask,
            check=True,
            capture_output=True,
        ).stdout
        for world, umask in zip(worlds, (0o000, 0o077), strict=True)
    }

    assert len(archives) == 1


def test_a_refusal_says_which_archive_which_member_and_what() -> None:
    link = tar_gz(tar_member("docs/a", kind=b"2", link=b"/etc/passwd"))

    with pytest.raises(PackageRefused) as caught:
        read_package(link, origin="hello-1.0.0.spm")

    assert caught.value.message == "hello-1.0.0.spm: 'docs/a': the member is a symbolic link"
    assert (caught.value.reason, caught.value.path) == ("symlink", "docs/a")


def test_a_refusal_escapes_what_a_hostile_name_would_send_to_the_terminal() -> None:
    link = tar_gz(tar_member("\x1b[2J", kind=b"2"))

    with pytest.raises(PackageRefused) as caught:
        read_package(link, origin="x")

    assert caught.value.message.isprintable()


def test_what_the_reader_would_drop_is_not_written() -> None:
    with pytest.raises(InvalidTree) as caught:
        write_package([*HELLO, FileEntry("docs/.DS_Store", b"")])

    assert caught.value.message == "'docs/.DS_Store': a package does not carry such files"


def test_a_skill_inside_one_folder_is_not_written() -> None:
    """Reading would take it out of the folder: another tree."""
    with pytest.raises(InvalidTree) as caught:
        write_package([FileEntry("hello/SKILL.md", b""), FileEntry("hello/a", b"")])

    assert caught.value.reason == "wrapped"


def test_a_folder_is_kept_when_no_skill_is_directly_in_it() -> None:
    files = (FileEntry("skills/hello/SKILL.md", b""),)

    assert read_package(write_package(files), origin="x") == files


@pytest.mark.parametrize("form", FORMS)
def test_data_that_shrinks_more_than_a_reader_believes_is_still_read(form: Form) -> None:
    files = (*HELLO, FileEntry("zeros", bytes(4_000_000)))

    assert read_package(write_package(files, form), origin="zeros") == files


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(file_bytes=9), "file-too-large"),
        (Limits(tree_bytes=25), "tree-too-large"),
        (Limits(entries=1), "too-many-entries"),
        (Limits(depth=1), "too-deep"),
        (Limits(path_bytes=10), "path-too-long"),
    ],
)
def test_each_cap_holds_for_each_form(form: Form, limits: Limits, reason: str) -> None:
    with pytest.raises(PackageRefused) as caught:
        read_package(write_package(BOTH, form), origin="x", limits=limits)

    assert caught.value.reason == reason


def test_a_frame_without_its_size_is_read_like_one_with_it() -> None:
    """`tar --zstd` does not know the size when it writes the header."""
    plain = zstandard.ZstdDecompressor().decompress(write_package(BOTH))
    streamed = zstandard.ZstdCompressor(write_content_size=False).compress(plain)

    assert read_package(streamed, origin="x") == BOTH


def test_a_frame_with_a_wrong_checksum_is_refused() -> None:
    archive = bytearray(write_package(BOTH))
    archive[-1] ^= 1

    with pytest.raises(PackageRefused) as caught:
        read_package(bytes(archive), origin="x")

    assert caught.value.reason == "bad-compression"


def test_reading_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)

    read_package(write_package(BOTH), origin="x")
    with pytest.raises(PackageRefused):
        read_package(zip_archive(ZipMember(b"../a", b"x")), origin="x")

    assert sorted(tmp_path.rglob("*")) == [tmp_path / "a", inside]
