"""``skills.lock``: reading what spm wrote, and saying what is wrong with anything else.

See spec/lock.md. A lock has one text. That text is read at speed by ``lock_text``; any
other text is refused here, after reading it slowly to find the reason and the line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard, TypeVar

from spm_spec.digests import Digest
from spm_spec.errors import UserMistake
from spm_spec.lock_fields import (
    LARGEST_ARCHIVE,
    InvalidField,
    check_entry,
    check_pythons,
    read_dependency,
    read_line,
    read_publisher,
    read_python,
    read_source,
    read_version,
    unknown_field,
)
from spm_spec.lock_model import InvalidLock, Lock, LockedPython, LockEntry, fault_of
from spm_spec.lock_text import LOCK_VERSION, read_canonical, render_lock
from spm_spec.names import parse_skill_name
from spm_spec.policy import NOTHING, InvalidPolicy, Policy, parse_policy
from spm_spec.quoting import quote
from spm_spec.toml import check_size, kind_of, line_of, load_toml
from spm_spec.versions import Version

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["InvalidLock", "Lock", "LockEntry", "LockedPython", "parse_lock", "render_lock"]

LOCK_CHARACTERS = 16 << 20
ENTRIES = 10_000
SHA256_DIGITS = 64

_LISTS = ("requirements", "overrides", "constraints", "prereleases")
Item = TypeVar("Item")

_KEYS = ("version", *_LISTS, "hosts", "skill")
_ENTRY_KEYS = (
    "name",
    "version",
    "source",
    "archive",
    "tree",
    "publisher",
    "dependencies",
    "policy",
    "python",
)
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
        return error
    place: tuple[str | int, ...] = ()
    try:
        _check_version(document)
        lock = _head(document)
        tables = document.get("skill", [])
        if not _is_list(tables) or len(tables) > ENTRIES:
            message = f"`skill` must be at most {ENTRIES} tables"
            raise InvalidField(message, reason="wrong-type", key="skill")
        entries: list[LockEntry] = []
        for index, table in enumerate(tables):
            place = ("skill", index)
            entries.append(_entry(table))
    except UserMistake as error:
        return _placed(error, text, origin, place)
    lock = Lock(
        lock.requirements,
        lock.hosts,
        tuple(entries),
        lock.overrides,
        lock.constraints,
        lock.prereleases,
    )
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
    line = None if fault.entry is None else line_of(text, ("skill", fault.entry))
    return InvalidLock(
        fault.message, origin=origin, line=line, reason=fault.reason, hint=fault.hint or _AGAIN
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


def _is_list(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)


def _is_table(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


def _check_version(document: dict[str, object]) -> None:
    version = document.get("version")
    if version is None:
        message = "there is no `version`"
        raise InvalidField(message, reason="lock-version", key="version")
    if type(version) is not int or version != LOCK_VERSION:
        message = f"lock version {kind_of(version)}, this spm reads version {LOCK_VERSION}"
        hint = "a newer spm wrote it: use that one" if isinstance(version, int) else None
        raise InvalidField(message, reason="lock-version", key="version", hint=hint)


def _head(document: dict[str, object]) -> Lock:
    for key in document:
        if key not in _KEYS:
            raise unknown_field(key, "the lock", key)
    lists = {key: _checked_list(document, key, read_line) for key in _LISTS}
    hosts = document.get("hosts", {})
    if not _is_table(hosts):
        raise InvalidField("`hosts` must be a table", reason="wrong-type", key="hosts")
    return Lock(
        lists["requirements"],
        {parse_skill_name(name): read_version(_text(hosts, name)) for name in hosts},
        (),
        lists["overrides"],
        lists["constraints"],
        lists["prereleases"],
    )


def _text(table: dict[str, object], key: str) -> str:
    value = table[key]
    if not isinstance(value, str):
        message = f"`{key}` is {kind_of(value)}, it must be text"
        raise InvalidField(message, reason="wrong-type", key=key)
    return value


def _checked_list(
    table: dict[str, object], key: str, check: Callable[[str], Item]
) -> tuple[Item, ...]:
    value = table.get(key, [])
    if not _is_list(value):
        message = f"`{key}` is {kind_of(value)}, it must be a list"
        raise InvalidField(message, reason="wrong-type", key=key)
    items: list[Item] = []
    for item in value:
        if not isinstance(item, str):
            message = f"`{key}` holds {kind_of(item)}, it must hold texts"
            raise InvalidField(message, reason="wrong-type", key=key)
        items.append(check(item))
    return tuple(items)


def _entry(table: object) -> LockEntry:
    if not _is_table(table):
        raise InvalidField("`skill` must be tables", reason="wrong-type", key="")
    for key in table:
        if key not in _ENTRY_KEYS:
            raise unknown_field(key, "the entry", key)
    for key in ("name", "source"):
        if key not in table:
            raise InvalidField(f"the entry has no `{key}`", reason="missing-field", key="")
    source = table["source"]
    if not _is_table(source):
        message = f"`source` is {kind_of(source)}, it must be a table"
        raise InvalidField(message, reason="wrong-type", key="source")
    sha256, size = _archive(table.get("archive"))
    entry = LockEntry(
        name=parse_skill_name(_text(table, "name")),
        version=Version.parse(_text(table, "version")) if "version" in table else None,
        source=read_source(source),
        tree=_tree(table),
        archive_sha256=sha256,
        archive_size=size,
        dependencies=_checked_list(table, "dependencies", read_dependency),
        publisher=read_publisher(_text(table, "publisher")) if "publisher" in table else None,
        policy=_policy(table),
        python=_pythons(table.get("python", [])),
    )
    check_entry(entry)
    return entry


def _tree(table: dict[str, object]) -> Digest:
    if "tree" not in table:
        message = "the entry has no `tree`, nothing could be verified"
        raise InvalidField(message, reason="missing-digest", key="")
    text = _text(table, "tree")
    algorithm, colon, _ = text.partition(":")
    if colon and algorithm != "blake3":
        message = f"`tree` is a digest of {quote(algorithm)}, it must be blake3"
        raise InvalidField(message, reason="digest-algorithm", key="tree")
    try:
        return Digest.parse(text)
    except UserMistake as error:
        raise InvalidField(f"`tree`: {error.message}", reason="digest", key="tree") from error


def _archive(value: object) -> tuple[str | None, int | None]:
    if value is None:
        return None, None
    if not _is_table(value):
        message = f"`archive` is {kind_of(value)}, it must be a table"
        raise InvalidField(message, reason="wrong-type", key="archive")
    for key in value:
        if key not in {"sha256", "size"}:
            raise unknown_field(key, "the archive", "archive")
    for key in ("sha256", "size"):
        if key not in value:
            message = f"`archive` has no `{key}`"
            raise InvalidField(message, reason="missing-digest", key="archive")
    sha256, size = _text(value, "sha256"), value["size"]
    if len(sha256) != SHA256_DIGITS or not set(sha256) <= set("0123456789abcdef"):
        message = f"`sha256` is {quote(sha256)}, it must be 64 lower-case hex digits"
        raise InvalidField(message, reason="digest", key="archive")
    if type(size) is not int or not 0 < size <= LARGEST_ARCHIVE:
        message = f"`size` is {kind_of(size)}, it must be 1 to {LARGEST_ARCHIVE}"
        raise InvalidField(message, reason="invalid-value", key="archive")
    return sha256, size


def _policy(table: dict[str, object]) -> Policy:
    if "policy" not in table:
        return NOTHING
    try:
        return parse_policy(table["policy"], where=lambda _: "`policy`")
    except InvalidPolicy as error:
        raise InvalidField(error.message, reason="policy", key="policy", hint=error.hint) from error


def _pythons(value: object) -> tuple[LockedPython, ...]:
    if not _is_list(value):
        message = f"`python` is {kind_of(value)}, it must be a list"
        raise InvalidField(message, reason="wrong-type", key="python")
    return check_pythons([_python(item) for item in value])


def _python(table: object) -> LockedPython:
    if not _is_table(table):
        raise InvalidField("`python` must hold tables", reason="wrong-type", key="python")
    for key in table:
        if key not in {"name", "version", "marker", "hashes"}:
            raise unknown_field(key, "a Python distribution", "python")
    for key in ("name", "version"):
        if key not in table:
            message = f"a Python distribution has no `{key}`"
            raise InvalidField(message, reason="missing-field", key="python")
    return read_python(
        _text(table, "name"),
        _text(table, "version"),
        _text(table, "marker") if "marker" in table else None,
        _checked_list(table, "hashes", str),
    )
