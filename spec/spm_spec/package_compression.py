"""The compressed streams around a tar: gzip and zstd, bounded and strict.

Expanding yields small pieces, so that a reader can stop at the first flaw, and
refuses to yield more than it was allowed. Exactly one gzip member or zstd frame
must fill the whole input: no second one, nothing after it, nothing missing.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from spm_spec.package_members import RATIO, RATIO_FREE_BYTES, Flaw

if TYPE_CHECKING:
    from collections.abc import Iterator

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_LEVEL = 9
ZSTD_WINDOW_BYTES = 8 * 1024 * 1024  # the largest window that is read
_PIECE_BYTES = 64 * 1024
_GZIP_HEADER_BYTES = 10
_GZIP_TRAILER_BYTES = 8
_GZIP_NAME_BYTES = 1024  # the longest name or comment in a gzip header
_STORED_BLOCK_BYTES = 65_535
_ZSTD_BLOCK_BYTES = 128 * 1024
_RUN, _COMPRESSED = 1, 2  # kinds of zstd block; 0 is raw, 3 reserved


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
    for start in range(0, len(data), _ZSTD_BLOCK_BYTES):
        block = data[start : start + _ZSTD_BLOCK_BYTES]
        last = start + _ZSTD_BLOCK_BYTES >= len(data)
        pieces += [(len(block) << 3 | last).to_bytes(3, "little"), block]
    return b"".join(pieces)


def expand_gzip(data: bytes, limit: int) -> Iterator[bytes]:
    """Yield what one gzip member holds, at most ``limit`` bytes (RFC 1952)."""
    position = _gzip_header_end(data)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    pending = b""
    checksum = total = 0
    while not inflater.eof:
        if not pending:
            pending = data[position : position + _PIECE_BYTES]
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
        _check_expanded(total, limit)
        checksum = zlib.crc32(piece, checksum)
        yield piece
    _check_gzip_trailer(inflater.unused_data + data[position:], checksum, total)


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


def _check_gzip_trailer(rest: bytes, checksum: int, total: int) -> None:
    """Refuse a wrong checksum or size, and anything after them."""
    if len(rest) < _GZIP_TRAILER_BYTES:
        raise Flaw("truncated", "the gzip trailer is missing")
    if int.from_bytes(rest[:4], "little") != checksum:
        raise Flaw("bad-checksum", "the gzip checksum is wrong")
    if int.from_bytes(rest[4:8], "little") != total & 0xFFFF_FFFF:
        raise Flaw("bad-size", "the gzip size is wrong")
    if len(rest) > _GZIP_TRAILER_BYTES:
        raise Flaw("trailing-data", f"{len(rest) - 8} bytes follow the gzip member")


def expand_zstd(data: bytes, limit: int) -> Iterator[bytes]:
    """Yield what one zstd frame holds, at most ``limit`` bytes (RFC 8878)."""
    import zstandard

    _check_one_frame(data)
    try:
        parameters = zstandard.get_frame_parameters(data)
    except zstandard.ZstdError as error:
        raise Flaw("bad-compression", "the zstd header is malformed") from error
    if parameters.dict_id:
        raise Flaw("bad-compression", "the zstd frame needs a dictionary")
    if parameters.window_size > ZSTD_WINDOW_BYTES:
        explanation = f"the window is {parameters.window_size} bytes"
        raise Flaw("window-too-large", f"{explanation}, the limit is {ZSTD_WINDOW_BYTES}")
    declared = parameters.content_size
    if declared != zstandard.CONTENTSIZE_UNKNOWN:
        _check_expanded(declared, limit)
    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES)
    total = 0
    # One pass over a bounded reader: ``decompress`` would trust the declared size.
    with decompressor.stream_reader(data, read_across_frames=False) as reader:
        while True:
            try:
                piece = reader.read(_PIECE_BYTES)
            except zstandard.ZstdError as error:
                raise Flaw("bad-compression", "the zstd data does not expand") from error
            if not piece:
                break
            total += len(piece)
            _check_expanded(total, limit)
            yield piece
    if declared not in {total, zstandard.CONTENTSIZE_UNKNOWN}:
        raise Flaw("bad-size", f"the zstd frame says {declared} bytes and holds {total}")


def _check_one_frame(data: bytes) -> None:
    """Walk the blocks of the frame: it must end exactly where ``data`` does.

    The library reports neither a frame cut short nor bytes after it (RFC 8878
    sections 3.1.1.1 and 3.1.1.2).
    """
    if len(data) <= len(ZSTD_MAGIC):
        raise Flaw("truncated", "the zstd header ends early")
    descriptor = data[4]
    single_segment = descriptor >> 5 & 1
    position = 5 + (1 - single_segment) + (0, 1, 2, 4)[descriptor & 3]
    position += (single_segment, 2, 4, 8)[descriptor >> 6]
    last = False
    while not last:
        header = data[position : position + 3]
        if len(header) < 3:  # noqa: PLR2004 - the size of a block header
            raise Flaw("truncated", "the zstd data ends early")
        value = int.from_bytes(header, "little")
        last, kind, size = bool(value & 1), value >> 1 & 3, value >> 3
        if kind > _COMPRESSED:
            raise Flaw("bad-compression", "a zstd block is of a reserved kind")
        position += 3 + (1 if kind == _RUN else size)
    position += 4 if descriptor & 4 else 0
    if position > len(data):
        raise Flaw("truncated", "the zstd data ends early")
    if position < len(data):
        raise Flaw("trailing-data", f"{len(data) - position} bytes follow the zstd frame")


def _check_expanded(total: int, limit: int) -> None:
    """Refuse more bytes than the archive's own size and the limits allow."""
    if total > limit:
        explanation = f"the archive unpacks to more than {limit} bytes"
        raise Flaw("decompression-bomb", explanation)
