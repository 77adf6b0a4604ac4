"""Which names and paths a tree may hold, on every file system at once.

The rules are those of spec/digest.md section 3. A name that passes can be created
on Linux, macOS and Windows, cannot be mistaken for another in the same directory,
and cannot leave it. Nothing here looks at a disk.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from spm_spec.errors import HostileDataError

NAME_BYTES = 255
_MEBIBYTE = 1024 * 1024
_SHOWN_CHARACTERS = 120

_PLAIN_NAME = re.compile(r"(?:[!-.0-9;-\[\]-~][ -.0-9;-\[\]-~]{0,253})?[!-\-0-9;-\[\]-~]", re.ASCII)
"""ASCII names without ``/ : \\``, control characters, or a dot or space at the end."""

_BIDI_CONTROLS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)

RESERVED_NAMES = frozenset(
    {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}
    | {f"{port}{digit}" for port in ("COM", "LPT") for digit in "123456789\u00b9\u00b2\u00b3"}
)
"""Device names of Windows, taken whatever follows the first dot."""


_SAFE_NAME = re.compile(
    rf"(?!(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[1-9]) *(?:\.|\Z)){_PLAIN_NAME.pattern}",
    re.ASCII | re.IGNORECASE,
)
"""Plain names that are no device of Windows either."""


class InvalidTree(HostileDataError):
    """Files that cannot be a tree; ``reason`` is the kind, ``path`` the place."""

    def __init__(self, reason: str, path: str, explanation: str) -> None:
        """Name the kind, the place and what was wrong with it."""
        super().__init__(f"{shown(path)}: {explanation}" if path else explanation)
        self.reason = reason
        self.path = path
        self.explanation = explanation


@dataclass(frozen=True, slots=True)
class Limits:
    """The caps on a tree; each is the largest value that is still accepted."""

    depth: int = 32  # names in a path
    path_bytes: int = 1024  # UTF-8 bytes in a path
    entries: int = 10_000  # files and directories together, the root apart
    file_bytes: int = 64 * _MEBIBYTE
    tree_bytes: int = 256 * _MEBIBYTE


DEFAULT_LIMITS = Limits()


def shown(path: str) -> str:
    """Return ``path`` quoted for a message: escaped, and cut at 120 characters."""
    cut = path if len(path) <= _SHOWN_CHARACTERS else path[:_SHOWN_CHARACTERS] + "…"
    return ascii(cut) if not cut.isprintable() else repr(cut)


def is_plain_name(name: str) -> bool:
    """Tell names that ``check_name`` accepts without a closer look: ordinary ASCII ones."""
    return _SAFE_NAME.fullmatch(name) is not None


@lru_cache(maxsize=4096)
def check_name(name: str) -> None:
    """Refuse a name that one of the supported systems could not keep apart or keep at all.

    Raises:
        InvalidTree: with the reason ``empty-name``, ``dot-name``, ``not-utf8``,
            ``name-too-long``, ``forbidden-character``, ``control-character``,
            ``bidi-character``, ``not-nfc``, ``trailing-dot-or-space`` or ``reserved-name``.

    """
    if _SAFE_NAME.fullmatch(name) is not None:
        return
    if _PLAIN_NAME.fullmatch(name) is None:
        _check_unusual_name(name)
    device = name.partition(".")[0].rstrip(" ").upper()
    if device in RESERVED_NAMES:
        raise InvalidTree("reserved-name", name, f"{device} is a device name on Windows")


def _check_unusual_name(name: str) -> None:
    """Find what keeps ``name`` from being plain, or accept it as good Unicode."""
    if not name:
        raise InvalidTree("empty-name", name, "a name is empty")
    if name in {".", ".."}:
        raise InvalidTree("dot-name", name, "`.` and `..` are not names")
    _check_encoding(name)
    for character in name:
        _check_character(name, character)
    if not unicodedata.is_normalized("NFC", name):
        raise InvalidTree("not-nfc", name, "a name is not in Unicode normal form C")
    if name[-1] in ". ":
        raise InvalidTree("trailing-dot-or-space", name, "a name ends with a dot or a space")


def _check_encoding(name: str) -> None:
    """Refuse what UTF-8 cannot write, or writes too long."""
    try:
        length = len(name.encode())
    except UnicodeEncodeError as error:
        raise InvalidTree("not-utf8", name, "a name is not UTF-8") from error
    if length > NAME_BYTES:
        explanation = f"a name has {length} bytes, the limit is {NAME_BYTES}"
        raise InvalidTree("name-too-long", name, explanation)


def _check_character(name: str, character: str) -> None:
    """Refuse separators, control characters and characters that reorder text."""
    code_point = f"U+{ord(character):04X}"
    if character in "/\\:\0":
        raise InvalidTree("forbidden-character", name, f"a name holds {code_point}")
    if unicodedata.category(character) == "Cc":
        raise InvalidTree("control-character", name, f"a name holds the control {code_point}")
    if character in _BIDI_CONTROLS:
        explanation = f"a name holds {code_point}, which reorders text"
        raise InvalidTree("bidi-character", name, explanation)


def check_path(path: str, limits: Limits = DEFAULT_LIMITS) -> None:
    """Refuse a path that is not one to ``limits.depth`` good names joined by ``/``.

    Raises:
        InvalidTree: with a reason of ``check_name``, ``absolute-path``,
            ``path-too-long`` or ``too-deep``; ``path`` is the whole path.

    """
    # Four bytes a character at most: a text longer than the cap in characters cannot fit.
    if len(path) > limits.path_bytes or (
        not path.isascii() and len(path.encode("utf-8", "surrogatepass")) > limits.path_bytes
    ):
        explanation = f"the path is too long, the limit is {limits.path_bytes} bytes"
        raise InvalidTree("path-too-long", path, explanation)
    names = path.split("/")
    if len(names) > limits.depth:
        explanation = f"the path has {len(names)} names, the limit is {limits.depth}"
        raise InvalidTree("too-deep", path, explanation)
    if path.startswith("/"):
        raise InvalidTree("absolute-path", path, "the path is absolute")
    for name in names:
        try:
            check_name(name)
        except InvalidTree as error:
            raise InvalidTree(error.reason, path, error.explanation) from error


@lru_cache(maxsize=4096)
def folded(name: str) -> str:
    """Return the key under which names that some system takes for equal are equal.

    Canonical caseless matching (Unicode 3.13, D145): NFD, full case folding, NFD.
    """
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())
