"""One test for each rule of canonical trees, through every door a tree comes in by.

Archives come in by `store import`, `publish` and `client`; directories in their
canonical encoding by bundles, which only `store import` reads. How a folder is held
to the same rules is tested in ``test_attack_classes``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import zstandard

from spm_spec.bundle import BUNDLE_MAGIC
from spm_spec.digests import Digest, blob_digest
from spm_spec.tree import (
    DEFAULT_LIMITS,
    FileEntry,
    InvalidTree,
    Kind,
    Node,
    build_tree,
    directory_digest,
    encode_directory,
)
from spm_store.store import Store
from tests.support.archives import ZipMember, pax_member, tar_gz, tar_member, zip_archive
from tests.support.bundle_scenarios import HELLO, chained, doubled, packed, rooted
from tests.support.doors import ARCHIVE_DOORS, World, through, world_below

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT = b"---\nname: evil\ndescription: Is evil.\n---\n"
SKILL = tar_member("SKILL.md", TEXT)
BLOB = blob_digest(TEXT)
EMPTY = blob_digest(b"")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_below(tmp_path_factory.mktemp("world")) as made:
        yield made


def named(name: str | bytes, reason: str) -> tuple[bytes, str]:
    """Return an archive with a member whose name is not one."""
    return tar_gz(SKILL, pax_member(("path", name)) + tar_member("short")), reason


def bundled(*rows: list[object]) -> bytes:
    """Return a bundle of one directory with these rows."""
    return rooted(packed(list(rows))).bundle


def row(
    name: object, kind: object = 0, digest: object = BLOB.raw, size: object = 41
) -> list[object]:
    return [name, kind, digest, size]


KINDS = {
    "symlink": (tar_gz(SKILL, tar_member("a", kind=b"2", link=b"SKILL.md")), "symlink"),
    "hard link": (tar_gz(SKILL, tar_member("a", kind=b"1", link=b"SKILL.md")), "hard-link"),
    "device": (tar_gz(SKILL, tar_member("a", kind=b"4")), "device"),
    "unknown": (tar_gz(SKILL, tar_member("a", kind=b"9")), "unknown-member"),
}


@through(ARCHIVE_DOORS, KINDS)
def test_rule_1_a_tree_holds_files_and_folders_only(
    world: World, door: str, attack: bytes, reason: str
) -> None:
    """Symlinks are not even accepted where they stay inside."""
    world.refuses(door, attack, reason)


@through(
    ["import"],
    {
        "kind 3": (bundled(row("a", 3)), "unknown-kind"),
        "kind -1": (bundled(row("a", -1)), "unknown-kind"),
        "kind true": (bundled(row("a", True)), "unknown-kind"),  # noqa: FBT003
        "kind as text": (bundled(row("a", "0")), "unknown-kind"),
    },
)
def test_rule_1_a_directory_names_files_and_folders_only(
    world: World, door: str, attack: bytes, reason: str
) -> None:
    world.refuses(door, attack, reason)


NAMES: dict[str, tuple[str | bytes, str]] = {
    "not UTF-8": (b"a\xff", "not-utf8"),
    "surrogate": (b"a\xed\xa0\x80", "not-utf8"),
    "not normal": ("e\u0301", "not-nfc"),
    "too long": ("a" * 256, "name-too-long"),
    "backslash": ("a\\b", "forbidden-character"),
    "nul": (b"a\0b", "forbidden-character"),
    "line feed": ("a\nb", "control-character"),
    "escape": ("a\x1b[2J", "control-character"),
    "delete": ("a\x7f", "control-character"),
    "next line": ("a\x85", "control-character"),
    "override": ("a\u202etxt.exe", "bidi-character"),
    "isolate": ("a\u2066", "bidi-character"),
    "parent": ("..", "dot-name"),
    "closing dot": ("a.", "trailing-dot-or-space"),
    "closing space": ("a ", "trailing-dot-or-space"),
    "stream": ("a:$DATA", "forbidden-character"),
    "device": ("con", "reserved-name"),
    "device with a suffix": ("AUX.tar.gz", "reserved-name"),
    "device and a space": ("nul .md", "reserved-name"),
    "superscript device": ("lpt\u00b3", "reserved-name"),
    "console": ("conin$", "reserved-name"),
}


NOT_TEXT = b"\x91\x94\xa2a\xff\x00\xc4\x20" + BLOB.raw + b"\x29"


@through(ARCHIVE_DOORS, {case: named(name, reason) for case, (name, reason) in NAMES.items()})
def test_rule_2_a_name_can_be_kept_on_every_system(
    world: World, door: str, attack: bytes, reason: str
) -> None:
    world.refuses(door, attack, reason)


@through(
    ["import"],
    {
        case: (bundled(row(name)), reason)
        for case, (name, reason) in NAMES.items()
        if isinstance(name, str)
    }
    | {
        "not UTF-8": (rooted(NOT_TEXT).bundle, "not-msgpack"),
        "slash": (bundled(row("a/b")), "forbidden-character"),
        "empty": (bundled(row("")), "empty-name"),
    },
)
def test_rule_2_a_name_in_a_directory_can_be_kept_on_every_system(
    world: World, door: str, attack: bytes, reason: str
) -> None:
    world.refuses(door, attack, reason)


@pytest.mark.parametrize("name", ["PROGRA~1", "git~1", "-rf", "--help", ".git~1"])
def test_rule_2_short_forms_and_dashes_are_only_names(tmp_path: Path, name: str) -> None:
    """They cannot reach another file: no tree holds what they would be short for."""
    files = [*HELLO, FileEntry(name, b"x")]

    with Store.open(tmp_path / "v1", durability="none") as store:
        tree = store.add(files, name="hello")

        assert (tree.path / name).read_bytes() == b"x"


@through(
    ARCHIVE_DOORS,
    {
        "twice": (tar_gz(SKILL, SKILL), "duplicate-path"),
        "case": (tar_gz(SKILL, tar_member("Skill.md")), "case-collision"),
        "sharp s": (tar_gz(SKILL, tar_member("ß"), tar_member("SS")), "case-collision"),
        "long s": (tar_gz(tar_member("\u017fKILL.md"), SKILL), "case-collision"),
        "kelvin": (tar_gz(SKILL, tar_member("\u212a")), "not-nfc"),
        "accent": (tar_gz(SKILL, tar_member("É"), tar_member("é")), "case-collision"),
        "file is a folder": (
            tar_gz(SKILL, tar_member("a"), tar_member("a/b")),
            "file-and-directory",
        ),
        "folder is a file": (
            tar_gz(SKILL, tar_member("a/b"), tar_member("a")),
            "file-and-directory",
        ),
        "zip": (zip_archive(ZipMember(b"a/b"), ZipMember(b"A/c")), "case-collision"),
    },
)
def test_rule_3_a_path_is_there_once(world: World, door: str, attack: bytes, reason: str) -> None:
    """Also where a system ignores case or normal form. CVE-2026-23950."""
    world.refuses(door, attack, reason)


@through(
    ["import"],
    {
        "twice": (bundled(row("a"), row("a")), "duplicate-name"),
        "order": (bundled(row("b"), row("a")), "wrong-order"),
        "order of bytes": (bundled(row("a"), row("B")), "wrong-order"),
        "case": (bundled(row("A"), row("a")), "case-collision"),
        "sharp s": (bundled(row("SS"), row("ß")), "case-collision"),
        "file and folder": (bundled(row("a"), row("a", 2)), "duplicate-name"),
    },
)
def test_rule_3_the_names_of_a_directory_increase(
    world: World, door: str, attack: bytes, reason: str
) -> None:
    world.refuses(door, attack, reason)


@through(
    ARCHIVE_DOORS,
    {
        "set user": (tar_gz(SKILL, tar_member("a", mode=b"0004755\0")), "special-mode"),
        "set group": (tar_gz(SKILL, tar_member("a", mode=b"0002755\0")), "special-mode"),
        "sticky": (tar_gz(SKILL, tar_member("a", mode=b"0001644\0")), "special-mode"),
        "zip": (zip_archive(ZipMember(b"a", mode=0o106755)), "special-mode"),
    },
)
def test_rule_4_special_modes_are_refused(
    world: World, door: str, attack: bytes, reason: str
) -> None:
    world.refuses(door, attack, reason)


@pytest.mark.parametrize("mode", [b"0000777\0", b"0000100\0", b"0000711\0"])
def test_rule_4_the_executable_bit_is_the_only_mode(tmp_path: Path, mode: bytes) -> None:
    """Nor do owners, times or attributes of an archive reach the disk. CVE-2023-38497."""
    from spm_spec.package import read_package

    times = pax_member(("mtime", "1.5"), ("uid", "0"), ("SCHILY.xattr.security.capability", b"\1"))
    files = read_package(tar_gz(times + tar_member("SKILL.md", TEXT, mode=mode)), origin="x")

    with Store.open(tmp_path / "v1", durability="none") as store:
        found = (store.add(files, name="evil").path / "SKILL.md").lstat()

    assert found.st_mode & 0o7777 == 0o555
    assert found.st_mtime > 2


LIMITS = DEFAULT_LIMITS
SPARSE = [Node(f"f{n}", Kind.FILE, Digest(bytes([n]) * 32), LIMITS.file_bytes) for n in range(5)]
WIDE = [Node(f"f{n}", Kind.FILE, EMPTY, 0) for n in range(5001)]


def wide() -> bytes:
    """Return a bundle of a tree of two folders, which are one, of 5001 files."""
    below = encode_directory(WIDE)
    nodes = [Node(name, Kind.DIRECTORY, directory_digest(below), 0) for name in "ab"]
    said = rooted(below, encode_directory(nodes)).content
    return BUNDLE_MAGIC + zstandard.ZstdCompressor().compress(said)


@through(
    ARCHIVE_DOORS,
    {
        "depth": (tar_gz(SKILL, tar_member("d/" * 33 + "f")), "too-deep"),
        "path": named("/".join("n" * 200 for _ in range(6)), "path-too-long"),
        "entries": (zip_archive(ZipMember(b"a"), count=LIMITS.entries + 1), "too-many-entries"),
        "file": (
            tar_gz(SKILL, tar_member("a", size=b"%011o\0" % (LIMITS.file_bytes + 1))),
            "file-too-large",
        ),
        "ratio": (
            zip_archive(ZipMember(b"a", b"x", method=8, size=2 << 20)),
            "decompression-bomb",
        ),
        "header": (tar_gz(SKILL, tar_member("pax", b"x" * 65_537, kind=b"x")), "header-too-long"),
    },
)
def test_rule_5_caps_hold(world: World, door: str, attack: bytes, reason: str) -> None:
    world.refuses(door, attack, reason)


@through(
    ["import"],
    {
        "depth": (rooted(*chained(LIMITS.depth)).bundle, "too-deep"),
        "path": (rooted(*chained(5, "n" * 250)).bundle, "path-too-long"),
        "entries": (wide(), "too-many-entries"),
        "entries by doubling": (rooted(*doubled(31)).bundle, "too-many-entries"),
        "file": (bundled(row("a", size=LIMITS.file_bytes + 1)), "file-too-large"),
        "tree": (rooted(encode_directory(SPARSE)).bundle, "tree-too-large"),
        "size": (bundled(row("a", size=2**53)), "wrong-size"),
        "negative size": (bundled(row("a", size=-1)), "wrong-size"),
    },
)
def test_rule_5_caps_hold_for_directories(
    world: World, door: str, attack: bytes, reason: str
) -> None:
    """What one page of directories unfolds to is known before it is unfolded."""
    world.refuses(door, attack, reason)


CANONICAL = packed([row("a")])


@through(
    ["import"],
    {
        "long number": (CANONICAL[:-1] + b"\xcc\x29", "not-canonical"),
        "signed number": (CANONICAL[:-1] + b"\xd0\x29", "not-canonical"),
        "long array": (b"\xdc\0\1" + CANONICAL[1:], "not-canonical"),
        "long text": (b"\x91\x94\xd9\1a" + CANONICAL[4:], "not-canonical"),
        "name as bytes": (b"\x91\x94\xc4\1a" + CANONICAL[4:], "wrong-shape"),
        "digest as text": (packed([row("a", digest="b" * 32)]), "wrong-digest"),
        "float": (packed([row("a", size=41.0)]), "wrong-size"),
        "five fields": (packed([[*row("a"), 0]]), "wrong-shape"),
        "more": (CANONICAL + b"\xc0", "not-msgpack"),
        "less": (CANONICAL[:-1], "not-msgpack"),
    },
)
def test_rule_6_what_encodes_to_other_bytes_is_refused(
    world: World, door: str, attack: bytes, reason: str
) -> None:
    """One directory, one encoding, one digest."""
    world.refuses(door, rooted(attack).bundle, reason)


@pytest.mark.parametrize(
    "changed",
    [
        (FileEntry("SKILL.md", TEXT, executable=True),),
        (FileEntry("skill.md", TEXT),),
        (FileEntry("SKILL.md", TEXT + b"\n"),),
        (FileEntry("SKILL.md/SKILL.md", TEXT),),
        (FileEntry("SKILL.md", TEXT), FileEntry("a", b"")),
    ],
)
def test_rule_6_the_digest_covers_kind_name_mode_and_children(
    changed: tuple[FileEntry, ...],
) -> None:
    assert build_tree(changed).digest != build_tree([FileEntry("SKILL.md", TEXT)]).digest


def test_rule_6_no_blob_has_the_digest_of_a_directory() -> None:
    """The bytes of a directory as a file: another domain, another digest."""
    assert blob_digest(CANONICAL) != directory_digest(CANONICAL)


def test_rule_7_an_empty_file_is_a_file_and_an_empty_folder_is_nothing(tmp_path: Path) -> None:
    """Empty files are never linked: all of them would be one inode."""
    from spm_spec.package import read_package

    folder = tar_member("empty/", kind=b"5")
    files = read_package(tar_gz(SKILL, folder, tar_member("a"), tar_member("b")), origin="x")
    with Store.open(tmp_path / "v1", durability="none") as store:
        path = store.add(files, name="evil").path

        assert sorted(each.name for each in path.iterdir()) == ["SKILL.md", "a", "b"]
        assert {(path / name).lstat().st_nlink for name in "ab"} == {1}


@through(["import"], {"directory": (rooted(packed([])).bundle, "empty-directory")})
def test_rule_7_a_directory_holds_something(
    world: World, door: str, attack: bytes, reason: str
) -> None:
    world.refuses(door, attack, reason)


@through(ARCHIVE_DOORS, {"archive": (tar_gz(tar_member("a/", kind=b"5")), "empty-tree")})
def test_rule_7_a_tree_holds_a_file(world: World, door: str, attack: bytes, reason: str) -> None:
    world.refuses(door, attack, reason)


@pytest.mark.parametrize(("path", "reason"), [("../x", "dot-name"), ("a/CON", "reserved-name")])
def test_the_store_itself_holds_to_the_rules(world: World, path: str, reason: str) -> None:
    """Whatever a door forgot, no such path gets to the disk."""
    before = world.state()

    with (
        Store.open(world.store, durability="none") as store,
        pytest.raises(InvalidTree) as caught,
    ):
        store.add([FileEntry(path, b"x")], name="evil")

    assert caught.value.reason == reason
    assert world.state() == before
