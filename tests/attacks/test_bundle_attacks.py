"""What a parser of zstd or msgpack does wrong by itself, brought in as a bundle.

Bundles come in by `spm store import` alone: `publish` and the client read packages
(see ``test_attack_classes`` for zstd there), and `pack` reads folders. Each pitfall
was measured on the libraries in use; the first tests hold that they still have it, so
that nobody takes away a check that looks idle.
"""

from __future__ import annotations

import base64
import json
import random
import tracemalloc
from io import BytesIO
from typing import TYPE_CHECKING, Any

import msgpack  # type: ignore[import-untyped]  # it ships no types
import pytest
import zstandard

from spm_spec.bundle import BUNDLE_MAGIC, BundleRefused, read_bundle
from tests.support.archives import zstd_frame, zstd_run
from tests.support.bundle_scenarios import ONE, TWO, VECTORS, Parts, doubled, packed, rooted
from tests.support.doors import World, through, world_below

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTENT = ONE.content
SKIPPABLE = b"\x50\x2a\x4d\x18" + bytes(4)
PETABYTE = 1 << 50
MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_below(tmp_path_factory.mktemp("world")) as made:
        yield made


def vectors() -> dict[str, tuple[bytes, str]]:
    """Return every bundle of spec/vectors/bundle/ that must be refused."""
    found: dict[str, tuple[bytes, str]] = {}
    for path in sorted(VECTORS.glob("*.json")):
        case: dict[str, Any] = json.loads(path.read_text("utf-8"))
        # What does not begin as a bundle is taken for a package, and refused as that.
        if "refused" in case and case["refused"] not in {"unknown-format", "unknown-version"}:
            found[path.stem] = base64.b64decode(case["bundle"]), case["refused"]
    return found


@through(["import"], vectors())
def test_refused_bundle_changes_nothing(
    world: World, door: str, attack: bytes, reason: str
) -> None:
    world.refuses(door, attack, reason)


def framed(frame: bytes, reason: str) -> tuple[bytes, str]:
    return BUNDLE_MAGIC + frame, reason


def test_zstandard_still_trusts_the_size_in_a_header() -> None:
    with pytest.raises(MemoryError):
        zstandard.ZstdDecompressor().decompress(zstd_frame(CONTENT, declared=PETABYTE))


def test_zstandard_still_drops_what_follows_a_frame() -> None:
    plain = zstandard.ZstdDecompressor()

    assert plain.decompress(zstd_frame(b"one") + b"JUNK") == b"one"
    assert plain.decompress(zstd_frame(b"one") + zstd_frame(b"two")) == b"one"


def test_zstandard_still_reads_a_frame_cut_short_without_a_word() -> None:
    frame = zstandard.ZstdCompressor(write_checksum=True).compress(CONTENT)

    assert zstandard.ZstdDecompressor().stream_reader(frame[:-4]).read() == CONTENT


def test_msgpack_still_takes_long_numbers_and_duplicate_keys() -> None:
    assert msgpack.unpackb(b"\xcf" + bytes(7) + b"\1") == 1  # pyright: ignore[reportUnknownMemberType]
    assert msgpack.unpackb(b"\x82\xa1a\1\xa1a\2") == {"a": 2}  # pyright: ignore[reportUnknownMemberType]


@through(
    ["import"],
    {
        "more": framed(zstd_frame(CONTENT, declared=len(CONTENT) + 1), "bad-compression"),
        "less": framed(zstd_frame(CONTENT, declared=len(CONTENT) - 1), "bad-compression"),
        "64 GiB": framed(zstd_frame(CONTENT, declared=1 << 36), "bad-compression"),
        "petabyte": framed(zstd_frame(CONTENT, declared=PETABYTE), "bundle-too-large"),
        "nothing": framed(zstd_frame(CONTENT, declared=0), "bad-compression"),
        "unsaid": framed(zstd_run(10, CONTENT), "no-content-size"),
    },
)
def test_size_header_that_lies(world: World, door: str, attack: bytes, reason: str) -> None:
    world.refuses(door, attack, reason)


@through(
    ["import"],
    {
        f"{cut} bytes": framed(zstd_frame(CONTENT)[:cut], "truncated")
        for cut in (0, 3, 4, 5, 10, 14, 16, 17, 50, len(zstd_frame(CONTENT)) - 1)
    },
)
def test_frame_cut_short(world: World, door: str, attack: bytes, reason: str) -> None:
    world.refuses(door, attack, reason)


def test_frame_cut_in_its_checksum_is_refused() -> None:
    frame = zstandard.ZstdCompressor(write_checksum=True).compress(CONTENT)

    for cut in range(1, 5):
        assert reason_of(BUNDLE_MAGIC + frame[:-cut]) == "truncated"


