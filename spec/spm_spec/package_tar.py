"""A small strict tar reader, and the one way packages are written as tar.

Reads what GNU tar, bsdtar, git and Python write for plain files and directories:
ustar headers, pax paths, GNU long names. Everything that could mean two things to
two readers is refused. See spec/package.md section 4.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from spm_spec.package_members import Flaw, Member, member_path
from spm_spec.pieces import Pieces

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from spm_spec.tree import FileEntry
    from spm_spec.tree_names import Limits

BLOCK_BYTES = 512
EXTENSION_BYTES = 64 * 1024  # the longest pax header or GNU long name
PADDING_BYTES = 1024 * 1024  # the most zero bytes after the end
_NAME_BYTES = 100
_ZERO_BLOCK = bytes(BLOCK_BYTES)
_POSIX_MAGIC = b"ustar\x0000"
_GNU_MAGIC = b"ustar  \x00"
_SPECIAL_MODES = 0o7000

_OCTAL = re.compile(rb" *([0-7]+)[ \0]*")
_RECORD_LENGTH = re.compile(rb"([1-9][0-9]{0,5}) ")

_REFUSED_TYPES = {
    b"1": ("hard-link", "a hard link"),
    b"2": ("symlink", "a symbolic link"),
    b"3": ("device", "a character device"),
    b"4": ("device", "a block device"),
    b"6": ("fifo", "a fifo"),
    b"K": ("symlink", "a long link target"),
    b"S": ("sparse-file", "a sparse file"),
}
_IGNORED_KEYWORDS = frozenset(
    {"atime", "ctime", "mtime", "comment", "uid", "gid", "uname", "gname"}
    | {"SCHILY.dev", "SCHILY.fflags", "SCHILY.ino", "SCHILY.nlink", "LIBARCHIVE.creationtime"}
)
_IGNORED_PREFIXES = ("SCHILY.xattr.", "LIBARCHIVE.xattr.")
"""What bsdtar and GNU tar say about owners, times and attributes: none of it exists in a tree."""


def write_tar(files: Sequence[FileEntry]) -> bytes:
    """Return the tar of ``files``, in their order: the same bytes for the same files."""
    pieces: list[bytes] = []
    for entry in files:
        name = entry.path.encode()
        if len(name) > _NAME_BYTES or not entry.path.isascii():
            record = _pax_record(b"path", name)
            pieces += [_header(b"pax", len(record), 0o644, b"x"), _padded(record)]
            name = entry.path.encode("ascii", "replace")[:_NAME_BYTES]
        mode = 0o755 if entry.executable else 0o644
        pieces += [_header(name, len(entry.data), mode, b"0"), _padded(entry.data)]
    return b"".join([*pieces, _ZERO_BLOCK, _ZERO_BLOCK])


def _header(name: bytes, size: int, mode: int, kind: bytes) -> bytes:
    """Return a ustar header without owner or time."""
    before = b"%-100b%07o\0%07o\0%07o\0%011o\0%011o\0" % (b"", mode, 0, 0, size, 0)
    before = name.ljust(_NAME_BYTES, b"\0") + before[_NAME_BYTES:]
    after = (kind + bytes(100) + _POSIX_MAGIC).ljust(BLOCK_BYTES - len(before) - 8, b"\0")
    checksum = sum(before) + sum(after) + 8 * ord(" ")
    return before + b"%06o\0 " % checksum + after


def _padded(data: bytes) -> bytes:
    """Return ``data`` filled up with zeros to whole blocks."""
    return data + bytes(-len(data) % BLOCK_BYTES)


def _pax_record(keyword: bytes, value: bytes) -> bytes:
    """Return ``<length> <keyword>=<value>`` and a line end; the length counts itself."""
    rest = b" " + keyword + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d" % length + rest


class _Input(Pieces):
    """A tar's bytes: blocks, and data with its padding."""

    def take_padded(self, count: int) -> bytes:
        """Return ``count`` bytes and pass over their padding, which must be zeros."""
        return b"".join(self.padded_chunks(count, ""))

    def padded_chunks(self, count: int, path: str) -> Iterator[bytes]:
        """Yield ``count`` bytes and pass over their padding, which must be zeros."""
        yield from self.chunks(count)
        padding = self.take(-count % BLOCK_BYTES)
        if padding.count(0) != len(padding):
            raise Flaw("hidden-data", "the padding after a file is not zeros", path)

    def finish(self) -> None:
        """Read to the end; everything left must be zeros."""
        passed = 0
        for piece in self.rest():
            passed += len(piece)
            if piece.count(0) != len(piece) or passed > PADDING_BYTES:
                raise Flaw("trailing-data", "the tar goes on after its end")


