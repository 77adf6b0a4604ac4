"""The part of msgpack the wire uses, for a place where no package is installed.

Values are ``None``, booleans, 64-bit integers, finite floats, text, bytes, lists and
maps with text keys. Anything else is refused with the JSON pointer of where it is.
"""

from __future__ import annotations

import math
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

MAXIMUM_DEPTH = 64
_SMALL_MAP, _SMALL_LIST, _SMALL_TEXT, _TYPED, _NEGATIVE = 0x80, 0x90, 0xA0, 0xC0, 0xE0
_LOWEST, _HIGHEST = -(1 << 63), (1 << 64) - 1

_UNSIGNED = (
    (1 << 8, 0xCC, ">B"),
    (1 << 16, 0xCD, ">H"),
    (1 << 32, 0xCE, ">I"),
    (1 << 64, 0xCF, ">Q"),
)
_SIGNED = (
    (1 << 7, 0xD0, ">b"),
    (1 << 15, 0xD1, ">h"),
    (1 << 31, 0xD2, ">i"),
    (1 << 63, 0xD3, ">q"),
)
_FIXED_WIDTH = {lead: form for _, lead, form in (*_UNSIGNED, *_SIGNED)} | {0xCA: ">f", 0xCB: ">d"}
_LENGTHS = (">B", ">H", ">I")


class Unsendable(ValueError):
    """A value that has no place on the wire."""


def pack(value: object) -> bytes:
    """Encode ``value``; tuples become lists."""
    parts: list[bytes] = []
    _pack(value, parts, "", 0)
    return b"".join(parts)


def unpack(data: bytes) -> Any:
    """Decode one value that the host side wrote."""
    value, end = _unpack(data, 0)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes after the value")
    return value


def _pack(value: Any, parts: list[bytes], where: str, depth: int) -> None:
    content: Any = value  # what the checks below narrow is of no use: items may be anything
    if depth > MAXIMUM_DEPTH:
        raise Unsendable(f"more than {MAXIMUM_DEPTH} levels deep at {where[:80]}…")
    if value is None or isinstance(value, bool):
        parts.append({None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value])
    elif isinstance(value, int):
        parts.append(_integer(value, where))
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise Unsendable(f"{value} at {where or '/'} is not a JSON number")
        parts.append(b"\xcb" + struct.pack(">d", value))
    elif isinstance(value, str):
        _pack_text(value, parts, where)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        raw = bytes(content)
        parts += (_head(len(raw), 0, 0, (0xC4, 0xC5, 0xC6)), raw)
    else:
        _pack_container(value, parts, where, depth)


def _pack_container(value: Any, parts: list[bytes], where: str, depth: int) -> None:
    content: Any = value
    if isinstance(value, (list, tuple)):
        parts.append(_head(len(content), 0x90, 16, (None, 0xDC, 0xDD)))
        for index, item in enumerate(content):
            _pack(item, parts, f"{where}/{index}", depth + 1)
    elif isinstance(value, dict):
        parts.append(_head(len(content), 0x80, 16, (None, 0xDE, 0xDF)))
        for key, item in content.items():
            if not isinstance(key, str):
                raise Unsendable(f"a key of type {type(key).__name__} at {where or '/'}")
            _pack_text(key, parts, where)
            _pack(item, parts, f"{where}/{key}", depth + 1)
    else:
        raise Unsendable(f"a value of type {type(value).__name__} at {where or '/'}")


def _pack_text(value: str, parts: list[bytes], where: str) -> None:
    try:
        raw = value.encode()
    except UnicodeEncodeError:
        raise Unsendable(f"text with a lone surrogate at {where or '/'}") from None
    parts += (_head(len(raw), 0xA0, 32, (0xD9, 0xDA, 0xDB)), raw)


def _integer(value: int, where: str) -> bytes:
    if -32 <= value < 128:  # noqa: PLR2004 - the range of the one-byte form
        return struct.pack(">b", value) if value < 0 else bytes((value,))
    if not _LOWEST <= value <= _HIGHEST:
        raise Unsendable(f"an integer of more than 64 bits at {where or '/'}")
    choices = _UNSIGNED if value > 0 else _SIGNED
    magnitude = value if value > 0 else -value - 1
    lead, form = next((lead, form) for limit, lead, form in choices if magnitude < limit)
    return bytes((lead,)) + struct.pack(form, value)


def _head(length: int, short: int, short_limit: int, leads: tuple[int | None, int, int]) -> bytes:
    """Return the first bytes of a value of ``length``, in the shortest form there is."""
    if length < short_limit:
        return bytes((short | length,))
    for lead, form, limit in zip(leads, _LENGTHS, (1 << 8, 1 << 16, 1 << 32), strict=True):
        if lead is not None and length < limit:
            return bytes((lead,)) + struct.pack(form, length)
    raise Unsendable(f"a value of {length} bytes or items")


def _unpack(data: bytes, at: int) -> tuple[Any, int]:
    lead = data[at]
    at += 1
    if lead < _SMALL_MAP or lead >= _NEGATIVE:
        return (lead if lead < _SMALL_MAP else lead - 256), at
    if lead in _FIXED_WIDTH:
        form = _FIXED_WIDTH[lead]
        return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    if lead in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[lead], at
    kind, length, at = _length(data, lead, at)
    if kind == "list":
        return _unpack_list(data, length, at)
    if kind == "map":
        return _unpack_map(data, length, at)
    raw = data[at : at + length]
    if len(raw) != length:
        raise ValueError("the value ends early")
    return (raw.decode() if kind == "text" else raw), at + length


def _length(data: bytes, lead: int, at: int) -> tuple[str, int, int]:
    if lead < _TYPED:
        if lead >= _SMALL_TEXT:
            return "text", lead & 0x1F, at
        return ("map" if lead < _SMALL_LIST else "list"), lead & 0x0F, at
    for kind, first, forms in (
        ("bytes", 0xC4, _LENGTHS),
        ("text", 0xD9, _LENGTHS),
        ("list", 0xDC, _LENGTHS[1:]),
        ("map", 0xDE, _LENGTHS[1:]),
    ):
        if first <= lead < first + len(forms):
            form = forms[lead - first]
            return kind, struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    raise ValueError(f"a byte 0x{lead:02x} that begins no value of the wire")


def _unpack_list(data: bytes, length: int, at: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    for _ in range(length):
        item, at = _unpack(data, at)
        items.append(item)
    return items, at


def _unpack_map(data: bytes, length: int, at: int) -> tuple[dict[Any, Any], int]:
    pairs = list(_pairs(data, length, at))
    return {key: value for key, value, _ in pairs}, pairs[-1][2] if pairs else at


def _pairs(data: bytes, length: int, at: int) -> Iterator[tuple[Any, Any, int]]:
    for _ in range(length):
        key, at = _unpack(data, at)
        value, at = _unpack(data, at)
        yield key, value, at
