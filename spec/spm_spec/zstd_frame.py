"""One zstd frame read strictly, in small pieces, from anything that can be read.

The library reports neither a frame cut short nor bytes after it, allocates what a
header declares, and reads a second frame as if it were the first one's end. So the
frame's blocks are walked here while it is read (RFC 8878 section 3.1.1), and the
library is never shown a byte outside of the frame.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, cast

from spm_spec.package_members import Flaw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_WINDOW_BYTES = 8 * 1024 * 1024  # the largest window that is read
ZSTD_BLOCK_BYTES = 128 * 1024
_PIECE_BYTES = 128 * 1024
_BLOCK_HEADER_BYTES = 3
_FREE_BLOCKS = 1024 * 1024  # a frame has so many blocks at most, and…
_BYTES_A_BLOCK = 64  # …one more for each so many of its bytes
_CHECKSUM_BYTES = 4
_RUN, _COMPRESSED = 1, 2  # kinds of zstd block; 0 is raw, 3 reserved


class FrameInput:
    """The bytes of exactly one frame, as a file the library can read from."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        """Read the header; ``read`` gives at most as many bytes as it is asked for."""
        self._source = read
        self._last = False
        self._blocks = 0
        self.passed = 0
        """How many bytes of the frame have been read."""
        self.header = self._exactly(5, "the zstd header ends early")
        if self.header[:4] != ZSTD_MAGIC:
            raise Flaw("bad-compression", "a zstd frame does not begin with its magic number")
        descriptor = self.header[4]
        single_segment = descriptor >> 5 & 1
        length = (1 - single_segment) + (0, 1, 2, 4)[descriptor & 3]
        length += (single_segment, 2, 4, 8)[descriptor >> 6]
        self.header += self._exactly(length, "the zstd data ends early")
        self._checksum = descriptor & 4
        self._waiting = self.header
        self._left = 0

    def read(self, size: int) -> bytes:
        """Return at most ``size`` bytes of the frame, and no bytes after its end."""
        given: list[bytes] = []
        room = size
        while room and (self._waiting or self._left or self._advance()):
            if self._waiting:
                chunk, self._waiting = self._waiting[:room], self._waiting[room:]
            else:
                chunk = self._source(min(room, self._left))
                if not chunk:
                    raise Flaw("truncated", "the zstd data ends early")
                self._left -= len(chunk)
                self.passed += len(chunk)
            given.append(chunk)
            room -= len(chunk)
        return b"".join(given)

    def has_more(self) -> bool:
        """Tell whether the frame holds bytes that were not read."""
        return bool(self.read(1))

    def _advance(self) -> bool:
        """Go to the next block, or the checksum; tell whether there was any."""
        if self._last:
            self._left, self._checksum = _CHECKSUM_BYTES if self._checksum else 0, 0
            return bool(self._left)
        header = self._exactly(_BLOCK_HEADER_BYTES, "the zstd data ends early")
        value = int.from_bytes(header, "little")
        self._last, kind, size = bool(value & 1), value >> 1 & 3, value >> 3
        self._blocks += 1
        if self._blocks > _FREE_BLOCKS + self.passed // _BYTES_A_BLOCK:
            raise Flaw("bad-compression", "the zstd frame has too many small blocks")
        if kind > _COMPRESSED:
            raise Flaw("bad-compression", "a zstd block is of a reserved kind")
        self._waiting, self._left = header, 1 if kind == _RUN else size
        return True

    def _exactly(self, count: int, explanation: str) -> bytes:
        """Return ``count`` bytes of the source, or refuse one that ends before."""
        taken = b""
        while len(taken) < count:
            piece = self._source(count - len(taken))
            if not piece:
                raise Flaw("truncated", explanation)
            taken += piece
        self.passed += count
        return taken


def declared_size(header: bytes) -> int | None:
    """Return the content size of a frame's header, which is checked against our limits."""
    import zstandard

    try:
        parameters = zstandard.get_frame_parameters(header)
    except zstandard.ZstdError as error:
        raise Flaw("bad-compression", "the zstd header is malformed") from error
    if parameters.dict_id:
        raise Flaw("bad-compression", "the zstd frame needs a dictionary")
    if parameters.window_size > ZSTD_WINDOW_BYTES:
        explanation = f"the window is {parameters.window_size} bytes"
        raise Flaw("window-too-large", f"{explanation}, the limit is {ZSTD_WINDOW_BYTES}")
    unknown = parameters.content_size == zstandard.CONTENTSIZE_UNKNOWN
    return None if unknown else parameters.content_size


def expand_frame(frame: FrameInput, limit: int) -> Iterator[bytes]:
    """Yield what a frame holds, at most ``limit`` bytes, in small pieces.

    What follows the frame is for the caller to refuse.
    """
    import zstandard

    declared = declared_size(frame.header)
    if declared is not None:
        check_expanded(declared, limit)
    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES)
    total = 0
    # One pass over a bounded reader: ``decompress`` would trust the declared size.
    with decompressor.stream_reader(cast("IO[bytes]", frame), read_across_frames=False) as reader:
        while True:
            try:
                piece = reader.read(_PIECE_BYTES)
            except zstandard.ZstdError as error:
                raise Flaw("bad-compression", "the zstd data does not expand") from error
            if not piece:
                break
            total += len(piece)
            check_expanded(total, limit)
            yield piece
    if frame.has_more():
        raise Flaw("bad-compression", "the zstd data does not expand")
    if declared not in {total, None}:
        raise Flaw("bad-size", f"the zstd frame says {declared} bytes and holds {total}")


def check_expanded(total: int, limit: int) -> None:
    """Refuse more bytes than the archive's own size and the limits allow."""
    if total > limit:
        explanation = f"the archive unpacks to more than {limit} bytes"
        raise Flaw("decompression-bomb", explanation)
