"""Laws of packages, for any tree and any damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from spm_spec.package import PackageRefused, read_package, write_package
from spm_spec.tree import FileEntry, InvalidTree, Limits
from tests.property.test_tree_laws import entries

if TYPE_CHECKING:
    import random

    from spm_spec.package import Form

forms: st.SearchStrategy[Form] = st.sampled_from(("tar.zst", "tar.gz", "zip"))
MAGICS = (b"", b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", b"PK\3\4", b"PK\5\6")
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
    try:
        read_package(magic + rest, origin="any", limits=LIMITS)
    except PackageRefused:
        return
