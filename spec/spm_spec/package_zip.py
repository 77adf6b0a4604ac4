"""A small strict zip reader, and the one way packages are written as zip.

A zip says everything twice, in local headers and in the central directory, and
readers differ in which they believe. This one demands that both agree and that the
members, the directory and its end record fill the file without a gap. See
spec/package.md section 5.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from spm_spec.package_members import Flaw, Member, expanded_limit, member_path
from spm_spec.package_zip_directory import (
    CENTRAL,
    CENTRAL_MAGIC,
    DEFLATED,
    DESCRIBED,
    END,
    END_MAGIC,
    PIECE_BYTES,
    REGULAR,
    STORED,
    UNIX,
    UTF8,
    Extent,
    Record,
    central_directory,
    check_extra,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from spm_spec.tree import FileEntry
    from spm_spec.tree_names import Limits

LOCAL_MAGIC = b"PK\x03\x04"
_LOCAL = struct.Struct("<4s5H3I2H")
_DESCRIPTOR = struct.Struct("<4s3I")
_DESCRIPTOR_MAGIC = b"PK\x07\x08"
_MADE_BY_UNIX = UNIX << 8 | 20
_FIRST_OF_1980 = 1 << 5 | 1


def write_zip(files: Sequence[FileEntry]) -> bytes:
    """Return the zip of ``files``, in their order, stored: the same bytes for the same files."""
    body: list[bytes] = []
    directory: list[bytes] = []
    offset = 0
    for entry in files:
        name = entry.path.encode()
        size = len(entry.data)
        shared = (UTF8, STORED, 0, _FIRST_OF_1980, zlib.crc32(entry.data), size, size, len(name))
        mode = REGULAR | (0o755 if entry.executable else 0o644)
        body += [_LOCAL.pack(LOCAL_MAGIC, 10, *shared, 0), name, entry.data]
        record = (CENTRAL_MAGIC, _MADE_BY_UNIX, 10, *shared, 0, 0, 0, 0, mode << 16, offset)
        directory += [CENTRAL.pack(*record), name]
        offset += _LOCAL.size + len(name) + size
    length = sum(map(len, directory))
    end = END.pack(END_MAGIC, 0, 0, len(files), len(files), length, offset, 0)
    return b"".join([*body, *directory, end])


def read_zip(data: Extent, limits: Limits) -> Iterator[Member]:
    """Yield the files and directories of a zip, checked one by one.

    What is left of a member's chunks is passed over, and checked, before the next one.

    Raises:
        Flaw: anything two readers could understand in two ways.
        InvalidTree: a path no tree can hold.

    """
    records, directory_start = central_directory(data, limits)
    total = sum(record.size for record in records)
    limit = expanded_limit(data.size, limits)
    if total > limit:
        raise Flaw("decompression-bomb", f"the archive unpacks to more than {limit} bytes")
    position = 0
    for record in records:
        if record.offset != position:
            raise Flaw("hidden-data", "members overlap or leave a gap", record.shown)
        start = _data_start(data, record)
        _check_extent(record, start, directory_start)
        path = member_path(record.name, is_directory=record.is_directory, limits=limits)
        if path is not None:
            member = _member(data, record, path, start, limits)
            yield member
            for _ in member.chunks:  # what nobody took must be right all the same
                pass
        position = _member_end(data, record, start)
    if position != directory_start:
        raise Flaw("hidden-data", "bytes stand between the members and the directory")


def _data_start(data: Extent, record: Record) -> int:
    """Return where the member's data starts; its local header must agree with the record."""
    position = record.offset
    header = data.at(position, _LOCAL.size)
    if len(header) < _LOCAL.size or header[:4] != LOCAL_MAGIC:
        raise Flaw("bad-header", "no local header stands where the directory says", record.shown)
    fields = _LOCAL.unpack(header)
    flags, method, clock, day, checksum, packed, size = fields[2:9]
    name_end: int = position + _LOCAL.size + fields[9]
    start: int = name_end + fields[10]
    stated = (checksum, packed, size)
    expected = (record.checksum, record.packed, record.size)
    if record.flags & DESCRIBED:
        # What a descriptor will say may be zero here; Info-ZIP knows the size already.
        expected = (
            record.checksum if checksum else 0,
            record.packed if packed else 0,
            record.size if size else 0,
        )
    same = (flags, method, (clock, day)) == (record.flags, record.method, record.stamp)
    if not same or stated != expected or data.at(position + _LOCAL.size, fields[9]) != record.name:
        explanation = "the local header and the directory differ"
        raise Flaw("local-header-differs", explanation, record.shown)
    check_extra(data.at(name_end, fields[10]), record)
    return start


def _check_extent(record: Record, start: int, directory_start: int) -> None:
    """Refuse data that runs into the directory."""
    if start + record.packed > directory_start:
        raise Flaw("truncated", "the data of a member runs into the directory", record.shown)


def _member_end(data: Extent, record: Record, start: int) -> int:
    """Return where the next member starts: after the data and its descriptor, if any."""
    end = start + record.packed
    if not record.flags & DESCRIBED:
        return end
    expected = _DESCRIPTOR.pack(_DESCRIPTOR_MAGIC, record.checksum, record.packed, record.size)
    if data.at(end, _DESCRIPTOR.size) != expected:
        explanation = "the data descriptor and the directory differ"
        raise Flaw("local-header-differs", explanation, record.shown)
    return end + _DESCRIPTOR.size


def _member(data: Extent, record: Record, path: str, start: int, limits: Limits) -> Member:
    """Return the member with its data, checked against its size and checksum."""
    if record.size > limits.file_bytes:
        explanation = f"{record.size} bytes, the limit is {limits.file_bytes}"
        raise Flaw("file-too-large", f"the file is too large: {explanation}", path)
    executable = bool(record.mode & 0o100) and not record.is_directory
    chunks = _content(data, record, path, start)
    return Member(path, executable, record.is_directory, record.size, chunks)


def _content(data: Extent, record: Record, path: str, start: int) -> Iterator[bytes]:
    """Yield the data of a member, checked against its size and checksum."""
    chunks = data.pieces(start, record.packed)
    if record.method == DEFLATED:
        chunks = _inflated(chunks, record.size, path)
    checksum = 0
    for chunk in chunks:
        checksum = zlib.crc32(chunk, checksum)
        yield chunk
    if checksum != record.checksum:
        raise Flaw("bad-checksum", "the checksum of a file is wrong", path)


def _inflated(packed: Iterator[bytes], size: int, path: str) -> Iterator[bytes]:
    """Yield exactly ``size`` bytes from exactly ``packed``."""
    wrong = Flaw("bad-size", f"the data does not inflate to exactly {size} bytes", path)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    left = size
    for piece in packed:
        if inflater.eof:
            raise wrong
        pending = piece
        while pending:
            content = _inflate(inflater, pending, path)
            pending = inflater.unconsumed_tail
            left -= len(content)
            if left < 0 or inflater.unused_data:
                raise wrong
            yield content
    # The last piece may have been taken whole before all that it holds was given.
    while content := _inflate(inflater, b"", path):
        left -= len(content)
        if left < 0:
            raise wrong
        yield content
    if left or not inflater.eof:
        raise wrong


def _inflate(inflater: zlib._Decompress, packed: bytes, path: str) -> bytes:
    """Return the next part of what ``packed`` holds, one piece at most."""
    try:
        return inflater.decompress(packed, PIECE_BYTES)
    except zlib.error as error:
        raise Flaw("bad-compression", "the data does not inflate", path) from error
