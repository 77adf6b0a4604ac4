"""Every archive that spec/vectors/package/ holds, and what a reader must make of it.

``python -m tests.support.package_scenarios`` in the root of the repository writes the
vectors again; a test holds that nothing changes.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass
from pathlib import Path

from spm_spec.package import write_package
from spm_spec.package_compression import gzip_stored
from spm_spec.tree import FileEntry, build_tree
from tests.support.archives import (
    GNU,
    ZipMember,
    deflate_stored,
    descriptor,
    pax_member,
    tar,
    tar_gz,
    tar_member,
    zip_archive,
    zstd_frame,
    zstd_run,
)

VECTORS = Path(__file__).parents[2] / "spec" / "vectors" / "package"
TEXT = b"---\nname: hello\n---\n"
SKILL = tar_member("SKILL.md", TEXT)
HELLO = (FileEntry("SKILL.md", TEXT),)
BOTH = (FileEntry("SKILL.md", TEXT), FileEntry("scripts/run.sh", b"#!/bin/sh\n", executable=True))
RUN = tar_member("scripts/run.sh", b"#!/bin/sh\n", mode=b"0000755\0")
ZIP_SKILL = ZipMember(b"SKILL.md", TEXT)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
LONG = "references/" + "long-name-" * 12 + ".md"


@dataclass(frozen=True)
class Scenario:
    """One archive: accepted with ``files``, or refused for the reason ``refused``."""

    name: str
    description: str
    archive: bytes
    files: tuple[FileEntry, ...] = ()
    refused: str = ""


def written() -> list[Scenario]:
    """What the writer writes; a second writer must produce these bytes."""
    long = (*HELLO, FileEntry(LONG, b"long\n"), FileEntry("references/é.md", b"accent\n"))
    return [
        Scenario("written-tar-gz", "written as tar.gz", write_package(BOTH, "tar.gz"), BOTH),
        Scenario("written-zip", "written as zip", write_package(BOTH, "zip"), BOTH),
        Scenario("written-long-names", "names that need pax", write_package(long, "tar.gz"), long),
        Scenario("written-zip-unicode", "names in UTF-8", write_package(long, "zip"), long),
    ]


def accepted_tar() -> list[Scenario]:
    """What ordinary tools write as tar."""
    wrapped = tar_member("hello-0123456/SKILL.md", TEXT, mode=b"0000664\0")
    folder = tar_member("hello-0123456/", kind=b"5", mode=b"0000775\0")
    github = (pax_member(("comment", COMMIT), kind=b"g"), folder, wrapped)
    gnu = tar_member("././@LongLink", LONG.encode() + b"\0", kind=b"L", magic=GNU)
    long = (*HELLO, FileEntry(LONG, b"x"))
    dots = (tar_member("./", kind=b"5"), tar_member("./SKILL.md", TEXT))
    times = pax_member(("mtime", "1.5"), ("SCHILY.xattr.user.note", b"\xff"), ("path", LONG))
    droppings = (
        tar_member(".DS_Store", b"x"),
        tar_member("._SKILL.md", b"\0\5\x16\7rest"),
        tar_member("__MACOSX/SKILL.md", b"x"),
        tar_member(".git/HEAD", b"ref: refs/heads/main\n"),
    )
    prefixed = tar_member("deep.md", b"x", prefix=b"references")
    short = tar_member("short", b"x", magic=GNU)
    return [
        Scenario("tar-github", "a GitHub download: one folder around it", tar_gz(*github), HELLO),
        Scenario("tar-gnu-long-name", "GNU tar", tar_gz(SKILL, gnu, short), long),
        Scenario("tar-dot-slash", "`tar czf x.tgz .`", tar_gz(*dots), HELLO),
        Scenario(
            "tar-pax",
            "bsdtar: times, attributes, a long path",
            tar_gz(SKILL, times, tar_member("short", b"x")),
            long,
        ),
        Scenario("tar-droppings", "what Finder and git leave", tar_gz(SKILL, *droppings), HELLO),
        Scenario(
            "tar-prefix",
            "ustar with a prefix",
            tar_gz(SKILL, prefixed),
            (*HELLO, FileEntry("references/deep.md", b"x")),
        ),
        Scenario("tar-zstd", "one zstd frame", zstd_frame(tar(SKILL, RUN)), BOTH),
        Scenario("tar-padded", "padded to 10240 bytes", tar_gz(SKILL, end=bytes(9216)), HELLO),
    ]


def accepted_zip() -> list[Scenario]:
    """What ordinary tools write as zip."""
    times = (
        b"UT\x05\x00\x03\x00\x00\x00\x00" + b"ux\x0b\x00\x01\x04" + bytes(4) + b"\x04" + bytes(4)
    )
    wrapped = ZipMember(b"hello/SKILL.md", TEXT, method=8, extra=times)
    folder = ZipMember(b"hello/", mode=0o040755, extra=times)
    packed = len(deflate_stored(TEXT))
    late = ZipMember(
        b"SKILL.md",
        TEXT,
        method=8,
        flags=0x0808,
        late=descriptor(TEXT, packed),
        local={"checksum": 0, "packed": 0, "size": 0},
    )
    dos = ZipMember(b"SKILL.md", TEXT, made_by=20, mode=0, flags=0)
    comment = zip_archive(ZIP_SKILL, comment=COMMIT.encode())
    return [
        Scenario("zip-info-zip", "`zip -r`", zip_archive(folder, wrapped), HELLO),
        Scenario("zip-streamed", "sizes in a data descriptor", zip_archive(late), HELLO),
        Scenario("zip-dos", "made without modes", zip_archive(dos), HELLO),
        Scenario("zip-git-comment", "the commit id as comment", comment, HELLO),
    ]


def accepted_details() -> list[Scenario]:
    """What differs from tool to tool and says nothing about a tree."""
    group = tar_member("SKILL.md", TEXT, mode=b"0000660\0")
    runnable = (FileEntry("SKILL.md", TEXT, executable=True),)
    flat = (*HELLO, FileEntry("hello/notes.md", b"x"))
    notes = tar_member("hello/notes.md", b"x")
    accent = (*HELLO, FileEntry("é.md", b"x"))
    accented = tar_member("é.md", b"x", magic=GNU)
    gzip_named = b"\x1f\x8b\x08\x18" + bytes(4) + b"\x02\x03skill.tar\0comment\0"
    named = gzip_named + tar_gz(SKILL)[10:]
    lower, small = (FileEntry("skill.md", TEXT),), tar_member("hello/skill.md", TEXT)
    run = ZipMember(b"scripts/run.sh", b"#!/bin/sh\n", mode=0o100755)
    folders = (ZipMember(b"empty/", mode=0o040755), ZipMember(b"empty/below/", mode=0o040755))
    utf8 = ZipMember("é.md".encode(), b"x", flags=0, made_by=19 << 8 | 20)
    path = b"\x01" + zlib.crc32(b"SKILL.md").to_bytes(4, "little") + b"SKILL.md"
    said_twice = ZipMember(b"SKILL.md", TEXT, extra=b"up" + len(path).to_bytes(2, "little") + path)
    best = ZipMember(b"SKILL.md", TEXT, method=8, flags=0x0802)
    return [
        Scenario("tar-group-mode", "mode bits of others do not count", tar_gz(group), HELLO),
        Scenario(
            "tar-owner-executes",
            "the owner's bit alone makes an executable",
            tar_gz(tar_member("SKILL.md", TEXT, mode=b"0000700\0")),
            runnable,
        ),
        Scenario("tar-not-wrapped", "a folder that is not all", tar_gz(SKILL, notes), flat),
        Scenario("tar-gnu-utf-8", "GNU tar writes UTF-8 as it is", tar_gz(SKILL, accented), accent),
        Scenario("tar-lower-case", "`skill.md` in one folder", tar_gz(small), lower),
        Scenario("tar-reversed", "members in any order", tar_gz(RUN, SKILL), BOTH),
        Scenario("gzip-named", "gzip with a name and a comment", named, HELLO),
        Scenario("zip-executable", "modes of Unix", zip_archive(ZIP_SKILL, run), BOTH),
        Scenario("zip-folders", "folders are nothing", zip_archive(*folders, ZIP_SKILL), HELLO),
        Scenario("zip-mac-utf-8", "UTF-8 not announced", zip_archive(ZIP_SKILL, utf8), accent),
        Scenario("zip-said-twice", "a Unicode path like the name", zip_archive(said_twice), HELLO),
        Scenario("zip-best", "deflate at another level", zip_archive(best), HELLO),
    ]


def refused_tar() -> list[Scenario]:
    """Members and headers that no tree holds or two readers read differently."""
    members = {
        "symlink": ("symlink", tar_member("a", kind=b"2", link=b"/etc/passwd")),
        "hard-link": ("hard-link", tar_member("a", kind=b"1", link=b"SKILL.md")),
        "character-device": ("device", tar_member("a", kind=b"3")),
        "block-device": ("device", tar_member("a", kind=b"4")),
        "fifo": ("fifo", tar_member("a", kind=b"6")),
        "sparse": ("sparse-file", tar_member("a", kind=b"S", magic=GNU)),
        "pax-sparse": ("sparse-file", pax_member(("GNU.sparse.major", "1"))),
        "contiguous": ("unknown-member", tar_member("a", kind=b"7")),
        "old-regular": ("unknown-member", tar_member("a/", kind=b"\0")),
        "absolute": ("absolute-path", tar_member("/etc/passwd")),
        "parent": ("dot-name", tar_member("a/../../b")),
        "pax-parent": ("dot-name", pax_member(("path", "../b")) + tar_member("b")),
        "backslash": ("forbidden-character", tar_member("a\\..\\b")),
        "drive": ("forbidden-character", tar_member("C:/a")),
        "empty-name": ("empty-name", tar_member("a//b")),
        "file-with-slash": ("empty-name", tar_member("a/")),
        "reserved": ("reserved-name", tar_member("nul.txt")),
        "bidi": ("bidi-character", tar_member("a\u202etxt.md")),
        "not-utf8": ("not-utf8", tar_member(b"\xff")),
        "not-nfc": ("not-nfc", tar_member("e\u0301")),
        "duplicate": ("duplicate-path", SKILL),
        "case": ("case-collision", tar_member("skill.MD")),
        "sharp-s": ("case-collision", tar_member("stra\u00dfe") + tar_member("strasse")),
        "file-and-directory": ("file-and-directory", tar_member("a") + tar_member("a/b")),
        "file-then-folder": ("file-and-directory", tar_member("a") + tar_member("a/", kind=b"5")),
        "negative-size": ("bad-number", tar_member("a", size=b"-0000000001\0")),
        "base-256-size": ("bad-number", tar_member("a", size=b"\x80" + bytes(10) + b"\1")),
        "huge-size": ("file-too-large", tar_member("a", size=b"77777777777\0")),
        "long-size": ("truncated", tar_member("a", size=b"00000100000\0")),
        "directory-size": ("bad-size", tar_member("a/", kind=b"5", size=b"00000000001\0")),
        "checksum": ("bad-checksum", tar_member("a", checksum=1)),
        "v7": ("bad-header", tar_member("a", magic=bytes(8))),
        "set-user-id": ("special-mode", tar_member("a", mode=b"0004755\0")),
        "hidden-in-name": ("hidden-data", tar_member(b"a\0b")),
        "hidden-in-padding": ("hidden-data", tar_member("a", b"x", padding=b"!")),
        "pax-size": ("pax-keyword", pax_member(("size", "1")) + tar_member("a")),
        "pax-link-path": ("pax-keyword", pax_member(("linkpath", "/x")) + tar_member("a")),
        "pax-twice": ("bad-pax", pax_member(("path", "a"), ("path", "b")) + tar_member("c")),
        "pax-malformed": ("bad-pax", tar_member("x", b"99 path=a\n", kind=b"x")),
        "pax-dangling": ("bad-header", pax_member(("path", "b"))),
        "pax-late-global": ("pax-global", pax_member(("comment", "x"), kind=b"g")),
        "two-names": ("ambiguous-name", pax_member(("path", "b")) * 2 + tar_member("a")),
        "too-deep": ("too-deep", tar_member("a/" * 39 + "b")),
        "long-path": ("path-too-long", pax_member(("path", "a/" * 700 + "b")) + tar_member("a")),
    }
    scenarios = [
        Scenario(f"tar-{name}", name.replace("-", " "), tar_gz(SKILL, member), (), reason)
        for name, (reason, member) in members.items()
    ]
    prefix_global = pax_member(("path", "x"), kind=b"g")
    whole = {
        "pax-global-path": ("pax-global", tar_gz(prefix_global, SKILL)),
        "no-end": ("truncated", tar_gz(SKILL, end=b"")),
        "half-end": ("truncated", tar_gz(SKILL, end=bytes(512))),
        "one-zero-block": ("bad-header", tar_gz(SKILL, end=bytes(512) + SKILL + bytes(1024))),
        "trailing": ("trailing-data", tar_gz(SKILL, end=bytes(1024) + RUN + bytes(1024))),
        "empty": ("empty-tree", tar_gz()),
        "only-folder": ("empty-tree", tar_gz(tar_member("a/", kind=b"5"))),
    }
    return scenarios + [
        Scenario(f"tar-{name}", name.replace("-", " "), archive, (), reason)
        for name, (reason, archive) in whole.items()
    ]


def refused_compression() -> list[Scenario]:
    """Streams that hold more, less or something else than one tar."""
    good, plain = tar_gz(SKILL), tar(SKILL)
    wrong = good[:-5] + bytes([good[-5] ^ 1]) + good[-4:]
    big = bytes([16 << 3])  # an exponent of 16 is a window of 64 MiB
    cases = {
        "gzip-two-members": ("trailing-data", good + good),
        "gzip-trailing": ("trailing-data", good + b"x"),
        "gzip-zip-polyglot": ("trailing-data", good + zip_archive(ZIP_SKILL)),
        "gzip-truncated": ("truncated", good[:200]),
        "gzip-no-trailer": ("truncated", good[:-4]),
        "gzip-checksum": ("bad-checksum", wrong),
        "gzip-size": ("bad-size", good[:-1] + b"\1"),
        "gzip-flags": ("bad-compression", good[:3] + b"\x80" + good[4:]),
        "gzip-bomb": ("decompression-bomb", _gzip_bomb()),
        "zstd-two-frames": ("trailing-data", zstd_frame(plain) * 2),
        "zstd-trailing": ("trailing-data", zstd_frame(plain) + b"x"),
        "zstd-truncated": ("truncated", zstd_frame(plain)[:-1]),
        "zstd-no-last-block": ("truncated", zstd_frame(plain, last=False)),
        "zstd-declared-more": ("bad-compression", zstd_frame(plain, declared=len(plain) + 1)),
        "zstd-declared-petabyte": ("decompression-bomb", zstd_frame(plain, declared=1 << 50)),
        "zstd-window": ("window-too-large", zstd_frame(plain, window=big[0])),
        "zstd-dictionary": ("bad-compression", zstd_frame(plain, dictionary=b"\7")),
        "zstd-bomb": ("decompression-bomb", zstd_run(300 * 1024 * 1024)),
        "plain-tar": ("unknown-format", plain),
        "nothing": ("unknown-format", b""),
        "text": ("unknown-format", b"hello\n"),
    }
    return [
        Scenario(name, name.replace("-", " "), archive, (), reason)
        for name, (reason, archive) in cases.items()
    ]


def _gzip_bomb() -> bytes:
    """Return gzip of a tar with a file of 2 MB of zeros, in 13 KB, written by hand."""
    header = tar_member("SKILL.md", size=b"%011o\0" % 2_000_000)
    stored = b"\0" + deflate_stored(header)[1:]
    # A fixed-code block: the literal 0, then matches of length 258 at distance 1.
    bits = [1, 1, 0, *_code(0x30, 8)]
    for _ in range(8128):
        bits += [*_code(0xC5, 8), *_code(0, 5)]
    bits += _code(0, 7)
    packed = bytearray((len(bits) + 7) // 8)
    for position, bit in enumerate(bits):
        packed[position >> 3] |= bit << (position & 7)
    data = bytes(1 + 258 * 8128)
    return gzip_stored(b"")[:10] + stored + bytes(packed) + _gzip_end(header + data)


def _gzip_end(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "little") + len(data).to_bytes(4, "little")


def _code(value: int, length: int) -> list[int]:
    """Return a Huffman code, most significant bit first (RFC 1951 section 3.1.1)."""
    return [value >> shift & 1 for shift in reversed(range(length))]


def refused_zip() -> list[Scenario]:
    """Members and records that no tree holds or two readers read differently."""
    other = ZipMember(b"b", b"x")
    unicode_path = b"\x75\x70\x06\x00\x01" + bytes(4) + b"z"
    members = {
        "symlink": ("symlink", ZipMember(b"a", b"/etc", mode=0o120777)),
        "device": ("special-file", ZipMember(b"a", mode=0o020644)),
        "set-user-id": ("special-mode", ZipMember(b"a", mode=0o104755)),
        "encrypted": ("encrypted", ZipMember(b"a", b"x", flags=0x0801)),
        "strong-flags": ("unknown-flags", ZipMember(b"a", b"x", flags=0x0840)),
        "method": ("unknown-method", ZipMember(b"a", b"x", method=12)),
        "absolute": ("absolute-path", ZipMember(b"/a")),
        "parent": ("dot-name", ZipMember(b"../a")),
        "backslash": ("forbidden-character", ZipMember(b"..\\a")),
        "code-page": ("not-utf8", ZipMember("é".encode(), flags=0, made_by=20, mode=0)),
        "duplicate": ("duplicate-path", ZIP_SKILL),
        "case": ("case-collision", ZipMember(b"Skill.md")),
        "local-name": ("local-header-differs", ZipMember(b"a", local={"name": b"b"})),
        "local-size": ("local-header-differs", ZipMember(b"a", b"x", local={"size": 2})),
        "local-checksum": ("local-header-differs", ZipMember(b"a", b"x", local={"checksum": 2})),
        "local-method": ("local-header-differs", ZipMember(b"a", b"x", local={"method": 8})),
        "local-flags": ("local-header-differs", ZipMember(b"a", b"x", local={"flags": 0})),
        "descriptor": (
            "local-header-differs",
            ZipMember(b"a", b"x", method=8, flags=0x0808, late=descriptor(b"y", 6)),
        ),
        "checksum": ("bad-checksum", ZipMember(b"a", b"x", checksum=1)),
        "deflate-size": ("bad-size", ZipMember(b"a", b"xyz", method=8, size=2)),
        "stored-size": ("bad-size", ZipMember(b"a", b"xyz", size=2)),
        "deflate-rest": (
            "bad-size",
            ZipMember(b"a", b"x", method=8, packed=deflate_stored(b"x") + b"!"),
        ),
        "deflate-rubbish": ("bad-compression", ZipMember(b"a", b"x", method=8, packed=b"\xff" * 6)),
        "zip64-size": ("zip64", ZipMember(b"a", b"x", method=8, size=0xFFFFFFFF)),
        "zip64-extra": ("zip64", ZipMember(b"a", extra=b"\1\0\0\0")),
        "unicode-path": ("ambiguous-name", ZipMember(b"a", extra=unicode_path)),
        "unknown-extra": ("bad-extra", ZipMember(b"a", extra=b"zz\0\0")),
        "short-extra": ("bad-extra", ZipMember(b"a", extra=b"UT\x09\0")),
        "member-comment": ("bad-header", ZipMember(b"a", comment=b"hello")),
        "gap": ("hidden-data", ZipMember(b"a", before=b"hidden")),
        "overlap": ("hidden-data", ZipMember(b"a", offset=0)),
        "bomb": ("decompression-bomb", ZipMember(b"a", b"x", method=8, size=200_000_000)),
        "large-directory": ("bad-size", ZipMember(b"a/", b"x", mode=0o040755)),
    }
    scenarios = [
        Scenario(f"zip-{name}", name.replace("-", " "), zip_archive(ZIP_SKILL, member), (), reason)
        for name, (reason, member) in members.items()
    ]
    good = zip_archive(ZIP_SKILL)
    inner = zip_archive(ZipMember(b"SKILL.md", b"other"))
    whole = {
        "truncated": ("no-end-record", good[:-3]),
        "trailing": ("no-end-record", good + b"x"),
        "prefixed": ("unknown-format", b"#!/bin/sh\n" + good),
        "comment": ("no-end-record", zip_archive(ZIP_SKILL, comment=b"hello")),
        "comment-zip": ("hidden-data", zip_archive(ZIP_SKILL, comment=inner)),
        "appended": ("hidden-data", good + inner),
        "before-directory": ("hidden-data", zip_archive(ZIP_SKILL, gap=b"hidden")),
        "count": ("bad-header", zip_archive(ZIP_SKILL, count=2)),
        "count-less": ("hidden-data", zip_archive(ZIP_SKILL, other, count=1)),
        "too-many": ("too-many-entries", zip_archive(ZIP_SKILL, count=10_001)),
        "zip64-count": ("zip64", zip_archive(ZIP_SKILL, count=0xFFFF)),
        "volumes": ("multi-disk", zip_archive(ZIP_SKILL, disk=1)),
        "empty": ("empty-tree", zip_archive()),
    }
    return scenarios + [
        Scenario(f"zip-{name}", name.replace("-", " "), archive, (), reason)
        for name, (reason, archive) in whole.items()
    ]


def all_scenarios() -> list[Scenario]:
    """Return every scenario; names are unique."""
    accepted = written() + accepted_tar() + accepted_zip() + accepted_details()
    return accepted + refused_tar() + refused_compression() + refused_zip()


def document(scenario: Scenario) -> str:
    """Return the text of the vector."""
    value: dict[str, object] = {"description": scenario.description}
    if scenario.refused:
        value["refused"] = scenario.refused
    else:
        value["tree"] = str(build_tree(scenario.files).digest)
        value["files"] = [
            {"path": entry.path, "text": entry.data.decode(), "executable": entry.executable}
            for entry in sorted(scenario.files, key=lambda entry: entry.path.encode())
        ]
    value["archive"] = base64.b64encode(scenario.archive).decode()
    return json.dumps(value, indent=2, ensure_ascii=True) + "\n"


def main() -> None:
    """Write all vectors again."""
    VECTORS.mkdir(parents=True, exist_ok=True)
    for scenario in all_scenarios():
        (VECTORS / f"{scenario.name}.json").write_text(document(scenario), encoding="utf-8")


if __name__ == "__main__":
    main()
