"""Other people's archives are read, and other people's tools read ours."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from spm_spec.digests import blob_digest
from spm_spec.package import read_package, write_package
from spm_spec.tree import FileEntry

if TYPE_CHECKING:
    from pathlib import Path

FILES = (
    FileEntry("SKILL.md", b"---\nname: hello\n---\n" * 50),
    FileEntry("assets/empty", b""),
    FileEntry("references/" + "long-name-" * 15 + ".md", b"long\n"),
    FileEntry("references/été.md", b"accent\n"),
    FileEntry("scripts/run.sh", b"#!/bin/sh\n", executable=True),
)


def needs(program: str) -> list[pytest.MarkDecorator]:
    """Mark a test as one CI must run, skipped elsewhere when the program is missing."""
    return [pytest.mark.needs(program), unless_installed(program)]


def unless_installed(program: str) -> pytest.MarkDecorator:
    """Skip a test when the program is missing."""
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A skill on disk, with the modes of a lenient umask."""
    root = tmp_path / "hello"
    for entry in FILES:
        path = root / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(entry.data)
        path.chmod(0o775 if entry.executable else 0o664)
    return root


def output_of(command: str, folder: Path) -> bytes:
    """Run a shell line beside the skill's folder; return what it prints."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=folder, check=True, capture_output=True
    )
    return done.stdout


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("tar cz hello", marks=needs("tar"), id="tar-gnu"),
        pytest.param("tar cz -C hello .", marks=needs("tar"), id="tar-dot"),
        pytest.param("tar --format=pax -cz hello", marks=needs("tar"), id="tar-pax"),
        pytest.param("tar --owner=5000000 -cz hello", marks=needs("tar"), id="tar-large-owner"),
        pytest.param("tar c hello | gzip -9", marks=needs("gzip"), id="tar-gzip-best"),
        pytest.param("tar c hello | zstd -19 -c", marks=needs("zstd"), id="tar-zstd"),
        pytest.param("tar --zstd -c hello", marks=needs("zstd"), id="tar-dash-zstd"),
        pytest.param("zip -qr x.zip hello && cat x.zip", marks=needs("zip"), id="zip"),
        pytest.param("zip -qr - hello | cat", marks=needs("zip"), id="zip-streamed"),
        pytest.param(
            "cd hello && zip -qrX0 ../x . && cat ../x.zip", marks=needs("zip"), id="zip-x0"
        ),
        pytest.param(
            "python3 -m zipfile -c x.zip hello/ && cat x.zip",
            marks=needs("python3"),
            id="python-zip",
        ),
        pytest.param(
            "python3 -m tarfile -c x.tar.gz hello && cat x.tar.gz",
            marks=needs("python3"),
            id="python-tar",
        ),
    ],
)
def test_an_ordinary_archive_is_read_as_the_files_that_went_into_it(
    command: str, folder: Path
) -> None:
    archive = output_of(command, folder.parent)

    assert read_package(archive, origin=command) == FILES


@pytest.mark.needs("git")
@unless_installed("git")
@pytest.mark.parametrize(
    "arguments",
    ["--format=tar.gz --prefix=hello-0123456/", "--format=zip --prefix=h/", "--format=zip"],
)
def test_what_git_archive_writes_is_read(arguments: str, folder: Path) -> None:
    """GitHub's downloads are made by `git archive`, with one folder around the files."""
    output_of(
        "git init -q && git add -A && git -c user.name=a -c user.email=a@example.org"
        " commit -q -m x",
        folder,
    )

    archive = output_of(f"git archive {arguments} HEAD", folder)

    assert read_package(archive, origin="git") == FILES


def test_pythons_tarfile_reads_what_is_written() -> None:
    with tarfile.open(fileobj=io.BytesIO(write_package(FILES, "tar.gz")), mode="r:gz") as archive:
        members = archive.getmembers()
        read = [(each.name, each.mode, archive.extractfile(each).read()) for each in members]  # type: ignore[union-attr]  # all are files

    assert read == [(e.path, 0o755 if e.executable else 0o644, e.data) for e in FILES]
    assert {(each.mtime, each.uid, each.gid, each.uname) for each in members} == {(0, 0, 0, "")}


def test_pythons_zipfile_reads_what_is_written() -> None:
    with zipfile.ZipFile(io.BytesIO(write_package(FILES, "zip"))) as archive:
        broken = archive.testzip()
        read = [(each.filename, archive.read(each)) for each in archive.infolist()]

    assert broken is None
    assert read == [(entry.path, entry.data) for entry in FILES]


@pytest.mark.parametrize(
    ("form", "command"),
    [
        pytest.param("tar.zst", "zstd -dcq ../p | tar x", marks=needs("zstd"), id="zstd"),
        pytest.param("tar.gz", "tar xzf ../p", marks=needs("tar"), id="tar"),
        pytest.param("zip", "unzip -q ../p", marks=needs("unzip"), id="unzip"),
    ],
)
def test_ordinary_tools_unpack_what_is_written(form: str, command: str, tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(write_package(FILES, form))  # type: ignore[arg-type]  # one of the forms
    target = tmp_path / "out"
    target.mkdir()

    output_of(f"LC_ALL=C.UTF-8 && export LC_ALL && {command}", target)

    unpacked = {str(path.relative_to(target)): path for path in target.rglob("*") if path.is_file()}
    assert {path: each.read_bytes() for path, each in unpacked.items()} == {
        entry.path: entry.data for entry in FILES
    }
    assert unpacked["scripts/run.sh"].stat().st_mode & 0o777 == 0o755


@unless_installed("b3sum")
def test_b3sum_agrees_with_blob_digests(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"hello\n")

    printed = output_of("b3sum --no-names file", tmp_path).decode().strip()

    assert printed == blob_digest(b"hello\n").hex
