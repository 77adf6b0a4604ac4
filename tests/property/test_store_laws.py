"""Laws of the store, over any skills and any order."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from spm_spec.tree import FileEntry, build_tree
from spm_store.folder import read_folder
from spm_store.layout import copy_skill
from spm_store.store import Store
from spm_store.trees import decode_directories, encode_directories

PATHS = st.from_regex(r"[a-d](?:/[a-d]){0,2}\.md", fullmatch=True)
CONTENT = st.tuples(st.sampled_from([b"", b"a", b"b", b"c" * 5000]), st.booleans())


@st.composite
def skills(draw: st.DrawFn) -> tuple[FileEntry, ...]:
    files = draw(st.dictionaries(PATHS, CONTENT, min_size=1, max_size=6))
    return tuple(FileEntry(path, data, executable) for path, (data, executable) in files.items())


def by_path(files: tuple[FileEntry, ...]) -> list[FileEntry]:
    return sorted(files, key=lambda file: file.path.encode())


class TestWhatGoesInComesOut:
    """Reading a stored tree gives the files that were added, bit for bit."""

    @given(skills())
    @settings(max_examples=40, deadline=None)
    def test_from_the_tree_and_from_a_copy(self, files: tuple[FileEntry, ...]) -> None:
        with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder, "v1")) as store:
            tree = store.add(files, name="skill")
            copy = Path(folder, "copy")
            copy_skill(tree.path, copy)

            assert list(read_folder(tree.path)) == by_path(files)
            assert list(read_folder(copy)) == by_path(files)
            store.clear()


class TestOrderAndGroupingDoNotMatter:
    """However trees are added, one by one or together, the store holds the same."""

    @given(st.lists(skills(), min_size=1, max_size=5), st.randoms(use_true_random=False))
    @settings(max_examples=25, deadline=None)
    def test_of_trees(self, added: list[tuple[FileEntry, ...]], random: object) -> None:
        shuffled = list(added)
        random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a Random

        with tempfile.TemporaryDirectory() as folder:
            with Store.open(Path(folder, "1", "v1"), durability="none") as first:
                for files in added:
                    first.add(files, name="skill")
                held = {tree.digest for tree in first.trees()}, first.size()
                assert first.verify() == ()
                first.clear()
            with (
                Store.open(Path(folder, "2", "v1"), durability="none") as second,
            ):
                with second.transaction() as transaction:
                    for files in shuffled:
                        transaction.add(files, name="skill")
                assert ({tree.digest for tree in second.trees()}, second.size()) == held
                assert second.verify() == ()
                second.clear()


class TestRemovingIsTheInverseOfAdding:
    """A store that got a tree and lost it holds what it held before."""

    @given(skills(), skills())
    @settings(max_examples=25, deadline=None)
    def test_for_any_two_trees(
        self, kept: tuple[FileEntry, ...], removed: tuple[FileEntry, ...]
    ) -> None:
        with (
            tempfile.TemporaryDirectory() as folder,
            Store.open(Path(folder, "v1"), durability="none") as store,
        ):
            digest = store.add(kept, name="kept").digest
            before = store.size()
            other = store.add(removed, name="removed").digest
            if other != digest:
                store.remove(other)

            assert store.size() == before
            assert store.verify() == ()
            store.clear()


class TestTheRowKnowsTheTree:
    """``decode_directories`` is the inverse of ``encode_directories``, and trusts nothing."""

    @given(skills())
    def test_for_any_tree(self, files: tuple[FileEntry, ...]) -> None:
        tree = build_tree(files)

        assert decode_directories(encode_directories(tree), tree.digest) == tree.files

    @given(skills(), st.data())
    def test_a_changed_byte_never_changes_the_answer(
        self, files: tuple[FileEntry, ...], data: st.DataObject
    ) -> None:
        tree = build_tree(files)
        encoded = bytearray(encode_directories(tree))
        encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))

        try:
            found = decode_directories(bytes(encoded), tree.digest)
        except ValueError:
            return
        assert found == tree.files
