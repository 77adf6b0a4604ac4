"""Trees: the vectors, the caps, and what refusals say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from blake3 import blake3

from spm_spec.digests import blob_digest
from spm_spec.tree import (
    FileEntry,
    InvalidTree,
    Kind,
    Limits,
    Node,
    build_tree,
    check_name,
    check_path,
    decode_directory,
    directory_digest,
    encode_directory,
)
from spm_spec.tree_directory import DIRECTORY_BYTES
from tests.support.tree_scenarios import VECTORS, documents, pack

CASES = {path.stem: path for path in sorted(VECTORS.glob("*.json"))}


def vector(name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(CASES[name].read_text("utf-8"))
    return value


def entries(case: dict[str, Any]) -> list[FileEntry]:
    return [
        FileEntry(each["path"], each["text"].encode(), each["executable"]) for each in case["files"]
    ]


def test_the_vectors_are_the_ones_the_generator_writes() -> None:
    written = {name: json.loads(json.dumps(value)) for name, value in documents().items()}

    assert {name: vector(name) for name in CASES} == written


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("tree-")])
def test_files_have_the_tree_of_the_vector(name: str) -> None:
    case = vector(name)

    tree = build_tree(entries(case))

    assert str(tree.digest) == case["tree"]
    assert tree.size == case["size"]
    assert {path: data.hex() for path, data in tree.directories.items()} == case["directories"]
    assert tree.digest == directory_digest(tree.directories[""])
    assert all(
        encode_directory(decode_directory(each)) == each for each in tree.directories.values()
    )


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("refused-")])
def test_files_that_are_no_tree_are_refused_for_the_reason_of_the_vector(name: str) -> None:
    case = vector(name)

    with pytest.raises(InvalidTree) as caught:
        build_tree(entries(case))

    assert caught.value.reason == case["refused"]
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("directory-")])
def test_bytes_that_are_no_directory_are_refused_for_the_reason_of_the_vector(name: str) -> None:
    case = vector(name)

    with pytest.raises(InvalidTree) as caught:
        decode_directory(bytes.fromhex(case["directory"]))

    assert caught.value.reason == case["refused"]


def test_a_tree_can_be_computed_with_nothing_but_the_document() -> None:
    """An independent implementation of sections 2, 4 and 5 of spec/digest.md."""

    def digest(data: bytes) -> bytes:
        return blake3(
            data, derive_key_context="skills-package-manager 2026-11 directory v1"
        ).digest()

    run, text = b"#!/bin/sh\n", b"# hi\n"
    scripts = pack([["run.sh", 1, blake3(run).digest(), len(run)]])
    root = pack(
        [
            ["SKILL.md", 0, blake3(text).digest(), len(text)],
            ["scripts", 2, digest(scripts), len(run)],
        ]
    )

    tree = build_tree(
        [FileEntry("scripts/run.sh", run, executable=True), FileEntry("SKILL.md", text)]
    )

    assert tree.digest.raw == digest(root)


def test_the_digest_names_content_name_and_executable_bit() -> None:
    digests = {
        build_tree([entry]).digest
        for entry in (
            FileEntry("a", b""),
            FileEntry("a", b"x"),
            FileEntry("b", b""),
            FileEntry("a", b"", executable=True),
            FileEntry("a/a", b""),
        )
    }

    assert len(digests) == 5


@pytest.mark.parametrize(
    ("limits", "files", "message"),
    [
        (Limits(entries=2), ["a", "b", "c"], "c: the tree has more than 2 files and directories"),
        (Limits(entries=2), ["a/b/c"], "a/b/c: the tree has more than 2 files and directories"),
        (Limits(depth=1), ["a/b"], "a/b: the path has 2 names, the limit is 1"),
        (Limits(path_bytes=3), ["éé"], "éé: the path is too long, the limit is 3 bytes"),
        (Limits(file_bytes=1), ["a"], "a: the file is too large: 2 bytes, the limit is 1"),
        (Limits(tree_bytes=3), ["a", "b"], "b: the tree has more than 3 bytes"),
    ],
)
def test_each_cap_is_held(limits: Limits, files: list[str], message: str) -> None:
    with pytest.raises(InvalidTree) as caught:
        build_tree([FileEntry(path, b"xx") for path in files], limits)

    path, _, explanation = message.partition(": ")
    assert caught.value.message == f"{path!r}: {explanation}"


def test_a_tree_exactly_at_its_caps_is_accepted() -> None:
    limits = Limits(depth=2, path_bytes=3, entries=2, file_bytes=2, tree_bytes=2)

    assert build_tree([FileEntry("a/b", b"xx")], limits).size == 2


def test_a_refusal_says_where_and_what() -> None:
    with pytest.raises(InvalidTree) as caught:
        check_path("docs/nul.txt")

    assert caught.value.message == "'docs/nul.txt': NUL is a device name on Windows"


def test_a_refusal_does_not_send_control_characters_to_the_terminal() -> None:
    with pytest.raises(InvalidTree) as caught:
        check_name("a\x1b[2J\u202e")

    assert caught.value.message == "'a\\x1b[2J\\u202e': a name holds the control U+001B"


def test_a_name_with_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(InvalidTree) as caught:
        build_tree([FileEntry("a\udc80", b"")])

    assert caught.value.reason == "not-utf8"


def test_encoding_sorts_and_refuses_what_decoding_would() -> None:
    one, two = (Node(name, Kind.FILE, blob_digest(b""), 0) for name in "ab")

    assert encode_directory([two, one]) == encode_directory([one, two])
    with pytest.raises(InvalidTree) as caught:
        encode_directory([])
    assert caught.value.reason == "empty-directory"


def test_an_encoding_longer_than_the_cap_is_not_even_read() -> None:
    with pytest.raises(InvalidTree) as caught:
        decode_directory(bytes(DIRECTORY_BYTES + 1))

    assert caught.value.reason == "directory-too-long"
