"""JSON that came from outside, read within limits; JSON that goes out, always legal.

``json.loads`` alone recurses with its input, keeps the last of two equal keys
and accepts ``NaN``. None of that is acceptable in a file of a skill or in what
a model wrote.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from spm_spec.errors import UserMistake

MAX_JSON_BYTES = 1024 * 1024
MAX_JSON_DEPTH = 64
MAX_VALUE_DEPTH = 64


class _Refused(ValueError):
    """Why a text is not acceptable, on its way to the caller's error."""


def parse_json(
    text: str | bytes, *, origin: str, error: type[UserMistake], max_bytes: int = MAX_JSON_BYTES
) -> object:
    """Return the value of a JSON text.

    Raises:
        error: it is too long, too deep, not UTF-8, not JSON, or has a key twice.
    """
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(data) > max_bytes:
        raise error(f"{origin}: {len(data)} bytes of JSON, at most {max_bytes} are read")
    try:
        decoded = data.decode("utf-8-sig")
        _check_depth(decoded)
        value: object = json.loads(
            decoded, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError as reason:
        raise error(f"{origin}: not UTF-8 at byte {reason.start}") from reason
    except json.JSONDecodeError as reason:
        message = f"{origin}: not JSON at line {reason.lineno} column {reason.colno}: {reason.msg}"
        raise error(message) from reason
    except ValueError as reason:
        raise error(f"{origin}: {reason}") from reason
    return value


def _check_depth(text: str) -> None:
    depth = 0
    quoted = escaped = False
    for character in text:
        if quoted:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                quoted = False
        elif character == '"':
            quoted = True
        elif character in "[{":
            depth += 1
            if depth > MAX_JSON_DEPTH:
                raise _Refused(f"nested deeper than {MAX_JSON_DEPTH} levels")
        elif character in "]}":
            depth -= 1


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value: dict[str, object] = {}
    for key, item in pairs:
        if key in value:
            raise _Refused(f"the key `{key[:64]}` stands twice in one object")
        value[key] = item
    return value


def _refuse_constant(name: str) -> object:
    raise _Refused(f"`{name}` is not JSON")


def plain_value(value: object, depth: int = 0) -> object:
    """Return ``value`` as something JSON has.

    Bytes become text (UTF-8 where they are, else their hexadecimal digits), NaN
    and the infinities become their names, anything unknown its ``str``, and what
    lies deeper than 64 levels an ellipsis.
    """
    if value is None or isinstance(value, bool | int | str | float | bytes):
        return _plain_scalar(value)
    if depth >= MAX_VALUE_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return {str(key): plain_value(item, depth + 1) for key, item in items}
    if isinstance(value, Sequence):
        return [plain_value(item, depth + 1) for item in cast("Sequence[object]", value)]
    return str(value)


def _plain_scalar(value: bool | float | str | bytes | None) -> object:  # noqa: FBT001  # a value, not a flag
    if isinstance(value, bytes):
        return _text_of(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _text_of(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.hex()


def result_text(value: object) -> str:
    """Return a result as text for a model: a string as it is, anything else as compact JSON."""
    plain = plain_value(value)
    if isinstance(plain, str):
        return plain
    return compact(plain)


def compact(value: object) -> str:
    """Return JSON without spaces, keys in the order they have."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
