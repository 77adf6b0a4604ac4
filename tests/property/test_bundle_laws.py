"""Laws of bundles and of directories, for any trees and any damage."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import zstandard
from hypothesis import given
from hypothesis import strategies as st

from spm_spec.bundle import (
    BUNDLE_MAGIC,
    BundledTree,
    BundleRefused,
    read_bundle,
    write_bundle,
)
from spm_spec.digests import Digest, blob_digest
from spm_spec.tree import (
    FileEntry,
    InvalidTree,
    Limits,
    build_tree,
    decode_directory,
    encode_directory,
)
from tests.property.test_tree_laws import entries
from tests.support.archives import zstd_frame
from tests.support.bundle_scenarios import all_scenarios

if TYPE_CHECKING:
    import random

LIMITS = Limits(depth=8, path_bytes=200, entries=20, file_bytes=500, tree_bytes=1000)
CONTENTS = tuple(each.accepted.content for each in all_scenarios() if each.accepted is not None)
VERSIONS = (None, "1.0.0", "1.0.0-rc.1", "2.0.0")

skills = st.lists(
    st.tuples(st.sampled_from(("a", "b-c", "hello")), st.sampled_from(VERSIONS), entries),
    min_size=1,
    max_size=2,
)


def bundled(name: str, version: str | None, files: list[FileEntry]) -> BundledTree:
    tree = build_tree(files)
    return BundledTree(name, version, tree.digest, tuple(tree.directories.values()))


def written(skills: list[tuple[str, str | None, list[FileEntry]]], step: int) -> bytes:
    trees = [bundled(*skill) for skill in skills]
    data = {blob_digest(file.data): file.data for _, _, files in skills for file in files}

    def pieces(digest: Digest) -> list[bytes]:
        blob = data[digest]
        return [blob[start : start + step] for start in range(0, len(blob), step)]

    return b"".join(write_bundle(trees, lambda file: pieces(file.digest)))


@given(skills, st.integers(1, 64))
def test_reading_is_the_inverse_of_writing(
    skills: list[tuple[str, str | None, list[FileEntry]]], step: int
) -> None:
    try:
        bundle = written(skills, step)
    except InvalidTree:
        return

    reader = read_bundle(BytesIO(bundle).read, origin="written")
    blobs = {key.digest: b"".join(chunks) for key, chunks in reader.blobs()}

    expected = {(name, version, build_tree(files).digest) for name, version, files in skills}
    assert {(each.name, each.version, each.digest) for each in reader.trees} == expected
    assert blobs == {blob_digest(file.data): file.data for *_, files in skills for file in files}
    assert {each.tree().digest: each.tree() for each in reader.trees} == {
        build_tree(files).digest: build_tree(files) for *_, files in skills
    }


@given(skills, st.randoms(use_true_random=False), st.integers(1, 64))
def test_neither_order_nor_chunks_matter(
    skills: list[tuple[str, str | None, list[FileEntry]]], source: random.Random, step: int
) -> None:
    try:
        bundle = written(skills, 1000)
    except InvalidTree:
        return
    shuffled = list(skills)
    source.shuffle(shuffled)

    assert written(shuffled, step) == bundle


def read_or_refused(bundle: bytes) -> bytes | None:
    """Return what a bundle's frame would hold if it were written again; None if refused."""
    try:
        reader = read_bundle(BytesIO(bundle).read, origin="any", limits=LIMITS)
        blobs = {key.digest: b"".join(chunks) for key, chunks in reader.blobs()}
    except BundleRefused:
        return None
    again = b"".join(write_bundle(reader.trees, lambda file: [blobs[file.digest]]))
    return zstandard.ZstdDecompressor().decompress(again[len(BUNDLE_MAGIC) :])


@given(st.sampled_from(CONTENTS), st.data())
def test_damaged_content_is_refused_or_the_one_way_to_write_it(
    content: bytes, data: st.DataObject
) -> None:
    """Nothing but BundleRefused is raised, and nothing can be written in two ways."""
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(damaged)))
        end = data.draw(st.integers(start, min(len(damaged), start + 8)))
        damaged[start:end] = data.draw(st.binary(max_size=8))

    assert read_or_refused(BUNDLE_MAGIC + zstd_frame(bytes(damaged))) in {None, bytes(damaged)}


@given(st.sampled_from(CONTENTS), st.data())
def test_a_damaged_frame_is_refused_or_says_the_same(content: bytes, data: st.DataObject) -> None:
    damaged = bytearray(BUNDLE_MAGIC + zstd_frame(content))
    start = data.draw(st.integers(0, len(damaged)))
    end = data.draw(st.integers(start, min(len(damaged), start + 8)))
    damaged[start:end] = data.draw(st.binary(max_size=8))

    assert read_or_refused(bytes(damaged)) in {None, content}


@given(st.sampled_from((b"", BUNDLE_MAGIC, BUNDLE_MAGIC + b"\x28\xb5\x2f\xfd")), st.binary())
def test_any_bytes_are_read_or_refused(start: bytes, rest: bytes) -> None:
    read_or_refused(start + rest)


@given(st.binary(max_size=2000))
def test_any_content_is_read_or_refused(content: bytes) -> None:
    assert read_or_refused(BUNDLE_MAGIC + zstd_frame(content)) in {None, content}


@given(entries, st.data())
def test_a_damaged_directory_is_refused_or_the_one_way_to_write_it(
    files: list[FileEntry], data: st.DataObject
) -> None:
    try:
        damaged = bytearray(build_tree(files).directories[""])
    except InvalidTree:
        return
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(damaged)))
        end = data.draw(st.integers(start, min(len(damaged), start + 8)))
        damaged[start:end] = data.draw(st.binary(max_size=8))

    try:
        nodes = decode_directory(bytes(damaged))
    except InvalidTree:
        return
    assert encode_directory(nodes) == bytes(damaged)
