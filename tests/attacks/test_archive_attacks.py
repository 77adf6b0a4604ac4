"""Each known way to make an archive reader do harm, refused for the right reason.

The archives are the vectors of spec/vectors/package/; a test's name is its attack's.
"""

from __future__ import annotations

import base64
import json
import random
import struct
import tracemalloc
from typing import Any

import pytest

from spm_spec.package import PackageRefused, read_package
from tests.support.archives import (
    ZipMember,
    tar,
    tar_gz,
    tar_member,
    zip_archive,
    zstd_frame,
    zstd_run,
)
from tests.support.package_scenarios import SKILL, TEXT, VECTORS, ZIP_SKILL, all_scenarios

CASES = {path.stem: path for path in sorted(VECTORS.glob("*.json"))}
REFUSED = [name for name, path in CASES.items() if '"refused"' in path.read_text("utf-8")]


def reason_of(archive: bytes) -> str:
    with pytest.raises(PackageRefused) as caught:
        read_package(archive, origin="attack")
    assert caught.value.message.startswith("attack: ")
    assert caught.value.message.isprintable()
    return caught.value.reason


@pytest.mark.parametrize("name", REFUSED)
def test_archive_is_refused(name: str) -> None:
    case: dict[str, Any] = json.loads(CASES[name].read_text("utf-8"))

    assert reason_of(base64.b64decode(case["archive"])) == case["refused"]


@pytest.mark.parametrize(
    "bomb",
    [
        pytest.param(
            zstd_run(1 << 30, tar_member("a", size=b"%011o\0" % (1 << 25))), id="zstd-run-blocks"
        ),
        pytest.param(zstd_frame(tar(SKILL), declared=1 << 36), id="zstd-declared-64-gib"),
        pytest.param(
            zip_archive(*[ZipMember(b"a%d" % n, b"x", method=8, size=1 << 26) for n in range(99)]),
            id="zip-declared-6-gib",
        ),
        pytest.param(
            next(each.archive for each in all_scenarios() if each.name == "gzip-bomb"),
            id="gzip-run-of-matches",
        ),
    ],
)
def test_decompression_bomb_is_refused_before_it_takes_memory(bomb: bytes) -> None:
    tracemalloc.start()
    try:
        reason = reason_of(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert reason == "decompression-bomb"
    assert peak < 24 * 1024 * 1024


def test_million_headers_are_refused_at_the_cap_on_entries() -> None:
    """Ten thousand and one empty files, which compress to almost nothing."""
    members = [tar_member(f"f{number}") for number in range(10_001)]

    assert reason_of(tar_gz(*members)) == "too-many-entries"


def test_million_folders_are_refused_at_the_cap_on_entries() -> None:
    members = [tar_member(f"f{number}/", kind=b"5") for number in range(10_001)]

    assert reason_of(tar_gz(SKILL, *members)) == "too-many-entries"


def test_quoted_overlap_bomb_is_refused() -> None:
    """Many records of the directory that share one member's data."""
    members = [ZIP_SKILL, *[ZipMember(b"a%d" % number, offset=0) for number in range(20)]]

    assert reason_of(zip_archive(*members)) == "hidden-data"


def test_zip_shown_differently_to_a_streaming_reader_is_refused() -> None:
    """A member the directory does not list, in front of the first that it does."""
    hidden = zip_archive(ZipMember(b"SKILL.md", b"evil"))
    start = hidden.index(b"PK\1\2")

    assert reason_of(hidden[:start] + zip_archive(ZIP_SKILL)) == "hidden-data"


def test_tar_and_zip_polyglot_is_refused() -> None:
    good = zip_archive(ZIP_SKILL)
    header = bytearray(tar_member("PK", good))

    assert reason_of(bytes(header) + bytes(1024) + good) == "unknown-format"


def test_gzip_header_with_an_archive_as_its_comment_is_read_as_gzip_only() -> None:
    good = tar_gz(SKILL)
    comment = zip_archive(ZipMember(b"evil", b"x")).replace(b"\0", b"\1") + b"\0"
    archive = good[:3] + b"\x10" + good[4:10] + comment + good[10:]

    assert [each.data for each in read_package(archive, origin="x")] == [TEXT]


@pytest.mark.parametrize("form", ["tar", "zip"])
def test_every_cut_of_an_archive_is_refused(form: str) -> None:
    good = tar_gz(SKILL) if form == "tar" else zip_archive(ZIP_SKILL)

    for length in range(len(good)):
        with pytest.raises(PackageRefused):
            read_package(good[:length], origin="cut")


def test_every_single_changed_byte_is_refused_or_harmless() -> None:
    """A changed byte of a zip is refused, or it changed a time or a mode."""
    good = zip_archive(ZIP_SKILL)
    for position in range(len(good)):
        changed = bytearray(good)
        changed[position] ^= 0x41
        try:
            files = read_package(bytes(changed), origin="changed")
        except PackageRefused:
            continue
        assert [each.data for each in files] == [TEXT]


def test_random_headers_after_good_ones_are_refused() -> None:
    source = random.Random(7)  # noqa: S311 - not a secret; the same every time
    for _ in range(200):
        block = bytearray(tar_member("a", b""))
        for _ in range(3):
            block[source.randrange(512)] = source.randrange(256)
        block[148:156] = b"        "
        block[148:156] = b"%06o\0 " % sum(block)
        try:
            read_package(tar_gz(SKILL, bytes(block)), origin="random")
        except PackageRefused as error:
            assert error.reason  # noqa: PT017 - a refusal is one of the two right answers


def test_end_record_that_points_into_itself_is_refused() -> None:
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, 0, 0, 0)

    assert reason_of(end) == "bad-header"
