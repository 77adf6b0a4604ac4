"""Builds archives byte by byte, so that each test can lie about exactly one thing."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

from spm_spec.package_compression import gzip_stored

POSIX = b"ustar\x0000"
GNU = b"ustar  \x00"


def tar_member(
    name: bytes | str,
    data: bytes = b"",
    *,
    kind: bytes = b"0",
    mode: bytes = b"0000644\0",
    size: bytes | None = None,
    link: bytes = b"",
    magic: bytes = POSIX,
    prefix: bytes = b"",
    checksum: int = 0,
    padding: bytes = b"\0",
) -> bytes:
    """Return one header and its data; ``checksum`` is what to add to the right one."""
    raw = name.encode() if isinstance(name, str) else name
    number = b"%011o\0" % len(data) if size is None else size
    header = raw.ljust(100, b"\0") + mode + b"0000000\0" * 2 + number + b"00000000000\0"
    header += b" " * 8 + kind + link.ljust(100, b"\0") + magic
    header = header.ljust(345, b"\0") + prefix.ljust(155, b"\0")
    header = header.ljust(512, b"\0")
    total = b"%06o\0 " % (sum(header) + checksum)
    return header[:148] + total + header[156:] + data + padding * (-len(data) % 512)


def pax_member(*records: tuple[str, str | bytes], kind: bytes = b"x") -> bytes:
    """Return a pax header with these records."""
    body = b"".join(pax_record(keyword, value) for keyword, value in records)
    return tar_member("pax", body, kind=kind)


def pax_record(keyword: str, value: str | bytes) -> bytes:
    """Return one record with its own length in front."""
    text = value.encode() if isinstance(value, str) else value
    rest = b" " + keyword.encode() + b"=" + text + b"\n"
    length = len(rest)
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d" % length + rest


def tar(*members: bytes, end: bytes = bytes(1024)) -> bytes:
    """Return an uncompressed tar."""
    return b"".join(members) + end


def tar_gz(*members: bytes, end: bytes = bytes(1024)) -> bytes:
    """Return a tar.gz whose bytes depend on no release of zlib."""
    return gzip_stored(tar(*members, end=end))


def zstd_frame(
    data: bytes,
    *,
    declared: int | None = None,
    window: int = 7 << 3,
    last: bool = True,
    dictionary: bytes = b"",
) -> bytes:
    """Return a zstd frame of one raw block."""
    size = (len(data) if declared is None else declared).to_bytes(8, "little")
    block = (len(data) << 3 | last).to_bytes(3, "little") + data
    descriptor = 0xC0 | (1 if dictionary else 0)
    return b"\x28\xb5\x2f\xfd" + bytes([descriptor, window]) + dictionary + size + block


def zstd_run(size: int, first: bytes = b"") -> bytes:
    """Return a zstd frame of ``first`` and ``size`` zero bytes, which says nothing of it."""
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([7 << 3])
    frame += (len(first) << 3).to_bytes(3, "little") + first if first else b""
    while size:
        run = min(size, 128 * 1024)
        size -= run
        frame += (run << 3 | 1 << 1 | (size == 0)).to_bytes(3, "little") + b"\0"
    return frame


@dataclass
class ZipMember:
    """One member; ``local`` overrides what the local header says, ``late`` adds a descriptor."""

    name: bytes
    data: bytes = b""
    method: int = 0
    flags: int = 0x0800
    made_by: int = 3 << 8 | 20
    mode: int = 0o100644
    extra: bytes = b""
    packed: bytes | None = None
    size: int | None = None
    checksum: int | None = None
    comment: bytes = b""
    offset: int | None = None
    late: bytes = b""
    before: bytes = b""
    local: dict[str, int | bytes] = field(default_factory=dict[str, "int | bytes"])


def zip_archive(
    *members: ZipMember,
    gap: bytes = b"",
    comment: bytes = b"",
    count: int | None = None,
    disk: int = 0,
) -> bytes:
    """Return a zip of the members in order; ``gap`` stands before the directory."""
    body = directory = b""
    for member in members:
        packed = member.data if member.packed is None else member.packed
        if member.method == 8 and member.packed is None:
            packed = deflate_stored(member.data)
        crc = zlib.crc32(member.data) if member.checksum is None else member.checksum
        size = len(member.data) if member.size is None else member.size
        said: dict[str, int | bytes] = {
            "name": member.name,
            "flags": member.flags,
            "method": member.method,
            "checksum": crc,
            "packed": len(packed),
            "size": size,
            **member.local,
        }
        name = said.pop("name")
        assert isinstance(name, bytes)
        body += member.before
        offset = len(body) if member.offset is None else member.offset
        values = (said["flags"], said["method"], 0, 33, said["checksum"])
        sizes = (said["packed"], said["size"], len(name), len(member.extra))
        body += struct.pack("<4s5H3I2H", b"PK\3\4", 20, *values, *sizes)
        body += name + member.extra + packed + member.late
        record = (member.made_by, 20, member.flags, member.method, 0, 33, crc, len(packed), size)
        ends = (len(member.name), len(member.extra), len(member.comment), 0, 0)
        directory += struct.pack(
            "<4s6H3I5H2I", b"PK\1\2", *record, *ends, member.mode << 16, offset
        )
        directory += member.name + member.extra + member.comment
    number = len(members) if count is None else count
    lengths = (len(directory), len(body) + len(gap), len(comment))
    end = struct.pack("<4s4H2IH", b"PK\5\6", disk, disk, number, number, *lengths)
    return body + gap + directory + end + comment


def deflate_stored(data: bytes) -> bytes:
    """Return raw deflate of one stored block."""
    length = len(data)
    return b"\1" + struct.pack("<2H", length, length ^ 0xFFFF) + data


def descriptor(data: bytes, packed: int) -> bytes:
    """Return the data descriptor that follows streamed data."""
    return struct.pack("<4s3I", b"PK\7\x08", zlib.crc32(data), packed, len(data))
