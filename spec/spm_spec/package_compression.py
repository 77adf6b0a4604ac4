"""The compressed streams around a tar: gzip and zstd, bounded and strict.

Expanding yields small pieces, so that a reader can stop at the first flaw, and
refuses to yield more than it was allowed. Exactly one gzip member or zstd frame
must fill the whole input: no second one, nothing after it, nothing missing.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from spm_spec.package_members import RATIO, RATIO_FREE_BYTES, Flaw
from spm_spec.zstd_frame import (
    ZSTD_BLOCK_BYTES,
    ZSTD_MAGIC,
    FrameInput,
    check_expanded,
    expand_frame,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spm_spec.streams import Source

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_LEVEL = 9
_PIECE_BYTES = 64 * 1024
_GZIP_HEADER_BYTES = 10
_GZIP_TRAILER_BYTES = 8
_GZIP_NAME_BYTES = 1024  # the longest name or comment in a gzip header
_STORED_BLOCK_BYTES = 65_535
_GZIP_HEAD_BYTES = 72 * 1024  # more than the longest header: an extra field, two texts
_WALK_BYTES = 1024 * 1024


def gzip_stored(data: bytes) -> bytes:
    """Return ``data`` as one gzip member of stored blocks: no time, no name, no choices.

    Nothing is compressed, so the bytes depend on no release of zlib.
    """
    # ID, deflate, no flags, time 0, no extra flags, unknown system (RFC 1952 section 2.3)
    pieces = [GZIP_MAGIC + b"\x08\x00\x00\x00\x00\x00\x00\xff"]
    for start in range(0, max(len(data), 1), _STORED_BLOCK_BYTES):
        block = data[start : start + _STORED_BLOCK_BYTES]
        last = start + _STORED_BLOCK_BYTES >= len(data)
        length = len(block).to_bytes(2, "little")
        inverted = (len(block) ^ 0xFFFF).to_bytes(2, "little")
        pieces += [bytes([last]), length, inverted, block]
    pieces.append(zlib.crc32(data).to_bytes(4, "little"))
    pieces.append((len(data) & 0xFFFF_FFFF).to_bytes(4, "little"))
    return b"".join(pieces)


def zstd_compressed(data: bytes) -> bytes:
    """Return ``data`` as one zstd frame with its size and checksum.

    Data that would shrink more than a reader believes is framed uncompressed.
    """
    import zstandard

    parameters = zstandard.ZstdCompressionParameters.from_level(  # pyright: ignore[reportUnknownMemberType]
        ZSTD_LEVEL,
        source_size=len(data),
        write_checksum=1,
        write_content_size=1,
        threads=0,
    )
    frame = zstandard.ZstdCompressor(compression_params=parameters).compress(data)
    if len(data) > max(RATIO_FREE_BYTES, RATIO * len(frame)):
        return _zstd_stored(data)
    return frame


def _zstd_stored(data: bytes) -> bytes:
    """Return ``data`` as a zstd frame of raw blocks (RFC 8878 section 3.1.1)."""
    # Descriptor: eight bytes of content size, no single segment, no checksum, no dictionary.
    # Window: exponent 7, mantissa 0, which is 2**(10 + 7) bytes, one block.
    pieces = [ZSTD_MAGIC, b"\xc0", bytes([7 << 3]), len(data).to_bytes(8, "little")]
    for start in range(0, len(data), ZSTD_BLOCK_BYTES):
        block = data[start : start + ZSTD_BLOCK_BYTES]
        last = start + ZSTD_BLOCK_BYTES >= len(data)
        pieces += [(len(block) << 3 | last).to_bytes(3, "little"), block]
    return b"".join(pieces)


def expand_gzip(source: Source, size: int, limit: int) -> Iterator[bytes]:
    """Yield what one gzip member of ``size`` bytes holds, at most ``limit`` bytes (RFC 1952)."""
    source.seek(0)
    head = source.read(_GZIP_HEAD_BYTES)
    start = _gzip_header_end(head)
    source.seek(start)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    pending = b""
    position = start
    checksum = total = 0
    while not inflater.eof:
        if not pending:
            pending = source.read(_PIECE_BYTES)
            position += len(pending)
        exhausted = not pending
        try:
            piece = inflater.decompress(pending, _PIECE_BYTES)
        except zlib.error as error:
            raise Flaw("bad-compression", "the gzip data does not inflate") from error
        pending = inflater.unconsumed_tail
        if exhausted and not piece and not inflater.eof:
            raise Flaw("truncated", "the gzip data ends early")
        total += len(piece)
        check_expanded(total, limit)
        checksum = zlib.crc32(piece, checksum)
        yield piece
    end = position - len(inflater.unused_data)
    source.seek(end)
    trailer = source.read(_GZIP_TRAILER_BYTES)
    _check_gzip_trailer(trailer, size - end, checksum, total)


def _gzip_header_end(data: bytes) -> int:
    """Return where the deflate data starts; the header's optional parts are skipped."""
    if len(data) < _GZIP_HEADER_BYTES + _GZIP_TRAILER_BYTES:
        raise Flaw("truncated", "the gzip header ends early")
    method, flags = data[2], data[3]
    # 4 extra field, 8 name, 16 comment; 1 text is only a hint. 2 is a header checksum
    # no tool writes, the rest is reserved.
    if method != zlib.DEFLATED or flags & ~0b11101:
        raise Flaw("bad-compression", "the gzip header has an unknown method or flag")
    position = _GZIP_HEADER_BYTES
    if flags & 4:
        position += 2 + int.from_bytes(data[position : position + 2], "little")
    for flag in (8, 16):
        if flags & flag:
            position = data.find(b"\0", position, position + _GZIP_NAME_BYTES) + 1
            if position == 0:
                raise Flaw("truncated", "a text in the gzip header does not end")
    return position


def _check_gzip_trailer(trailer: bytes, left: int, checksum: int, total: int) -> None:
    """Refuse a wrong checksum or size, and anything after them in the ``left`` bytes."""
    if len(trailer) < _GZIP_TRAILER_BYTES:
        raise Flaw("truncated", "the gzip trailer is missing")
    if int.from_bytes(trailer[:4], "little") != checksum:
        raise Flaw("bad-checksum", "the gzip checksum is wrong")
    if int.from_bytes(trailer[4:], "little") != total & 0xFFFF_FFFF:
        raise Flaw("bad-size", "the gzip size is wrong")
    if left > _GZIP_TRAILER_BYTES:
        raise Flaw("trailing-data", f"{left - 8} bytes follow the gzip member")


def expand_zstd(source: Source, size: int, limit: int) -> Iterator[bytes]:
    """Yield what one zstd frame of ``size`` bytes holds, at most ``limit`` bytes (RFC 8878).

    The frame is walked to its end first: what is cut short or followed by anything is
    refused before any of it is expanded.
    """
    source.seek(0)
    frame = FrameInput(source.read)
    while frame.read(_WALK_BYTES):
        pass
    if frame.passed < size:
        raise Flaw("trailing-data", f"{size - frame.passed} bytes follow the zstd frame")
    source.seek(0)
    return expand_frame(FrameInput(source.read), limit)
