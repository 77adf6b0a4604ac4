"""``skills.lock``: reading what spm wrote, and saying what is wrong with anything else.

See spec/lock.md. A lock has one text. That text is read at speed by ``lock_text``; any
other text is refused here, after reading it slowly to find the reason and the line.
"""

from __future__ import annotations

from dataclasses import replace

from spm_spec.errors import UserMistake
from spm_spec.lock_document import ENTRIES, check_version, read_entry, read_head, read_tables
from spm_spec.lock_model import InvalidLock, Lock, LockedPython, LockEntry, fault_of
from spm_spec.lock_text import read_canonical, render_lock
from spm_spec.toml import check_size, line_of, load_toml

__all__ = ["InvalidLock", "Lock", "LockEntry", "LockedPython", "parse_lock", "render_lock"]

LOCK_CHARACTERS = 16 << 20
_AGAIN = "run `spm lock` to write it again"


def parse_lock(text: str, *, origin: str = "skills.lock") -> Lock:
    """Return the lock written as ``text``; ``origin`` is the file that messages name.

    A byte order mark and CRLF are what some checkouts make of the one text.

    Raises:
        InvalidLock: with ``line``, ``reason`` and a hint; see the reasons in spec/lock.md.

    """
    check_size(text, origin=origin, most_characters=LOCK_CHARACTERS, refusal=InvalidLock)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    lock = read_canonical(text)
    if lock is not None and len(lock.entries) <= ENTRIES:
        return lock
    raise _refusal(text, origin)


def _refusal(text: str, origin: str) -> InvalidLock:
    """Return why ``text`` is not the text of a lock."""
    try:
        document = load_toml(
            text, origin=origin, most_characters=LOCK_CHARACTERS, refusal=InvalidLock
        )
    except InvalidLock as error:
        error.hint = error.hint or _AGAIN
        return error
    place: tuple[str | int, ...] = ()
    try:
        check_version(document)
        lock = read_head(document)
        entries: list[LockEntry] = []
        for index, table in enumerate(read_tables(document)):
            place = ("skill", index)
            entries.append(read_entry(table))
    except UserMistake as error:
        return _placed(error, text, origin, place)
    lock = replace(lock, entries=tuple(entries))
    return _lawless(lock, text, origin) or _rewritten(lock, text, origin)


def _placed(
    error: UserMistake, text: str, origin: str, place: tuple[str | int, ...]
) -> InvalidLock:
    """Put a line before the refusal of one field."""
    key: str = getattr(error, "key", "")
    path = (*place, key) if key else place
    return InvalidLock(
        error.message,
        origin=origin,
        line=line_of(text, path) if path else None,
        reason=getattr(error, "reason", "invalid-value"),
        hint=error.hint or _AGAIN,
    )


def _lawless(lock: Lock, text: str, origin: str) -> InvalidLock | None:
    fault = fault_of(lock)
    if fault is None:
        return None
    place = ("requirements",) if fault.entry is None else ("skill", fault.entry)
    return InvalidLock(
        fault.message,
        origin=origin,
        line=line_of(text, place),
        reason=fault.reason,
        hint=fault.hint or _AGAIN,
    )


def _rewritten(lock: Lock, text: str, origin: str) -> InvalidLock:
    """Return the first line that is not as spm writes it."""
    written = render_lock(lock).split("\n")
    lines = text.split("\n")
    line = next(
        (
            number
            for number, (ours, theirs) in enumerate(zip(written, lines, strict=False), start=1)
            if ours != theirs
        ),
        min(len(written), len(lines)),
    )
    message = "the line is not as spm writes it, the file was edited"
    return InvalidLock(message, origin=origin, line=line, reason="not-canonical", hint=_AGAIN)
