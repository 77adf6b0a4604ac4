"""Bundles: the vectors, that the same trees give the same bytes, and what is checked when."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from spm_spec.bundle import (
    BUNDLE_MAGIC,
    BundledTree,
    BundleReader,
    BundleRefused,
    read_bundle,
    write_bundle,
)
from spm_spec.digests import Digest, blob_digest
from spm_spec.tree import FileEntry, InvalidTree, TreeFile, build_tree
from tests.support.bundle_scenarios import (
    HELLO,
    ONE,
    RUNS,
    TEXT,
    VECTORS,
    all_scenarios,
    document,
    parts,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES = {path.stem: path for path in sorted(VECTORS.glob("*.json"))}
REFUSED = [name for name, path in CASES.items() if '"refused"' in path.read_text("utf-8")]
ACCEPTED = sorted(CASES.keys() - set(REFUSED))


def vector(name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(CASES[name].read_text("utf-8"))
    return value


def opened(bundle: bytes) -> BundleReader:
    return read_bundle(BytesIO(bundle).read, origin="carried.spmb")


def whole(bundle: bytes) -> dict[Digest, bytes]:
    return {key.digest: b"".join(chunks) for key, chunks in opened(bundle).blobs()}


def bundled(name: str, version: str | None, files: tuple[FileEntry, ...]) -> BundledTree:
    tree = build_tree(files)
    return BundledTree(name, version, tree.digest, tuple(tree.directories.values()))


class Blobs:
    """Gives bytes by digest, in chunks of ``step``, and remembers what it was asked."""

    def __init__(self, *files: FileEntry, step: int = 1 << 20) -> None:
        self._data = {blob_digest(file.data): file.data for file in files}
        self._step = step
        self.asked: list[str] = []

    def __call__(self, file: TreeFile) -> Iterator[bytes]:
        self.asked.append(file.path)
        data = self._data[file.digest]
        for start in range(0, len(data), self._step):
            yield data[start : start + self._step]


def test_the_vectors_are_the_ones_the_generator_writes() -> None:
    written = {scenario.name: document(scenario) for scenario in all_scenarios()}

    assert {name: path.read_text("utf-8") for name, path in CASES.items()} == written


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_accepted_bundle_yields_the_trees_and_blobs_of_the_vector(name: str) -> None:
    case = vector(name)
    reader = opened(base64.b64decode(case["bundle"]))

    blobs = [(key, b"".join(chunks)) for key, chunks in reader.blobs()]

    assert case["trees"] == [
        {"name": tree.name, "version": tree.version, "tree": str(tree.digest)}
        for tree in reader.trees
    ]
    assert case["blobs"] == [
        {"digest": str(key.digest), "text": data.decode()} for key, data in blobs
    ]
    assert [key.size for key, _ in blobs] == [len(data) for _, data in blobs]
    assert reader.size == sum(len(data) for _, data in blobs)
    assert [tree.tree().digest for tree in reader.trees] == [tree.digest for tree in reader.trees]


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_a_bundle_holds_is_written_with_the_same_content(name: str) -> None:
    bundle = base64.b64decode(vector(name)["bundle"])
    blobs = whole(bundle)

    written = b"".join(write_bundle(opened(bundle).trees, lambda file: [blobs[file.digest]]))

    assert expanded(written) == expanded(bundle)


def expanded(bundle: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(bundle[len(BUNDLE_MAGIC) :])


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_bundle_is_refused_for_the_reason_of_the_vector(name: str) -> None:
    case = vector(name)

    with pytest.raises(BundleRefused) as caught:
        whole(base64.b64decode(case["bundle"]))

    assert caught.value.reason == case["refused"]
    assert caught.value.message.startswith("carried.spmb: ")
    assert caught.value.message.isprintable()


def test_the_same_trees_give_the_same_bytes_in_any_order_and_chunks() -> None:
    big = (*RUNS, FileEntry("data", bytes(range(256)) * 12_000))
    trees = [bundled("b", "1.0.0", big), bundled("a", None, HELLO), bundled("b", "0.9.0", RUNS)]
    files = (*HELLO, *big)

    one = b"".join(write_bundle(trees, Blobs(*files)))
    other = b"".join(write_bundle([*trees[::-1], trees[0]], Blobs(*files, step=7777)))

    assert one == other


@pytest.mark.skipif(zstandard.ZSTD_VERSION != (1, 5, 7), reason="pinned for zstd 1.5.7")
def test_the_bytes_of_a_bundle_are_pinned_for_a_release_of_zstd() -> None:
    written = b"".join(write_bundle([bundled("hello", "1.0.0", HELLO)], Blobs(*HELLO)))

    assert len(written) == 183
    assert str(blob_digest(written)) == (
        "blake3:d9f565d02681d551b8fc3b1a2bea13b8e5ccf99b42806c4ffc59fc9a8af27b79"
    )


def test_each_blob_is_asked_for_once() -> None:
    blobs = Blobs(*RUNS, FileEntry("e", b""))
    twice = (*RUNS, FileEntry("zz/copy.md", TEXT))

    b"".join(write_bundle([bundled("a", None, RUNS), bundled("b", None, twice)], blobs))

    assert sorted(blobs.asked) == ["SKILL.md", "scripts/run.sh"]


def test_wrong_bytes_are_not_written() -> None:
    with pytest.raises(InvalidTree) as caught:
        b"".join(write_bundle([bundled("a", None, HELLO)], lambda _: [b"other"]))

    assert caught.value.message == (f"'SKILL.md': the bytes are not those of {blob_digest(TEXT)}")


def test_a_bundle_no_reader_takes_is_not_written() -> None:
    with pytest.raises(InvalidTree, match="'Hello' is not a skill name") as caught:
        write_bundle([bundled("Hello", None, HELLO)], Blobs(*HELLO))

    assert caught.value.reason == "bad-name"


def test_a_refusal_says_which_bundle_which_skill_and_what() -> None:
    said = parts(("hello", "1.0.0", RUNS))
    lying = replace(said, directories=said.directories[:1])

    with pytest.raises(BundleRefused) as caught:
        opened(lying.bundle)

    assert caught.value.message.startswith("carried.spmb: 'hello': the directory blake3:")
    assert (caught.value.reason, caught.value.path) == ("missing-directory", "hello")


def test_no_last_chunk_comes_before_the_digest_is_checked() -> None:
    """Whoever writes chunks as they come never has a whole file of wrong bytes."""
    big = (FileEntry("big", bytes(3_000_000)),)
    said = parts(("a", "", big))
    wrong = replace(said, blobs=(bytes(2_999_999) + b"x",))
    packed = zstandard.ZstdCompressor().compress(wrong.content)
    got = 0

    with pytest.raises(BundleRefused, match="the bytes are not those of"):  # noqa: PT012 - counts
        for _, chunks in opened(BUNDLE_MAGIC + packed).blobs():
            for chunk in chunks:
                got += len(chunk)

    assert got < 3_000_000


def test_a_refusal_that_was_passed_over_is_raised_again() -> None:
    said = parts(("hello", "1.0.0", RUNS))
    wrong = said.__class__(
        said.keys, said.directories, (said.blobs[0].upper(), said.blobs[1].upper())
    )
    blobs = opened(wrong.bundle).blobs()
    _, chunks = next(blobs)
    with pytest.raises(BundleRefused):
        b"".join(chunks)

    with pytest.raises(BundleRefused):
        next(blobs)


def test_chunks_nobody_took_are_checked_all_the_same() -> None:
    said = replace(ONE, blobs=(TEXT.upper(),))

    with pytest.raises(BundleRefused, match="the bytes are not those of"):
        list(opened(said.bundle).blobs())


def test_every_cut_of_a_bundle_is_refused() -> None:
    for length in range(len(ONE.bundle)):
        with pytest.raises(BundleRefused):
            whole(ONE.bundle[:length])


def test_every_changed_bit_of_a_bundle_is_refused_or_harmless() -> None:
    """What is not refused is a frame that says the same in another way."""
    for position in range(len(ONE.bundle)):
        changed = bytearray(ONE.bundle)
        changed[position] ^= 0x41
        try:
            blobs = whole(bytes(changed))
        except BundleRefused:
            continue
        assert list(blobs.values()) == [TEXT]