@through(
    ["import"],
    {
        "junk": framed(zstd_frame(CONTENT) + b"JUNK", "trailing-data"),
        "zeros": framed(zstd_frame(CONTENT) + bytes(512), "trailing-data"),
        "frame": framed(zstd_frame(CONTENT) * 2, "trailing-data"),
        "empty frame": framed(zstd_frame(CONTENT) + zstd_frame(b""), "trailing-data"),
        "skippable frame": framed(
            zstd_frame(CONTENT) + b"\x50\x2a\x4d\x18\0\0\0\0", "trailing-data"
        ),
        "skippable frame before": framed(SKIPPABLE + zstd_frame(CONTENT), "bad-compression"),
        "bundle": (ONE.bundle * 2, "trailing-data"),
    },
)
def test_frame_with_something_beside_it(
    world: World, door: str, attack: bytes, reason: str
) -> None:
    world.refuses(door, attack, reason)


def directory(encoded: bytes, reason: str) -> tuple[bytes, str]:
    return rooted(encoded).bundle, reason


LONGEST = b"\xcf" + bytes(7) + b"\x14"
NODE = ["SKILL.md", 0, ONE.keys[0][2], 20]


@through(
    ["import"],
    {
        "duplicate keys": directory(b"\x82\xa1a\1\xa1a\2", "not-msgpack"),
        "key 1 and key true": directory(b"\x82\1\1\xc3\1", "not-msgpack"),
        "map in a row": directory(b"\x91\x94\x81\1\2\0\xc4\0\0", "not-msgpack"),
        "empty map": directory(b"\x80", "wrong-shape"),
        "long number": directory(packed([NODE])[:-1] + b"\xcd\0\x14", "not-canonical"),
        "longest number": directory(packed([NODE])[:-1] + LONGEST, "not-canonical"),
        "nested deep": directory(b"\x91" * 2000 + b"\xc0", "not-msgpack"),
        "nested less deep": directory(b"\x91" * 1000 + b"\xc0", "wrong-shape"),
        "huge array": directory(b"\xdd\xff\xff\xff\xff", "not-msgpack"),
        "huge text": directory(b"\x91\xdb\xff\xff\xff\xff", "not-msgpack"),
        "huge bytes": directory(b"\x91\xc6\xff\xff\xff\xff", "not-msgpack"),
        "huge extension": directory(b"\x91\xc9\xff\xff\xff\xff\0", "not-msgpack"),
        "time": directory(b"\x91\xd6\xff\0\0\0\0", "not-msgpack"),
        "reserved byte": directory(b"\xc1", "not-msgpack"),
        "second value": directory(packed([NODE]) + packed([NODE]), "not-msgpack"),
        "nothing": directory(b"", "not-msgpack"),
    },
)
def test_msgpack_pitfall(world: World, door: str, attack: bytes, reason: str) -> None:
    world.refuses(door, attack, reason)


def reason_of(bundle: bytes) -> str:
    with pytest.raises(BundleRefused) as caught:
        read_whole(bundle)
    return caught.value.reason


def read_whole(bundle: bytes) -> None:
    for _, chunks in read_bundle(BytesIO(bundle).read, origin="attack").blobs():
        for _ in chunks:
            pass


def many_trees() -> Parts:
    """Return ten thousand trees which share directories of 8192 files."""
    below = doubled(12)
    key = rooted(*below).keys[0]
    return Parts(
        tuple((b"a%04d" % number, b"", key[2]) for number in range(9999)),
        rooted(*below).directories,
        (),
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(many_trees().content, "too-many-entries", id="trees-that-share-directories"),
        pytest.param(rooted(*doubled(4000)).content, "too-many-entries", id="doubled-4000-times"),
        pytest.param(TWO.listing[:4] + bytes(40 * MEBIBYTE), "bad-name", id="zeros"),
        pytest.param(
            rooted(b"\xdd\0\0\1\x90" + (b"\xdc\x27\x10" + b"\x90" * 10_000) * 400).content,
            "not-msgpack",
            id="millions-of-arrays",
        ),
    ],
)
def test_small_bundle_takes_neither_memory_nor_time(content: bytes, reason: str) -> None:
    bundle = BUNDLE_MAGIC + zstandard.ZstdCompressor().compress(content)
    tracemalloc.start()
    try:
        refused = reason_of(bundle)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert refused == reason
    assert peak < 24 * MEBIBYTE


def test_millions_of_blocks_of_nothing_are_refused() -> None:
    """Three bytes each, and no byte more of content: only time would pass."""
    header = zstd_frame(CONTENT)[: 4 + 1 + 1 + 8]

    assert reason_of(BUNDLE_MAGIC + header + bytes(3 * 1_200_000)) == "bad-compression"


def test_random_damage_is_refused_or_harmless() -> None:
    source = random.Random(11)  # noqa: S311 - not a secret; the same every time
    content = TWO.content
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(source.randrange(1, 4)):
            damaged[source.randrange(len(damaged))] = source.randrange(256)
        if bytes(damaged) != content:
            assert reason_of(BUNDLE_MAGIC + zstd_frame(bytes(damaged)))
