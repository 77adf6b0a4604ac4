"""An archive of any size read file by file, with memory for one chunk and the names.

The same parsers as ``read_package`` run twice. The first pass checks everything,
bytes and names, and keeps the names: only they tell what is dropped and which folder
is taken off. The second pass gives the files, and is refused if it meets others.
"""

from __future__ import annotations

from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from spm_spec.package import is_dropped, read_members, refusal, wrapper_length
from spm_spec.package_members import CheckedChunks, Flaw
from spm_spec.streams import StreamedFile
from spm_spec.tree import DEFAULT_LIMITS, InvalidTree, Limits, check_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spm_spec.package_members import Member
    from spm_spec.streams import Source

_MAGIC_BYTES = 4  # what decides whether a file is dropped


class _Seen(NamedTuple):
    """What the first pass saw of a member; ``path`` is empty where it is dropped."""

    member_path: str
    executable: bool
    is_directory: bool
    size: int
    path: str


def stream_package(
    source: Source, *, origin: str, limits: Limits = DEFAULT_LIMITS
) -> Iterator[StreamedFile]:
    """Yield the files of an archive, in the order they stand in it.

    ``source`` is read twice and must not change meanwhile; a change that is noticed is
    refused as ``changed``. The first file comes after the whole archive was found
    right, as ``read_package`` finds it, and for the same reasons. What is left of a
    file's chunks is passed over, and checked, when the next file is asked for.

    Raises:
        PackageRefused: the archive is not accepted. The chunks raise it too.

    """
    refused = partial(refusal, origin=origin)
    try:
        seen = _first_pass(source, limits)
        for member, expected in zip_longest(read_members(source, limits), seen):
            if member is None or expected is None or _description(member) != expected[:4]:
                raise Flaw("changed", "the archive changed while it was read")  # noqa: TRY301
            chunks = CheckedChunks(member.chunks, refused)
            if expected.path:
                yield StreamedFile(expected.path, member.executable, member.size, chunks)
            chunks.finish()
    except (Flaw, InvalidTree) as flaw:
        raise refused(flaw) from flaw


def _first_pass(source: Source, limits: Limits) -> list[_Seen]:
    """Check the whole archive; return its members, with the paths they will have."""
    seen: list[_Seen] = []
    for member in read_members(source, limits):
        start = b""
        for chunk in member.chunks:
            if len(start) < _MAGIC_BYTES:
                start += chunk[:_MAGIC_BYTES]
        kept = not member.is_directory and not is_dropped(member.path, start)
        seen.append(_Seen(*_description(member), member.path if kept else ""))
    length = wrapper_length([each.path for each in seen if each.path])
    seen = [each._replace(path=each.path[length:]) for each in seen]
    check_files(((each.path, each.size) for each in seen if each.path), limits)
    return seen


def _description(member: Member) -> tuple[str, bool, bool, int]:
    """Return what a pass sees of a member, its bytes apart."""
    return member.path, member.executable, member.is_directory, member.size
