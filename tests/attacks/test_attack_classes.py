"""One test for each class of attack on tools that take archives, through every door.

The doors are those of ``tests.support.doors``. Which class can come in where:

======================  ======  =====================  =======  ======
class                   import  pack                   publish  client
======================  ======  =====================  =======  ======
path traversal          yes     no (1)                 yes      yes
escape by link          yes     yes                    yes      yes
case and Unicode        yes     yes                    yes      yes
prefix mistaken         yes     yes                    yes      yes
two readings            yes     no (2)                 yes      yes
endless or negative     yes     yes (a pipe)           yes      yes
bombs                   yes     yes                    yes      yes
special modes           yes     no (3)                 yes      yes
ingest follows links    no (4)  yes                    yes      no (4)
traversal by a name     yes     yes                    yes      yes
names of Windows        yes     yes                    yes      yes
recursion               yes     yes                    yes      yes
======================  ======  =====================  =======  ======

(1) A folder has no name with a slash in it; a backslash and a colon are tested.
(2) There is one reading of a folder. (3) Only the executable bit is looked at, and
nothing of a file system's modes is carried on. (4) Who unpacks makes no links.

`pack` is tested in ``test_folder_attacks``.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import pytest

from spm.packing import pack_folder
from tests.support.archives import (
    ZipMember,
    pax_member,
    tar,
    tar_gz,
    tar_member,
    zip_archive,
    zstd_frame,
    zstd_run,
)
from tests.support.bundle_scenarios import ONE
from tests.support.doors import ARCHIVE_DOORS, World, reason_of, through, world_below
from tests.support.program import write_skill
from tests.support.skill_archives import skill_archive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT = b"---\nname: evil\ndescription: Is evil.\n---\n"
SKILL = tar_member("SKILL.md", TEXT)
ZIP_SKILL = ZipMember(b"SKILL.md", TEXT)
BLOCK = 512


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_below(tmp_path_factory.mktemp("world")) as made:
        yield made


def tars(**members: tuple[bytes, str]) -> dict[str, tuple[bytes, str]]:
    """Return a tar.gz for each member, after a good one."""
    return {name: (tar_gz(SKILL, member), reason) for name, (member, reason) in members.items()}


def zips(**members: tuple[ZipMember, str]) -> dict[str, tuple[bytes, str]]:
    """Return a zip for each member, after a good one."""
    return {
        f"zip_{name}": (zip_archive(ZIP_SKILL, member), reason)
        for name, (member, reason) in members.items()
    }


def test_the_door_opens_for_honest_files(tmp_path: Path) -> None:
    """Else every refusal here would prove nothing."""
    with world_below(tmp_path) as world:
        before = world.state()

        assert world.at("import", tar_gz(SKILL)) == ""
        assert world.at("import", ONE.bundle) == ""
        assert reason_of(lambda: pack_folder(write_skill(tmp_path, "evil"))) == ""
        assert world.at("client", skill_archive("evil")) == "hostile-data"  # not the tree promised
        assert len(world.state()) > len(before)


@through(
    ARCHIVE_DOORS,
    tars(
        parent=(tar_member("../evil"), "dot-name"),
        parent_inside=(tar_member("a/../../evil"), "dot-name"),
        parent_by_pax=(pax_member(("path", "../evil")) + tar_member("a"), "dot-name"),
        absolute=(tar_member("/etc/evil"), "absolute-path"),
        absolute_twice=(tar_member("//etc/evil"), "absolute-path"),
        drive=(tar_member("C:/evil"), "forbidden-character"),
        drive_relative=(tar_member("C:../evil"), "forbidden-character"),
        share=(tar_member("\\\\host\\share\\evil"), "forbidden-character"),
        backslash=(tar_member("a\\..\\..\\evil"), "forbidden-character"),
    )
    | zips(
        parent=(ZipMember(b"../evil"), "dot-name"),
        absolute=(ZipMember(b"/etc/evil"), "absolute-path"),
        drive=(ZipMember(b"C:\\evil"), "forbidden-character"),
    ),
)
def test_path_traversal(world: World, door: str, attack: bytes, reason: str) -> None:
    """A path that leaves the folder it is unpacked to.

    CVE-2007-4559; CVE-2021-32803, CVE-2021-32804; CVE-2021-37701, -37712, -37713.
    """
    world.refuses(door, attack, reason)


@through(
    ARCHIVE_DOORS,
    tars(
        symlink=(tar_member("a", kind=b"2", link=b"/etc/passwd"), "symlink"),
        symlink_inside=(tar_member("a", kind=b"2", link=b"SKILL.md"), "symlink"),
        symlink_then_member=(
            tar_member("a", kind=b"2", link=b"..") + tar_member("a/evil", b"x"),
            "symlink",
        ),
        symlink_of_a_folder=(tar_member("a/", kind=b"2", link=b"/"), "symlink"),
        hard_link=(tar_member("a", kind=b"1", link=b"/etc/passwd"), "hard-link"),
        hard_link_to_a_symlink=(
            tar_member("a", kind=b"1", link=b"b") + tar_member("b", kind=b"2", link=b"/"),
            "hard-link",
        ),
        long_link=(tar_member("././@LongLink", b"/" * 300, kind=b"K"), "symlink"),
        link_by_pax=(pax_member(("linkpath", "/etc/passwd")) + tar_member("a"), "pax-keyword"),
        file_with_a_link=(tar_member("a", link=b"/etc/passwd"), "bad-header"),
        device=(tar_member("a", kind=b"3"), "device"),
        pipe=(tar_member("a", kind=b"6"), "fifo"),
    )
    | zips(
        symlink=(ZipMember(b"a", b"/etc/passwd", mode=0o120777), "symlink"),
        device=(ZipMember(b"a", mode=0o020644), "special-file"),
    ),
)
def test_escape_by_link(world: World, door: str, attack: bytes, reason: str) -> None:
    """A link that leads out, is written through, or has its mode changed through.

    CVE-2026-23745, CVE-2026-24842; CVE-2025-4138, -4330, -4435, -4517, CVE-2024-12718;
    CVE-2025-8869; CVE-2022-36113, CVE-2026-5223; CVE-2024-45593; CVE-2026-33056;
    CVE-2021-21300, CVE-2024-32002.
    """
    world.refuses(door, attack, reason)


@through(
    ARCHIVE_DOORS,
    tars(
        case=(tar_member("skill.MD"), "case-collision"),
        folder_case=(tar_member("a/b") + tar_member("A/b"), "case-collision"),
        sharp_s=(tar_member("straße") + tar_member("strasse"), "case-collision"),
        long_s=(tar_member("\u017fkill.md"), "case-collision"),
        kelvin=(tar_member("K") + tar_member("\u212a"), "not-nfc"),
        decomposed=(tar_member("e\u0301"), "not-nfc"),
        twice=(SKILL, "duplicate-path"),
        file_and_folder=(tar_member("a") + tar_member("a/b"), "file-and-directory"),
    )
    | zips(
        case=(ZipMember(b"skill.MD"), "case-collision"),
        twice=(ZIP_SKILL, "duplicate-path"),
    ),
)
def test_collision_by_case_or_normal_form(
    world: World, door: str, attack: bytes, reason: str
) -> None:
    """Two paths that are one on some file system: the second is written through the first.

    CVE-2026-23950 (`ß` and `ss`), CVE-2021-37712, CVE-2021-21300.
    """
    world.refuses(door, attack, reason)


@through(
    ARCHIVE_DOORS,
    tars(
        sibling=(tar_member("../evil-2/x"), "dot-name"),
        own_name=(tar_member("../evil/x"), "dot-name"),
        store=(tar_member("../../trees/x"), "dot-name"),
    ),
)
def test_prefix_mistaken_for_a_parent(world: World, door: str, attack: bytes, reason: str) -> None:
    """`/a/evil-2` begins with `/a/evil` and is not in it. CVE-2026-1703, CVE-2019-20916."""
    world.refuses(door, attack, reason)


GOOD = tar_gz(SKILL)
EMPTY_BUT_LONG = tar_member("hidden", b"x" * BLOCK)


@through(
    ARCHIVE_DOORS,
    tars(
        size_by_pax=(pax_member(("size", "512")) + tar_member("a") + EMPTY_BUT_LONG, "pax-keyword"),
        two_names=(pax_member(("path", "b")) * 2 + tar_member("a"), "ambiguous-name"),
        pax_twice=(pax_member(("path", "a"), ("path", "b")) + tar_member("c"), "bad-pax"),
        global_path=(pax_member(("path", "x"), kind=b"g"), "pax-global"),
        old_regular=(tar_member("a/", kind=b"\0"), "unknown-member"),
        sparse=(tar_member("a", kind=b"S", magic=b"ustar  \0"), "sparse-file"),
        name_after_nul=(tar_member(b"a\0b"), "hidden-data"),
        hidden_in_padding=(tar_member("a", b"x", padding=b"!"), "hidden-data"),
        base_256=(tar_member("a", size=b"\x80" + bytes(10) + b"\1"), "bad-number"),
    )
    | zips(
        local_name=(ZipMember(b"a", local={"name": b"b"}), "local-header-differs"),
        local_size=(ZipMember(b"a", b"x", local={"size": 2}), "local-header-differs"),
        unicode_name=(
            ZipMember(b"a", extra=b"up\x06\0\1" + zlib.crc32(b"a").to_bytes(4, "little") + b"b"),
            "ambiguous-name",
        ),
        overlap=(ZipMember(b"a", offset=0), "hidden-data"),
        gap=(ZipMember(b"a", before=b"hidden"), "hidden-data"),
    )
    | {
        "tar then zip": (GOOD + zip_archive(ZIP_SKILL), "trailing-data"),
        "script then zip": (b"#!/bin/sh\n" + zip_archive(ZIP_SKILL), "unknown-format"),
        "zip in the comment of a zip": (
            zip_archive(ZIP_SKILL, comment=zip_archive(ZipMember(b"a"))),
            "hidden-data",
        ),
        "zip after zip": (zip_archive(ZIP_SKILL) + zip_archive(ZipMember(b"a")), "hidden-data"),
        "two gzip members": (GOOD + GOOD, "trailing-data"),
        "two zstd frames": (zstd_frame(tar(SKILL)) * 2, "trailing-data"),
        "zstd then text": (zstd_frame(tar(SKILL)) + b"JUNK", "trailing-data"),
        "zstd cut short": (zstd_frame(tar(SKILL))[:-1], "truncated"),
        "zstd without its last block": (zstd_frame(tar(SKILL), last=False), "truncated"),
        "tar after its end": (tar_gz(SKILL, end=bytes(1024) + tar(SKILL)), "trailing-data"),
    },
)
def test_two_readers_that_differ(world: World, door: str, attack: bytes, reason: str) -> None:
    """An archive that another reader, a scanner or a reviewer, would read otherwise.

    CVE-2025-54368, CVE-2025-62518, CVE-2026-32766, CVE-2025-13462, CVE-2026-3219,
    CVE-2023-37478; RUSTSEC-2026-0112.
    """
    world.refuses(door, attack, reason)


@through(
    ARCHIVE_DOORS,
    tars(
        negative_size=(tar_member("a", size=b"-0000000001\0"), "bad-number"),
        negative_base_256=(tar_member("a", size=b"\xff" * 12), "bad-number"),
        pax_of_length_0=(tar_member("pax", b"0 path=a\n", kind=b"x"), "bad-pax"),
        pax_of_negative_length=(tar_member("pax", b"-9 path=a\n", kind=b"x"), "bad-pax"),
        pax_of_huge_length=(tar_member("pax", b"99999 path=a\n", kind=b"x"), "bad-pax"),
        long_name_without_end=(tar_member("././@LongLink", b"a" * 9, kind=b"L"), "bad-header"),
    )
    | {"end record in itself": (zip_archive(count=1), "bad-header")},
)
def test_endless_loop_or_negative_size(world: World, door: str, attack: bytes, reason: str) -> None:
    """A size or offset with which a reader never gets on. CVE-2025-8194, CVE-2018-1000075."""
    world.refuses(door, attack, reason)


BOMB = tar_member("a", size=b"%011o\0" % (1 << 25))


@through(
    ARCHIVE_DOORS,
    {
        "zstd blocks": (zstd_run(1 << 27, BOMB), "decompression-bomb"),
        "zstd declares 64 GiB": (zstd_frame(tar(SKILL), declared=1 << 36), "decompression-bomb"),
        "zstd declares a petabyte": (
            zstd_frame(tar(SKILL), declared=1 << 50),
            "decompression-bomb",
        ),
        "zstd window": (zstd_frame(tar(SKILL), window=16 << 3), "window-too-large"),
        "zip": (
            zip_archive(ZIP_SKILL, ZipMember(b"a", b"x", method=8, size=200_000_000)),
            "decompression-bomb",
        ),
        "zip of many": (
            zip_archive(*[ZipMember(b"a%d" % n, b"x", method=8, size=1 << 26) for n in range(99)]),
            "decompression-bomb",
        ),
        "entries": (zip_archive(ZIP_SKILL, count=10_001), "too-many-entries"),
        "deep": (tar_gz(SKILL, tar_member("a/" * 39 + "b")), "too-deep"),
        "file": (tar_gz(SKILL, tar_member("a", size=b"77777777777\0")), "file-too-large"),
        "long header": (
            tar_gz(SKILL, tar_member("pax", b"x" * 70_000, kind=b"x")),
            "header-too-long",
        ),
    },
)
def test_bomb(world: World, door: str, attack: bytes, reason: str) -> None:
    """Few bytes that become many, or many names. CVE-2022-36114, CVE-2024-28863, CVE-2026-35206,
    CVE-2026-34591.
    """
    world.refuses(door, attack, reason)


@through(
    ARCHIVE_DOORS,
    tars(
        set_user_id=(tar_member("a", mode=b"0004755\0"), "special-mode"),
        set_group_id=(tar_member("a", mode=b"0002755\0"), "special-mode"),
        sticky=(tar_member("a", mode=b"0001755\0"), "special-mode"),
    )
    | zips(set_user_id=(ZipMember(b"a", mode=0o104755), "special-mode")),
)
def test_special_mode(world: World, door: str, attack: bytes, reason: str) -> None:
    """A mode that gives rights. CVE-2023-38497, CVE-2021-29428, CVE-2019-3881."""
    world.refuses(door, attack, reason)


@through(
    ARCHIVE_DOORS,
    tars(
        stream=(tar_member("a.md:hidden"), "forbidden-character"),
        git_stream=(tar_member("git~1/x:$DATA"), "forbidden-character"),
        device=(tar_member("aux.md"), "reserved-name"),
        device_superscript=(tar_member("com\u00b9.txt"), "reserved-name"),
        console=(tar_member("CONIN$"), "reserved-name"),
        closing_dot=(tar_member("SKILL.md."), "trailing-dot-or-space"),
        closing_space=(tar_member("SKILL.md "), "trailing-dot-or-space"),
        wildcard_nul=(pax_member(("path", b"a\0b")) + tar_member("a"), "forbidden-character"),
    ),
)
def test_names_of_windows(world: World, door: str, attack: bytes, reason: str) -> None:
    """Streams, devices and names that are others on Windows. CVE-2019-1352, CVE-2019-1353."""
    world.refuses(door, attack, reason)


@through(
    ARCHIVE_DOORS,
    {
        "folders": (tar_gz(SKILL, tar_member("d/" * 49, kind=b"5")), "too-deep"),
        "pax": (
            tar_gz(SKILL, pax_member(("path", "d/" * 700 + "x")) + tar_member("a")),
            "path-too-long",
        ),
        "zip": (zip_archive(ZIP_SKILL, ZipMember(b"d/" * 700 + b"x")), "path-too-long"),
    },
)
def test_recursion(world: World, door: str, attack: bytes, reason: str) -> None:
    """Nesting that overruns a stack. CVE-2026-44028."""
    world.refuses(door, attack, reason)


@pytest.mark.parametrize("door", ARCHIVE_DOORS)
@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "evil/../..", "a\\b", "node_modules/x"])
def test_traversal_by_a_name(world: World, door: str, name: str) -> None:
    """A skill's own name becomes a path.

    CVE-2019-16775, -16776, -16777; CVE-2026-23890, CVE-2026-55699.
    """
    text = f"---\nname: {name}\ndescription: Is evil.\n---\n".encode()
    before = world.state()

    refused = world.at(door, tar_gz(tar_member("SKILL.md", text)))

    assert refused
    assert world.state() == before
