"""The central directory of a zip: what it says of each member, read strictly.

A record that could be understood in two ways, or whose member is no plain file or
directory, is refused here; that the members agree is for ``spm_spec.package_zip``.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spm_spec.package_members import WRAPPER_PATH_BYTES, Flaw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spm_spec.streams import Source
    from spm_spec.tree_names import Limits

EMPTY_MAGIC = b"PK\x05\x06"
CENTRAL = struct.Struct("<4s6H3I5H2I")
END = struct.Struct("<4s4H2IH")
CENTRAL_MAGIC = b"PK\x01\x02"
END_MAGIC = EMPTY_MAGIC
STORED, DEFLATED = 0, 8
DESCRIBED, UTF8 = 1 << 3, 1 << 11
UNIX, _MACOS = 3, 19  # systems whose attributes hold a mode
REGULAR = 0o100000
PIECE_BYTES = 128 * 1024
_COMMENT = re.compile(rb"(?:[0-9a-f]{40}|[0-9a-f]{64})?")
"""The only comment accepted: the commit id that `git archive` writes."""

_ENCRYPTED = 1 << 0
_KNOWN_FLAGS = DESCRIBED | UTF8 | 0b110  # bits 1 and 2 say how hard deflate tried
_ZIP64_COUNT, _ZIP64_SIZE = 0xFFFF, 0xFFFF_FFFF
_TYPE_MASK, _DIRECTORY, _SYMLINK = 0o170000, 0o040000, 0o120000
_SPECIAL_MODES = 0o7000
_NAME_MARKS_BYTES = 3  # a leading `./` and a closing slash

_TIMES_AND_OWNERS = frozenset({0x000A, 0x5455, 0x5855, 0x7855, 0x7875, 0xCAFE})
"""Extra fields that say nothing about names, sizes or bytes (NTFS, UT, UX, Ux, ux, jar)."""
_ZIP64_EXTRA, _UNICODE_PATH_EXTRA = 0x0001, 0x7075


@dataclass(frozen=True, slots=True)
class Record:
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
            piece = self.at(start, min(count, PIECE_BYTES))
            if not piece:
                raise Flaw("truncated", "the file became shorter while it was read")
            start += len(piece)
            count -= len(piece)
            yield piece


def central_directory(data: Extent, limits: Limits) -> tuple[list[Record], int]:
    """Return the records of the central directory and where it starts."""
    end, count, length, start = _end_record(data)
    if count > limits.entries:
        raise Flaw("too-many-entries", f"{count} entries, the limit is {limits.entries}")
    if start + length != end:
        raise Flaw("hidden-data", "the directory does not reach from its start to the end record")
    records: list[Record] = []
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
        end = data.size - END.size - comment_length
        record = data.at(end, END.size + comment_length) if end >= 0 else b""
        if len(record) < END.size or record[:4] != END_MAGIC:
            continue
        fields = END.unpack_from(record)
        _, disk, first_disk, here, count, length, start, comment = fields
        if comment != comment_length or _COMMENT.fullmatch(record, END.size) is None:
            continue
        if count == _ZIP64_COUNT or _ZIP64_SIZE in {length, start}:
            raise Flaw("zip64", "the archive needs the zip64 extension")
        if disk or first_disk or here != count:
            raise Flaw("multi-disk", "the archive is one of several volumes")
        return end, count, length, start
    raise Flaw("no-end-record", "no zip end record stands at the end: cut short, or data follows")


def _central_record(data: Extent, position: int, end: int, limits: Limits) -> tuple[Record, int]:
    """Return the record at ``position`` and where the next one starts."""
    name_start = position + CENTRAL.size
    header = data.at(position, CENTRAL.size)
    if name_start > end or len(header) < CENTRAL.size or header[:4] != CENTRAL_MAGIC:
        raise Flaw("bad-header", "a record of the directory is malformed")
    fields = CENTRAL.unpack(header)
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
    on_unix = made_by >> 8 in {UNIX, _MACOS}
    mode = attributes >> 16 if on_unix else 0
    stamp = (clock, day)
    sizes = (checksum, packed, size)
    record = Record(name, flags, method, *sizes, mode, offset, stamp, on_unix)
    _check_record(record)
    check_extra(extra, record)
    return record, following


def _check_record(record: Record) -> None:
    """Refuse what is not a plain file or directory, packed in a known way."""
    name = record.shown
    if record.flags & _ENCRYPTED:
        raise Flaw("encrypted", "the member is encrypted", name)
    if record.flags & ~_KNOWN_FLAGS:
        raise Flaw("unknown-flags", f"the member has the flags {record.flags:#06x}", name)
    if record.method not in {STORED, DEFLATED}:
        raise Flaw("unknown-method", f"the compression method {record.method} is unknown", name)
    described = record.flags & DESCRIBED
    if record.method == STORED and (record.packed != record.size or (described and record.size)):
        raise Flaw("bad-size", "a stored member has two sizes or states them late", name)
    if _ZIP64_SIZE in {record.packed, record.size, record.offset}:
        raise Flaw("zip64", "the member needs the zip64 extension", name)
    _check_name(record, name)
    _check_mode(record, name)


def _check_name(record: Record, name: str) -> None:
    """Refuse a name in an old code page; Unix tools write UTF-8 without saying so."""
    if not (record.flags & UTF8 or record.on_unix or record.name.isascii()):
        raise Flaw("not-utf8", "the name does not say that it is UTF-8", name)


def _check_mode(record: Record, name: str) -> None:
    """Refuse links, devices and set-user-id files; a mode without a type is plain."""
    kind = record.mode & _TYPE_MASK
    if kind == _SYMLINK:
        raise Flaw("symlink", "the member is a symbolic link", name)
    if kind not in {0, _DIRECTORY if record.is_directory else REGULAR}:
        raise Flaw("special-file", f"the mode {record.mode:06o} is not a plain one", name)
    if record.mode & _SPECIAL_MODES and not record.is_directory:
        raise Flaw("special-mode", f"the mode {record.mode:06o} is not a plain one", name)
    if record.is_directory and record.size:
        raise Flaw("bad-size", "a directory has a size", name)


def check_extra(extra: bytes, record: Record) -> None:
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
