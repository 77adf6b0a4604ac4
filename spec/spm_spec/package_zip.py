"""A small strict zip reader, and the one way packages are written as zip.

A zip says everything twice, in local headers and in the central directory, and
readers differ in which they believe. This one demands that both agree and that the
members, the directory and its end record fill the file without a gap. See
spec/package.md section 5.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spm_spec.package_members import (
    WRAPPER_PATH_BYTES,
    Flaw,
    Member,
    expanded_limit,
    member_path,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from spm_spec.streams import Source
    from spm_spec.tree import FileEntry
    from spm_spec.tree_names import Limits

LOCAL_MAGIC = b"PK\x03\x04"
EMPTY_MAGIC = b"PK\x05\x06"
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_DESCRIPTOR = struct.Struct("<4s3I")
_CENTRAL_MAGIC = b"PK\x01\x02"
_END_MAGIC = EMPTY_MAGIC
_DESCRIPTOR_MAGIC = b"PK\x07\x08"
_COMMENT = re.compile(rb"(?:[0-9a-f]{40}|[0-9a-f]{64})?")
"""The only comment accepted: the commit id that `git archive` writes."""

_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _DESCRIBED, _UTF8 = 1 << 0, 1 << 3, 1 << 11
_KNOWN_FLAGS = _DESCRIBED | _UTF8 | 0b110  # bits 1 and 2 say how hard deflate tried
_ZIP64_COUNT, _ZIP64_SIZE = 0xFFFF, 0xFFFF_FFFF
_UNIX, _MACOS = 3, 19  # systems whose attributes hold a mode
_MADE_BY_UNIX = _UNIX << 8 | 20
_FIRST_OF_1980 = 1 << 5 | 1
_TYPE_MASK, _REGULAR, _DIRECTORY, _SYMLINK = 0o170000, 0o100000, 0o040000, 0o120000
_SPECIAL_MODES = 0o7000
_PIECE_BYTES = 128 * 1024
_NAME_MARKS_BYTES = 3  # a leading `./` and a closing slash

_TIMES_AND_OWNERS = frozenset({0x000A, 0x5455, 0x5855, 0x7855, 0x7875, 0xCAFE})
"""Extra fields that say nothing about names, sizes or bytes (NTFS, UT, UX, Ux, ux, jar)."""
_ZIP64_EXTRA, _UNICODE_PATH_EXTRA = 0x0001, 0x7075


def write_zip(files: Sequence[FileEntry]) -> bytes:
    """Return the zip of ``files``, in their order, stored: the same bytes for the same files."""
    body: list[bytes] = []
    directory: list[bytes] = []
    offset = 0
    for entry in files:
        name = entry.path.encode()
        size = len(entry.data)
        shared = (_UTF8, _STORED, 0, _FIRST_OF_1980, zlib.crc32(entry.data), size, size, len(name))
        mode = _REGULAR | (0o755 if entry.executable else 0o644)
        body += [_LOCAL.pack(LOCAL_MAGIC, 10, *shared, 0), name, entry.data]
        record = (_CENTRAL_MAGIC, _MADE_BY_UNIX, 10, *shared, 0, 0, 0, 0, mode << 16, offset)
        directory += [_CENTRAL.pack(*record), name]
        offset += _LOCAL.size + len(name) + size
    length = sum(map(len, directory))
    end = _END.pack(_END_MAGIC, 0, 0, len(files), len(files), length, offset, 0)
    return b"".join([*body, *directory, end])


@dataclass(frozen=True, slots=True)
class _Record:
    """What the central directory says of one member."""

    name: bytes
    flags: int
    method: int
    checksum: int
    packed: int
    size: int
    mode: int
    offset: int
    stamp: tuple[int, int]
    on_unix: bool

    @property
    def is_directory(self) -> bool:
        """Directories are told by the closing slash, as every tool does."""
        return self.name.endswith(b"/")

    @property
    def shown(self) -> str:
        """The name as text for a message."""
        return self.name.decode("utf-8", "backslashreplace")


class Extent:
    """The bytes of a file by where they are; only what is asked for is held."""

    def __init__(self, source: Source, size: int) -> None:
        """Read from ``source``, which is ``size`` bytes long."""
        self._source = source
        self.size = size

    def at(self, start: int, count: int) -> bytes:
        """Return ``count`` bytes from ``start``, fewer where the file ends before."""
        self._source.seek(start)
        return self._source.read(count)

    def pieces(self, start: int, count: int) -> Iterator[bytes]:
        """Yield ``count`` bytes from ``start`` in small pieces."""
        while count:
            piece = self.at(start, min(count, _PIECE_BYTES))
            if not piece:
                raise Flaw("truncated", "the file became shorter while it was read")
            start += len(piece)
            count -= len(piece)
            yield piece


def read_zip(data: Extent, limits: Limits) -> Iterator[Member]:
    """Yield the files and directories of a zip, checked one by one.

    What is left of a member's chunks is passed over, and checked, before the next one.

    Raises:
        Flaw: anything two readers could understand in two ways.
        InvalidTree: a path no tree can hold.

    """
    records, directory_start = _central_directory(data, limits)
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


def _central_directory(data: Extent, limits: Limits) -> tuple[list[_Record], int]:
    """Return the records of the central directory and where it starts."""
    end, count, length, start = _end_record(data)
    if count > limits.entries:
        raise Flaw("too-many-entries", f"{count} entries, the limit is {limits.entries}")
    if start + length != end:
        raise Flaw("hidden-data", "the directory does not reach from its start to the end record")
    records: list[_Record] = []
    position = start
    for _ in range(count):
        record, position = _central_record(data, position, end, limits)
        records.append(record)
    if position != end:
        raise Flaw("hidden-data", "the directory is longer than its members")
    return records, start


def _end_record(data: Extent) -> tuple[int, int, int, int]:
    """Return where the end record is, and its count, length and start of the directory."""
    for comment_length in (0, 40, 64):
        end = data.size - _END.size - comment_length
        record = data.at(end, _END.size + comment_length) if end >= 0 else b""
        if len(record) < _END.size or record[:4] != _END_MAGIC:
            continue
        fields = _END.unpack_from(record)
        _, disk, first_disk, here, count, length, start, comment = fields
        if comment != comment_length or _COMMENT.fullmatch(record, _END.size) is None:
            continue
        if count == _ZIP64_COUNT or _ZIP64_SIZE in {length, start}:
            raise Flaw("zip64", "the archive needs the zip64 extension")
        if disk or first_disk or here != count:
            raise Flaw("multi-disk", "the archive is one of several volumes")
        return end, count, length, start
    raise Flaw("no-end-record", "no zip end record stands at the end: cut short, or data follows")


def _central_record(data: Extent, position: int, end: int, limits: Limits) -> tuple[_Record, int]:
    """Return the record at ``position`` and where the next one starts."""
    name_start = position + _CENTRAL.size
    header = data.at(position, _CENTRAL.size)
    if name_start > end or len(header) < _CENTRAL.size or header[:4] != _CENTRAL_MAGIC:
        raise Flaw("bad-header", "a record of the directory is malformed")
    fields = _CENTRAL.unpack(header)
    made_by, _, flags, method, clock, day, checksum, packed, size = fields[1:10]
    name_length, extra_length, comment_length, disk, _, attributes, offset = fields[10:]
    following = name_start + name_length + extra_length + comment_length
    if following > end:
        raise Flaw("bad-header", "a record of the directory is malformed")
    # All names are held at once: one that can be no path is not even read.
    if name_length > limits.path_bytes + WRAPPER_PATH_BYTES + _NAME_MARKS_BYTES:
        raise Flaw("path-too-long", f"a name of {name_length} bytes is too long for a path")
    name = data.at(name_start, name_length)
    extra = data.at(name_start + name_length, extra_length)
    if disk or comment_length:
        raise Flaw("bad-header", "a member has a comment or another volume")
    on_unix = made_by >> 8 in {_UNIX, _MACOS}
    mode = attributes >> 16 if on_unix else 0
    stamp = (clock, day)
    sizes = (checksum, packed, size)
    record = _Record(name, flags, method, *sizes, mode, offset, stamp, on_unix)
    _check_record(record)
    _check_extra(extra, record)
    return record, following


def _check_record(record: _Record) -> None:
    """Refuse what is not a plain file or directory, packed in a known way."""
    name = record.shown
    if record.flags & _ENCRYPTED:
        raise Flaw("encrypted", "the member is encrypted", name)
    if record.flags & ~_KNOWN_FLAGS:
        raise Flaw("unknown-flags", f"the member has the flags {record.flags:#06x}", name)
    if record.method not in {_STORED, _DEFLATED}:
        raise Flaw("unknown-method", f"the compression method {record.method} is unknown", name)
    described = record.flags & _DESCRIBED
    if record.method == _STORED and (record.packed != record.size or (described and record.size)):
        raise Flaw("bad-size", "a stored member has two sizes or states them late", name)
    if _ZIP64_SIZE in {record.packed, record.size, record.offset}:
        raise Flaw("zip64", "the member needs the zip64 extension", name)
    _check_name(record, name)
    _check_mode(record, name)


def _check_name(record: _Record, name: str) -> None:
    """Refuse a name in an old code page; Unix tools write UTF-8 without saying so."""
    if not (record.flags & _UTF8 or record.on_unix or record.name.isascii()):
        raise Flaw("not-utf8", "the name does not say that it is UTF-8", name)


def _check_mode(record: _Record, name: str) -> None:
    """Refuse links, devices and set-user-id files; a mode without a type is plain."""
    kind = record.mode & _TYPE_MASK
    if kind == _SYMLINK:
        raise Flaw("symlink", "the member is a symbolic link", name)
    if kind not in {0, _DIRECTORY if record.is_directory else _REGULAR}:
        raise Flaw("special-file", f"the mode {record.mode:06o} is not a plain one", name)
    if record.mode & _SPECIAL_MODES and not record.is_directory:
        raise Flaw("special-mode", f"the mode {record.mode:06o} is not a plain one", name)
    if record.is_directory and record.size:
        raise Flaw("bad-size", "a directory has a size", name)


def _check_extra(extra: bytes, record: _Record) -> None:
    """Accept extra fields that change nothing; refuse those that could."""
    position = 0
    while position < len(extra):
        if position + 4 > len(extra):
            raise Flaw("bad-extra", "an extra field is malformed", record.shown)
        kind, length = struct.unpack_from("<2H", extra, position)
        value = extra[position + 4 : position + 4 + length]
        position += 4 + length
        if position > len(extra):
            raise Flaw("bad-extra", "an extra field is malformed", record.shown)
        if kind == _ZIP64_EXTRA:
            raise Flaw("zip64", "the member needs the zip64 extension", record.shown)
        if kind == _UNICODE_PATH_EXTRA:
            if value[5:] != record.name:
                raise Flaw("ambiguous-name", "the member has two names", record.shown)
        elif kind not in _TIMES_AND_OWNERS:
            raise Flaw("bad-extra", f"the extra field {kind:#06x} is unknown", record.shown)


def _data_start(data: Extent, record: _Record) -> int:
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
    if record.flags & _DESCRIBED:
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
    _check_extra(data.at(name_end, fields[10]), record)
    return start


def _check_extent(record: _Record, start: int, directory_start: int) -> None:
    """Refuse data that runs into the directory."""
    if start + record.packed > directory_start:
        raise Flaw("truncated", "the data of a member runs into the directory", record.shown)


def _member_end(data: Extent, record: _Record, start: int) -> int:
    """Return where the next member starts: after the data and its descriptor, if any."""
    end = start + record.packed
    if not record.flags & _DESCRIBED:
        return end
    expected = _DESCRIPTOR.pack(_DESCRIPTOR_MAGIC, record.checksum, record.packed, record.size)
    if data.at(end, _DESCRIPTOR.size) != expected:
        explanation = "the data descriptor and the directory differ"
        raise Flaw("local-header-differs", explanation, record.shown)
    return end + _DESCRIPTOR.size


def _member(data: Extent, record: _Record, path: str, start: int, limits: Limits) -> Member:
    """Return the member with its data, checked against its size and checksum."""
    if record.size > limits.file_bytes:
        explanation = f"{record.size} bytes, the limit is {limits.file_bytes}"
        raise Flaw("file-too-large", f"the file is too large: {explanation}", path)
    executable = bool(record.mode & 0o100) and not record.is_directory
    chunks = _content(data, record, path, start)
    return Member(path, executable, record.is_directory, record.size, chunks)


def _content(data: Extent, record: _Record, path: str, start: int) -> Iterator[bytes]:
    """Yield the data of a member, checked against its size and checksum."""
    chunks = data.pieces(start, record.packed)
    if record.method == _DEFLATED:
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
        return inflater.decompress(packed, _PIECE_BYTES)
    except zlib.error as error:
        raise Flaw("bad-compression", "the data does not inflate", path) from error