def read_tar(pieces: Iterator[bytes], limits: Limits) -> Iterator[Member]:
    """Yield the files and directories of a tar, checked one by one.

    What is left of a member's chunks is passed over, and checked, before the next one.

    Raises:
        Flaw: anything that is not a plain file or directory, or not one meaning.
        InvalidTree: a path no tree can hold.

    """
    return _Reader(pieces, limits).members()


class _Reader:
    """Reads members; holds the name that an extension gave to the next one."""

    def __init__(self, pieces: Iterator[bytes], limits: Limits) -> None:
        self._input = _Input(pieces, "the tar")
        self._limits = limits
        self._next_name: bytes | None = None
        self._extended = False
        self._headers = 0

    def members(self) -> Iterator[Member]:
        """Yield members up to the two zero blocks, then check that nothing follows."""
        while (block := self._input.take(BLOCK_BYTES)) != _ZERO_BLOCK:
            member = self._member(block)
            if member is not None:
                yield member
                for _ in member.chunks:  # what nobody took must be right all the same
                    pass
        if self._extended:
            raise Flaw("bad-header", "an extended header has no member after it")
        if self._input.take(BLOCK_BYTES) != _ZERO_BLOCK:
            raise Flaw("bad-header", "one zero block is not the end of a tar")
        self._input.finish()

    def _member(self, block: bytes) -> Member | None:
        """Return the member a header announces; None for headers that only describe."""
        self._headers += 1
        # Each member has at most a header that describes it, and one is for all.
        if self._headers > 2 * self._limits.entries + 1:
            raise Flaw("too-many-entries", f"more than {self._limits.entries} entries")
        _check_header(block)
        kind = block[156:157]
        size = _number(block[124:136], "size")
        if kind in {b"x", b"g", b"L"}:
            self._extend(kind, size)
            return None
        name = _header_name(block) if self._next_name is None else self._next_name
        self._next_name, self._extended = None, False
        if kind not in {b"0", b"5"}:
            _refuse_kind(kind, name)
        if block[157:257].strip(b"\0"):
            raise Flaw("bad-header", "a plain member has a link target", _shown_name(name))
        return self._plain(block, name, size, is_directory=kind == b"5")

    def _plain(self, block: bytes, name: bytes, size: int, *, is_directory: bool) -> Member | None:
        """Return a file or directory with its data."""
        path = member_path(name, is_directory=is_directory, limits=self._limits)
        if is_directory:
            if size:
                raise Flaw("bad-size", "a directory has a size", path or "./")
            return None if path is None else Member(path, False, True, 0, iter(()))  # noqa: FBT003
        assert path is not None  # noqa: S101 - only a directory can be the archive's own
        mode = _number(block[100:108], "mode")
        if mode & _SPECIAL_MODES:
            raise Flaw("special-mode", f"the mode {mode:04o} is not a plain one", path)
        if size > self._limits.file_bytes:
            explanation = f"{size} bytes, the limit is {self._limits.file_bytes}"
            raise Flaw("file-too-large", f"the file is too large: {explanation}", path)
        chunks = self._input.padded_chunks(size, path)
        return Member(path, bool(mode & 0o100), False, size, chunks)  # noqa: FBT003

    def _extend(self, kind: bytes, size: int) -> None:
        """Take what a pax header or a GNU long name says about the next member."""
        if size > EXTENSION_BYTES:
            explanation = f"an extended header has {size} bytes, the limit is {EXTENSION_BYTES}"
            raise Flaw("header-too-long", explanation)
        if self._extended:
            raise Flaw("ambiguous-name", "a member has two extended headers")
        body = self._input.take_padded(size)
        if kind == b"g":
            if self._headers != 1:
                raise Flaw("pax-global", "a global header is not at the start")
            if "path" in _pax_records(body):
                raise Flaw("pax-global", "a global header sets a path")
            return
        self._extended = True
        self._next_name = _long_name(body) if kind == b"L" else _pax_records(body).get("path")


