"""Laws of packages, for any tree and any damage."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from spm_spec.package import PackageRefused, read_package, write_package
from spm_spec.package_stream import stream_package
from spm_spec.tree import FileEntry, InvalidTree, Limits
from tests.property.test_tree_laws import entries
from tests.support.package_scenarios import all_scenarios

if TYPE_CHECKING:
    import random

    from spm_spec.package import Form

forms: st.SearchStrategy[Form] = st.sampled_from(("tar.zst", "tar.gz", "zip"))
MAGICS = (b"", b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", b"PK\3\4", b"PK\5\6")
ARCHIVES = tuple(each.archive for each in all_scenarios() if len(each.archive) < 20_000)
LIMITS = Limits(depth=8, path_bytes=200, entries=20, file_bytes=500, tree_bytes=1000)


@given(entries, forms)
def test_reading_is_the_inverse_of_writing(files: list[FileEntry], form: Form) -> None:
    try:
        archive = write_package(files, form)
    except InvalidTree:
        return
    ordered = tuple(sorted(files, key=lambda entry: entry.path.encode()))

    assert read_package(archive, origin="written") == ordered


@given(entries, forms, st.randoms(use_true_random=False))
def test_the_order_of_files_does_not_matter(
    files: list[FileEntry], form: Form, source: random.Random
) -> None:
    shuffled = list(files)
    source.shuffle(shuffled)
    try:
        archive = write_package(files, form)
    except InvalidTree:
        return

    assert write_package(shuffled, form) == archive


@given(entries, forms, st.data())
def test_a_damaged_package_is_read_within_the_caps_or_refused(
    files: list[FileEntry], form: Form, data: st.DataObject
) -> None:
    """Nothing but PackageRefused is raised, whatever was changed, cut or added."""
    try:
        archive = bytearray(write_package([*files, FileEntry("SKILL.md", b"text")], form))
    except InvalidTree:
        return
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(archive)))
        end = data.draw(st.integers(start, min(len(archive), start + 8)))
        archive[start:end] = data.draw(st.binary(max_size=8))

    try:
        read = read_package(bytes(archive), origin="damaged", limits=LIMITS)
    except PackageRefused:
        return
    assert len(read) <= LIMITS.entries
    assert all(len(entry.data) <= LIMITS.file_bytes for entry in read)
    assert sum(len(entry.data) for entry in read) <= LIMITS.tree_bytes


@given(
    st.sampled_from(MAGICS),
    st.binary(),
)
def test_any_bytes_are_read_or_refused(magic: bytes, rest: bytes) -> None:
    outcome(magic + rest, streamed=False)


@given(entries, forms, st.data())
def test_a_stream_gives_what_reading_gives_whatever_the_damage(
    files: list[FileEntry], form: Form, data: st.DataObject
) -> None:
    """The same files, or a refusal in the same words."""
    try:
        archive = bytearray(write_package([*files, FileEntry("SKILL.md", b"text")], form))
    except InvalidTree:
        return
    for _ in range(data.draw(st.integers(0, 3))):
        start = data.draw(st.integers(0, len(archive)))
        end = data.draw(st.integers(start, min(len(archive), start + 8)))
        archive[start:end] = data.draw(st.binary(max_size=8))

    assert outcome(bytes(archive), streamed=True) == outcome(bytes(archive), streamed=False)


@given(st.sampled_from(ARCHIVES), st.data())
def test_what_is_read_from_a_damaged_archive_of_other_tools_can_be_written(
    archive: bytes, data: st.DataObject
) -> None:
    """What a reader accepts is a tree, and reading it again gives the same."""
    damaged = bytearray(archive)
    start = data.draw(st.integers(0, len(damaged)))
    end = data.draw(st.integers(start, min(len(damaged), start + 8)))
    damaged[start:end] = data.draw(st.binary(max_size=8))

    files = outcome(bytes(damaged), streamed=True)

    if not isinstance(files, str):
        assert read_package(write_package(files), origin="again") == files


def outcome(archive: bytes, *, streamed: bool) -> tuple[FileEntry, ...] | str:
    """Return the files of an archive, or the words it is refused with."""
    try:
        if not streamed:
            return read_package(archive, origin="any", limits=LIMITS)
        source = BytesIO(archive)
        files = [
            FileEntry(each.path, b"".join(each.chunks), each.executable)
            for each in stream_package(source, origin="any", limits=LIMITS)
        ]
    except PackageRefused as refusal:
        return refusal.message
    return tuple(sorted(files, key=lambda entry: entry.path.encode()))
