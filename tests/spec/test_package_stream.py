"""Packages as streams: the same files, the same refusals, and memory for one chunk."""

from __future__ import annotations

import base64
import json
import tracemalloc
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from spm_spec.package import Form, PackageRefused, read_package, write_package
from spm_spec.package_stream import stream_package
from spm_spec.streams import CHUNK_BYTES
from spm_spec.tree import FileEntry, Limits
from tests.support.archives import ZipMember, tar, tar_gz, tar_member, zip_archive
from tests.support.package_scenarios import BOTH, SKILL, TEXT, VECTORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from spm_spec.streams import StreamedFile

FORMS: tuple[Form, ...] = ("tar.zst", "tar.gz", "zip")
CASES = sorted(path.stem for path in VECTORS.glob("*.json"))
MEBIBYTE = 1024 * 1024


def vector(name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text("utf-8"))
    return value


def streamed(archive: bytes, limits: Limits | None = None) -> Iterator[StreamedFile]:
    return stream_package(BytesIO(archive), origin="hello.spm", limits=limits or Limits())


def collected(files: Iterable[StreamedFile]) -> tuple[FileEntry, ...]:
    whole = (FileEntry(each.path, b"".join(each.chunks), each.executable) for each in files)
    return tuple(sorted(whole, key=lambda entry: entry.path.encode()))


@pytest.mark.parametrize("name", CASES)
def test_a_stream_gives_what_reading_gives_or_is_refused_with_the_same_words(name: str) -> None:
    archive = base64.b64decode(vector(name)["archive"])

    assert outcome(lambda: collected(streamed(archive))) == outcome(
        lambda: read_package(archive, origin="hello.spm")
    )


def outcome(read: Callable[[], tuple[FileEntry, ...]]) -> tuple[FileEntry, ...] | tuple[str, str]:
    try:
        return read()
    except PackageRefused as refusal:
        return refusal.reason, refusal.message


@pytest.mark.parametrize("form", FORMS)
def test_sizes_are_said_before_the_bytes(form: Form) -> None:
    sizes = {each.path: each.size for each in streamed(write_package(BOTH, form))}

    assert sizes == {entry.path: len(entry.data) for entry in BOTH}


@pytest.mark.parametrize("form", FORMS)
def test_files_nobody_took_are_passed_over(form: Form) -> None:
    paths = [each.path for each in streamed(write_package(BOTH, form))]

    assert paths == ["SKILL.md", "scripts/run.sh"]


def test_nothing_is_given_of_an_archive_whose_last_member_is_refused() -> None:
    archive = tar_gz(SKILL, tar_member("a", kind=b"2", link=b"/etc/passwd"))

    with pytest.raises(PackageRefused) as caught:
        next(streamed(archive))

    assert caught.value.message == "hello.spm: 'a': the member is a symbolic link"


def test_nothing_is_given_of_an_archive_whose_last_byte_is_wrong() -> None:
    with pytest.raises(PackageRefused) as caught:
        next(streamed(tar_gz(SKILL) + b"x"))

    assert caught.value.message == "hello.spm: 1 bytes follow the gzip member"


class Changing:
    """A file that is another one when its size is asked for the second time."""

    def __init__(self, first: bytes, second: bytes) -> None:
        self._files = [BytesIO(second), BytesIO(first), BytesIO(first)]

    def read(self, size: int, /) -> bytes:
        return self._files[-1].read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if whence == 2:
            self._files.pop()
        return self._files[-1].seek(offset, whence)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(zip_archive(ZipMember(b"evil.md", TEXT)), id="another-name"),
        pytest.param(zip_archive(ZipMember(b"SKILL.md", b"x")), id="another-size"),
        pytest.param(zip_archive(ZipMember(b"SKILL.md", TEXT, mode=0o100755)), id="another-mode"),
        pytest.param(zip_archive(), id="fewer"),
        pytest.param(zip_archive(ZipMember(b"SKILL.md", TEXT), ZipMember(b"a")), id="more"),
    ],
)
def test_an_archive_that_changes_between_the_passes_is_refused(other: bytes) -> None:
    source = Changing(zip_archive(ZipMember(b"SKILL.md", TEXT)), other)

    with pytest.raises(PackageRefused) as caught:
        collected(stream_package(source, origin="hello.spm"))

    assert caught.value.message == "hello.spm: the archive changed while it was read"


def large(form: Form, size: int) -> bytes:
    """Return an archive of one file of pseudo-random bytes, which no form shrinks."""
    block = b"".join(number.to_bytes(4, "big") for number in range(size // 4))
    if form == "zip":
        return write_package((FileEntry("data", block),), "zip")
    plain = tar(SKILL, tar_member("data", block))
    return (
        zstandard.ZstdCompressor(level=1).compress(plain)
        if form == "tar.zst"
        else tar_gz(plain[:-1024])
    )


@pytest.mark.parametrize("form", FORMS)
def test_memory_is_that_of_a_chunk_whatever_the_size_of_a_file(form: Form) -> None:
    source = BytesIO(large(form, 24 * MEBIBYTE))
    longest = total = 0

    tracemalloc.start()
    try:
        for file in stream_package(source, origin="x"):
            for chunk in file.chunks:
                longest = max(longest, len(chunk))
                total += len(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert total >= 24 * MEBIBYTE
    assert longest <= CHUNK_BYTES
    assert peak < 4 * MEBIBYTE


@pytest.mark.parametrize("length", [2000, 65_535])
def test_a_name_no_path_can_have_is_not_even_read(length: int) -> None:
    """Ten thousand of them would be held at once."""
    archive = zip_archive(ZipMember(b"SKILL.md", TEXT), ZipMember(b"a" * length))

    with pytest.raises(PackageRefused) as caught:
        next(streamed(archive))

    assert caught.value.message == f"hello.spm: a name of {length} bytes is too long for a path"
    assert caught.value.reason == "path-too-long"