def _check_header(block: bytes) -> None:
    """Refuse a header with a wrong checksum or of an unknown kind of tar."""
    expected = _number(block[148:156], "checksum")
    if sum(block[:148]) + sum(block[156:]) + 8 * ord(" ") != expected:
        raise Flaw("bad-checksum", "the checksum of a header is wrong")
    if block[257:265] not in {_POSIX_MAGIC, _GNU_MAGIC}:
        raise Flaw("bad-header", "a header is neither ustar nor GNU")


def _number(field: bytes, what: str) -> int:
    """Return an octal number; signs, base 256 and rubbish are refused."""
    match = _OCTAL.fullmatch(field)
    if match is None:
        raise Flaw("bad-number", f"the {what} in a header is not an octal number")
    return int(match[1], 8)


def _text(field: bytes) -> bytes:
    """Return a field up to its first NUL, after which there are only NULs."""
    text, _, rest = field.partition(b"\0")
    if rest.strip(b"\0"):
        raise Flaw("hidden-data", "a header field goes on after its end", _shown_name(text))
    return text


def _header_name(block: bytes) -> bytes:
    """Return the path in a header: the name, with the prefix of ustar before it."""
    name = _text(block[:_NAME_BYTES])
    if block[257:265] == _GNU_MAGIC:
        if block[345:500].strip(b"\0"):
            raise Flaw("bad-header", "a GNU header has incremental or sparse fields")
        return name
    prefix = _text(block[345:500])
    return prefix + b"/" + name if prefix else name


def _long_name(body: bytes) -> bytes:
    """Return a GNU long name, which ends with one NUL."""
    if not body.endswith(b"\0") or b"\0" in body[:-1]:
        raise Flaw("bad-header", "a long name does not end with its only NUL")
    return body[:-1]


def _pax_records(body: bytes) -> dict[str, bytes]:
    """Return the records of a pax header; only ``path`` is ever used."""
    records: dict[str, bytes] = {}
    position = 0
    while position < len(body):
        match = _RECORD_LENGTH.match(body, position)
        end = position + int(match[1]) if match else 0
        text_start = match.end() if match else 0
        keyword, equals, value = body[text_start : end - 1].partition(b"=")
        if not keyword or not equals or body[end - 1 : end] != b"\n":
            raise Flaw("bad-pax", "a pax record is malformed")
        name = keyword.decode("ascii", "backslashreplace")
        if name != "path" and name not in _IGNORED_KEYWORDS:
            _check_prefix(name)
        if name in records:
            raise Flaw("bad-pax", f"the pax keyword {name[:40]} appears twice")
        records[name] = value
        position = end
    return records


def _check_prefix(keyword: str) -> None:
    """Refuse a keyword that could change which bytes are which file."""
    if not keyword.startswith(_IGNORED_PREFIXES):
        kind = "sparse-file" if keyword.startswith("GNU.sparse.") else "pax-keyword"
        raise Flaw(kind, f"the pax keyword {keyword[:40]!a} is not accepted")


def _refuse_kind(kind: bytes, name: bytes) -> NoReturn:
    """Say which kind of member is not accepted."""
    reason, what = _REFUSED_TYPES.get(kind, ("unknown-member", f"of the unknown type {kind!r}"))
    raise Flaw(reason, f"the member is {what}", _shown_name(name))


def _shown_name(name: bytes) -> str:
    """Return a name that may not be UTF-8 as text for a message."""
    return name.decode("utf-8", "backslashreplace")
