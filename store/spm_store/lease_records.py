"""What a lease says of its owner: a file of lines, ``tmp/<lease>/lease``.

::

    spm lease 1
    boot 6f1c…            what tells this boot of this machine from any other
    process 4711          for people
    purpose installing    for people; every byte but printable ASCII as %xx
    7d20…44c1             one tree it needs a line

It is ASCII, and its last line ends like the others: a record without that was cut off.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from spm_store.errors import LeaseUnreadable

RECORD = "lease"
RECORD_BYTES = 16 * 2**20  # about 250,000 trees
PURPOSE_CHARACTERS = 400

_FORMAT = "spm lease 1"
_DIGEST_BYTES = 32
_PRINTABLE_FROM, _PRINTABLE_TO, _PERCENT = 0x20, 0x7E, 0x25
_RECORD_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Record(NamedTuple):
    """One record, read."""

    boot: str
    process: int
    purpose: str
    wants: frozenset[bytes]


_NOTHING_WANTED = Record("", 0, "", frozenset())


def header_of(boot: str, purpose: str) -> bytes:
    """Return the lines a record begins with."""
    said = escaped(purpose[:PURPOSE_CHARACTERS])
    return f"{_FORMAT}\nboot {boot}\nprocess {os.getpid()}\npurpose {said}\n".encode()


def escaped(text: str) -> str:
    """Return ``text`` as printable ASCII in one line, other bytes and ``%`` as ``%xx``."""
    return "".join(
        chr(byte)
        if _PRINTABLE_FROM <= byte <= _PRINTABLE_TO and byte != _PERCENT
        else f"%{byte:02x}"
        for byte in text.encode("utf-8", "surrogateescape")
    )


def unescaped(text: str) -> str:
    """Return what ``escaped`` made ``text`` of.

    Raises:
        ValueError: it made no such text.

    """
    first, *rest = text.split("%")
    data = first.encode("ascii") + b"".join(
        bytes.fromhex(part[:2]) + part[2:].encode("ascii") for part in rest
    )
    found = data.decode("utf-8", "surrogateescape")
    _check(escaped(found) == text)
    return found


def record_bytes(folder: str) -> bytes:
    """Return what the record of a lease says, nothing if there is none yet."""
    path = f"{folder}/{RECORD}"
    try:
        descriptor = os.open(path, _RECORD_FLAGS)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise unreadable(path, error) from error
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise LeaseUnreadable(path, "the record of a lease is not a file")
        try:
            data = file.read(RECORD_BYTES + 1)
        except OSError as error:
            raise unreadable(path, error) from error
    if len(data) > RECORD_BYTES:
        raise LeaseUnreadable(path, f"the record of a lease is over {RECORD_BYTES} bytes")
    return data


def boot_in(data: bytes) -> str:
    """Return the boot a record was written in, "" if it does not say, whole or not."""
    lines = data.split(b"\n", 2)
    found = lines[1].removeprefix(b"boot ") if len(lines) > 2 else b""  # noqa: PLR2004 - two whole lines
    return found.decode("ascii", "replace")


def parse_record(path: str, data: bytes) -> Record:
    """Return what a record says; one that is not there yet wants nothing."""
    if not data:
        return _NOTHING_WANTED
    try:
        form, boot, process, purpose, *digests, end = data.decode("ascii").split("\n")
        _check(form == _FORMAT and not end)
        return Record(
            _value(boot, "boot"),
            int(_value(process, "process")),
            unescaped(_value(purpose, "purpose")),
            frozenset(map(_digest_bytes, digests)),
        )
    except ValueError as error:
        raise LeaseUnreadable(path, "not the record of a lease as this spm knows it") from error


def _value(line: str, key: str) -> str:
    found, space, value = line.partition(" ")
    _check(found == key and bool(space))
    return value


def _digest_bytes(digits: str) -> bytes:
    raw = bytes.fromhex(digits)
    _check(raw.hex() == digits and len(raw) == _DIGEST_BYTES)
    return raw


def _check(right: bool) -> None:  # noqa: FBT001 - a condition, not a choice
    if not right:
        raise ValueError


def unreadable(path: str, error: OSError) -> LeaseUnreadable:
    """Return the refusal for what the system would not let us read."""
    number = error.errno or 0
    return LeaseUnreadable(path, os.strerror(number).lower(), number=number)
