"""Laws of tree digests, for any tree."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from spm_spec.digests import Digest
from spm_spec.tree import (
    FileEntry,
    InvalidTree,
    Kind,
    Node,
    build_tree,
    check_name,
    decode_directory,
    directory_digest,
    encode_directory,
)
from spm_spec.tree_names import folded

if TYPE_CHECKING:
    import random

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), min_size=1, max_size=12)


def is_name(text: str) -> bool:
    try:
        check_name(text)
    except InvalidTree:
        return False
    return True


names = TEXT.map(lambda text: unicodedata.normalize("NFC", text)).filter(is_name)
nodes = st.builds(
    Node,
    name=names,
    kind=st.sampled_from(Kind),
    digest=st.binary(min_size=32, max_size=32).map(Digest),
    size=st.integers(0, 2**53 - 1),
)
node_lists = st.lists(nodes, min_size=1, max_size=20, unique_by=lambda node: folded(node.name))
paths = st.lists(names, min_size=1, max_size=4).map("/".join)
entries = st.lists(st.builds(FileEntry, paths, st.binary(max_size=40), st.booleans()), max_size=8)


@given(node_lists)
def test_decoding_is_the_inverse_of_encoding(directory: list[Node]) -> None:
    ordered = tuple(sorted(directory, key=lambda node: node.name.encode()))

    assert decode_directory(encode_directory(directory)) == ordered


@given(node_lists, st.data())
def test_encoding_is_the_inverse_of_decoding_whatever_was_changed(
    directory: list[Node], data: st.DataObject
) -> None:
    encoded = bytearray(encode_directory(directory))
    position = data.draw(st.integers(0, len(encoded) - 1))
    encoded[position] = data.draw(st.integers(0, 255))

    try:
        decoded = decode_directory(bytes(encoded))
    except InvalidTree:
        return
    assert encode_directory(decoded) == bytes(encoded)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_directory_or_refused(encoded: bytes) -> None:
    try:
        decoded = decode_directory(encoded)
    except InvalidTree:
        return
    assert encode_directory(decoded) == encoded


@given(node_lists, st.randoms(use_true_random=False))
def test_the_order_of_nodes_does_not_matter(directory: list[Node], source: random.Random) -> None:
    shuffled = list(directory)
    source.shuffle(shuffled)

    assert encode_directory(shuffled) == encode_directory(directory)


@given(entries)
def test_a_tree_says_exactly_what_its_files_were(files: list[FileEntry]) -> None:
    """Walking the directories from the root finds every file, and nothing else."""
    try:
        tree = build_tree(files)
    except InvalidTree:
        return
    found: dict[str, tuple[Digest, bool, int]] = {}
    waiting = [("", tree.digest, tree.size)]
    while waiting:
        path, digest, size = waiting.pop()
        encoded = tree.directories[path]
        children = decode_directory(encoded)
        assert directory_digest(encoded) == digest
        assert sum(child.size for child in children) == size
        for child in children:
            below = f"{path}/{child.name}" if path else child.name
            if child.kind is Kind.DIRECTORY:
                waiting.append((below, child.digest, child.size))
            else:
                found[below] = (child.digest, child.kind is Kind.EXECUTABLE, child.size)
    assert found == {each.path: (each.digest, each.executable, each.size) for each in tree.files}
    assert set(found) == {entry.path for entry in files}


@given(entries, entries)
def test_two_sets_of_files_share_a_digest_only_when_equal(
    one: list[FileEntry], other: list[FileEntry]
) -> None:
    try:
        first, second = build_tree(one), build_tree(other)
    except InvalidTree:
        return

    assert (first.digest == second.digest) == (set(one) == set(other))


@given(st.text(max_size=20))
def test_any_text_is_a_name_or_refused_and_a_name_stands_alone(text: str) -> None:
    """A name that is accepted is one component, on every system."""
    if is_name(text):
        assert text.encode().decode() == text
        assert not set(text) & set("/\\:\0")
        assert text not in {".", ".."}


@given(names)
def test_names_equal_without_case_have_one_key(name: str) -> None:
    for other in (name.upper(), name.lower(), name.casefold(), name.swapcase()):
        assert folded(other.casefold()) == folded(other)
    assert folded(unicodedata.normalize("NFD", name)) == folded(name)
