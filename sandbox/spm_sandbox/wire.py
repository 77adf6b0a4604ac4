"""Frames and values as they come from a worker: judged before they are decoded.

A frame is four bytes of length, big-endian, and one msgpack value. ``scan`` walks the
bytes once without building anything, so that a value of eight megabytes that would
become half a gigabyte of objects is refused for the price of reading it. The rules are
spec/sandbox.md section 5.
"""

from __future__ import annotations

import math
import struct
from importlib import import_module
from typing import TYPE_CHECKING, Any

from spm_sandbox.errors import ProtocolViolation

if TYPE_CHECKING:
    from collections.abc import Mapping

MAXIMUM_FRAME = 8 << 20  # bytes
MAXIMUM_DEPTH = 64 + 2  # a value of 64 levels inside a response
MAXIMUM_OBJECTS = 200_000
LENGTH_BYTES = 4

# Where the one-byte forms begin: after the small integers come small maps, lists and
# texts, then everything with a type byte, then the small negative integers.
_SMALL_MAP, _SMALL_LIST, _SMALL_TEXT, _TYPED, _NEGATIVE = 0x80, 0x90, 0xA0, 0xC0, 0xE0

_CONSTANTS = {0xC0: 0, 0xC2: 0, 0xC3: 0}
_INTEGERS = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_FIXED = _CONSTANTS | _INTEGERS
_FLOATS = {0xCA: (">f", 4), 0xCB: (">d", 8)}
_BLOBS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_LISTS = {0xDC: 2, 0xDD: 4}
_MAPS = {0xDE: 2, 0xDF: 4}
_TEXTS = frozenset((0xD9, 0xDA, 0xDB))


class Frames:
    """Cuts the stream of a worker into frames."""

    def __init__(self, longest: int = MAXIMUM_FRAME) -> None:
        """Refuse frames longer than ``longest`` bytes as soon as their length is known."""
        self._longest = longest
        self._pending = bytearray()

    def feed(self, data: bytes) -> None:
        """Add what was read."""
        self._pending += data

    def next(self) -> bytes | None:
        """Return the next whole frame's content, or None while it is incomplete."""
        if len(self._pending) < LENGTH_BYTES:
            return None
        length = int.from_bytes(self._pending[:LENGTH_BYTES], "big")
        if not 1 <= length <= self._longest:
            raise ProtocolViolation(f"a frame of {length} bytes, not 1 to {self._longest}")
        end = LENGTH_BYTES + length
        if len(self._pending) < end:
            return None
        frame = bytes(self._pending[LENGTH_BYTES:end])
        del self._pending[:end]
        return frame

    @property
    def has_rest(self) -> bool:
        """Whether bytes wait that are not a whole frame yet, or one not yet taken."""
        return bool(self._pending)


def frame(data: bytes) -> bytes:
    """Put the length before ``data``."""
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


def encode(value: object) -> bytes:
    """Encode a value of the host's own.

    Raises:
        ValueError, TypeError, OverflowError: the value is not JSON-like.
    """
    msgpack: Any = import_module("msgpack")
    encoded: bytes = msgpack.packb(value, use_bin_type=True)
    return encoded


def decode(data: bytes) -> Any:
    """Scan and decode one value of a worker.

    Raises:
        ProtocolViolation: a cap, a type or a rule of the wire is broken.
    """
    msgpack: Any = import_module("msgpack")
    scan(data)
    try:
        return msgpack.unpackb(data, raw=False, strict_map_key=True, object_pairs_hook=_unique)
    except ProtocolViolation:
        raise
    except (ValueError, msgpack.UnpackException) as error:
        raise ProtocolViolation(
            f"a value that cannot be decoded ({type(error).__name__})"
        ) from None


def scan(data: bytes) -> None:
    """Check one value's structure without building it; linear in ``data``.

    Refused: ext types and the unused byte, lengths beyond the data, more than
    ``MAXIMUM_OBJECTS`` values, more than ``MAXIMUM_DEPTH`` levels, keys that are not
    text, floats that are not finite, bytes after the value.
    """
    walk = _Walk(data)
    while walk.waiting:
        walk.step()
    if walk.at != len(data):
        raise ProtocolViolation(f"{len(data) - walk.at} bytes after the value")


class _Walk:
    """The position of a scan: what is still expected at each level."""

    def __init__(self, data: bytes) -> None:
        self.at = 0
        # A level is [values still expected, whether it is a map]; in a map, an even
        # number of expected values means that the next one is a key.
        self.waiting: list[list[int]] = [[1, 0]]
        self._data = data
        self._objects = 0

    def step(self) -> None:
        level = self.waiting[-1]
        if level[0] == 0:
            self.waiting.pop()
            return
        is_key = level[1] and level[0] % 2 == 0
        level[0] -= 1
        self._objects += 1
        if self._objects > MAXIMUM_OBJECTS:
            raise ProtocolViolation(f"more than {MAXIMUM_OBJECTS} values in one frame")
        lead = self._take(1)[0]
        if is_key and not (_SMALL_TEXT <= lead < _TYPED or lead in _TEXTS):
            raise ProtocolViolation("a key that is not text")
        self._value(lead)

    def _value(self, lead: int) -> None:
        if lead < _SMALL_MAP or lead >= _NEGATIVE:
            return
        if lead < _SMALL_TEXT:
            self._open(lead & 0x0F, is_map=lead < _SMALL_LIST)
        elif lead < _TYPED:
            self._skip(lead & 0x1F)
        elif lead in _FIXED:
            self._skip(_FIXED[lead])
        elif lead in _BLOBS:
            self._skip(int.from_bytes(self._take(_BLOBS[lead]), "big"))
        elif lead in _FLOATS:
            form, width = _FLOATS[lead]
            if not math.isfinite(struct.unpack(form, self._take(width))[0]):
                raise ProtocolViolation("a float that is not a number of JSON")
        elif lead in _LISTS or lead in _MAPS:
            width = _LISTS.get(lead) or _MAPS[lead]
            self._open(int.from_bytes(self._take(width), "big"), is_map=lead in _MAPS)
        else:
            raise ProtocolViolation(f"a value of the unknown type 0x{lead:02x}")

    def _open(self, length: int, *, is_map: bool) -> None:
        expected = 2 * length if is_map else length
        if expected > len(self._data) - self.at:
            raise ProtocolViolation(f"a container of {length} items in {len(self._data)} bytes")
        if len(self.waiting) > MAXIMUM_DEPTH:
            raise ProtocolViolation(f"more than {MAXIMUM_DEPTH} levels")
        self.waiting.append([expected, int(is_map)])

    def _take(self, count: int) -> bytes:
        taken = self._data[self.at : self.at + count]
        self._skip(count)
        return taken

    def _skip(self, count: int) -> None:
        self.at += count
        if self.at > len(self._data):
            raise ProtocolViolation("a value that ends early")


def _unique(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ProtocolViolation("a map with the same key twice")
    return unique
