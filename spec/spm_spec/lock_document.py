"""Reading a parsed TOML document as a lock, to say what is wrong with it.

Only texts that ``lock_text`` does not know come here; see ``lock``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

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
from spm_spec.lock_model import Lock, LockedPython, LockEntry
from spm_spec.lock_text import LOCK_VERSION
from spm_spec.names import parse_skill_name
from spm_spec.policy import NOTHING, InvalidPolicy, Policy, parse_policy
from spm_spec.quoting import quote
from spm_spec.shapes import is_list, is_table
from spm_spec.toml import kind_of
from spm_spec.versions import Version

if TYPE_CHECKING:
    from collections.abc import Callable

Item = TypeVar("Item")
Given = TypeVar("Given")

ENTRIES = 10_000
SHA256_DIGITS = 64

_LISTS = ("requirements", "overrides", "constraints", "prereleases")
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


def read_tables(document: dict[str, object]) -> list[object]:
    """Return the tables of the entries, at most ``ENTRIES``."""
    tables = document.get("skill", [])
    if not is_list(tables) or len(tables) > ENTRIES:
        message = f"`skill` must be at most {ENTRIES} tables"
        raise InvalidField(message, reason="wrong-type", key="skill")
    return tables


def check_version(document: dict[str, object]) -> None:
    """Refuse a lock of another format version before anything else is judged."""
    version = document.get("version")
    if version is None:
        message = "there is no `version`"
        raise InvalidField(message, reason="lock-version", key="version")
    if type(version) is not int or version != LOCK_VERSION:
        shown = version if type(version) is int else kind_of(version)
        message = f"the lock has version {shown}, this spm reads version {LOCK_VERSION}"
        hint = "a newer spm wrote it: use that one" if isinstance(version, int) else None
        raise InvalidField(message, reason="lock-version", key="version", hint=hint)


def read_head(document: dict[str, object]) -> Lock:
    """Return the lock without its entries."""
    for key in document:
        if key not in _KEYS:
            raise unknown_field(key, "the lock", key)
    lists = {key: _checked_list(document, key, read_line) for key in _LISTS}
    hosts = document.get("hosts", {})
    if not is_table(hosts):
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


def _checked_text(table: dict[str, object], key: str, check: Callable[[str], Item]) -> Item:
    return _keyed(key, check, _text(table, key))


def _keyed(key: str, check: Callable[[Given], Item], value: Given) -> Item:
    """Return what ``check`` makes of ``value``; its refusal is one of the field ``key``."""
    try:
        return check(value)
    except InvalidField:
        raise
    except UserMistake as error:
        reason = getattr(error, "reason", "invalid-value")
        raise InvalidField(error.message, reason=reason, key=key, hint=error.hint) from error


def _checked_list(
    table: dict[str, object], key: str, check: Callable[[str], Item]
) -> tuple[Item, ...]:
    value = table.get(key, [])
    if not is_list(value):
        message = f"`{key}` is {kind_of(value)}, it must be a list"
        raise InvalidField(message, reason="wrong-type", key=key)
    items: list[Item] = []
    for item in value:
        if not isinstance(item, str):
            message = f"`{key}` holds {kind_of(item)}, it must hold texts"
            raise InvalidField(message, reason="wrong-type", key=key)
        items.append(check(item))
    return tuple(items)


def read_entry(table: object) -> LockEntry:
    """Return one entry."""
    if not is_table(table):
        raise InvalidField("`skill` must be tables", reason="wrong-type", key="")
    for key in table:
        if key not in _ENTRY_KEYS:
            raise unknown_field(key, "the entry", key)
    for key in ("name", "source"):
        if key not in table:
            raise InvalidField(f"the entry has no `{key}`", reason="missing-field", key="")
    source = table["source"]
    if not is_table(source):
        message = f"`source` is {kind_of(source)}, it must be a table"
        raise InvalidField(message, reason="wrong-type", key="source")
    sha256, size = _archive(table.get("archive"))
    entry = LockEntry(
        name=_checked_text(table, "name", parse_skill_name),
        version=_checked_text(table, "version", Version.parse) if "version" in table else None,
        source=_keyed("source", read_source, source),
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
    if not is_table(value):
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
    if not is_list(value):
        message = f"`python` is {kind_of(value)}, it must be a list"
        raise InvalidField(message, reason="wrong-type", key="python")
    return check_pythons([_python(item) for item in value])


def _python(table: object) -> LockedPython:
    if not is_table(table):
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
