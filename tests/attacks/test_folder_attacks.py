"""What a folder must not bring into a package: `spm pack`, and `spm publish` of a folder.

Which class of attack can come in by a folder is in the table of ``test_attack_classes``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.doors import World, world_below
from tests.support.program import write_skill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_below(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A skill that may be packed, for an attack to be put into."""
    return write_skill(tmp_path, "evil")


def link(target: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "a").symlink_to(target)


def folder_link(folder: Path) -> None:
    (folder / "docs").symlink_to("/etc")


def link_through_another(folder: Path) -> None:
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("/etc/passwd")


def loop(folder: Path) -> None:
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "a")


def named(*names: str | bytes) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        for name in names:
            path = folder / os.fsdecode(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    return make


def huge(folder: Path) -> None:
    with (folder / "a").open("wb") as file:
        file.truncate((64 << 20) + 1)


FOLDERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "link out": (link("/etc/passwd"), "symlink-leaves"),
    "link to a parent": (link(".."), "symlink-leaves"),
    "link to a sibling with the same prefix": (link("../evil-2"), "symlink-dangles"),
    "link to a folder": (folder_link, "symlink-leaves"),
    "link through another": (link_through_another, "symlink-leaves"),
    "links in a circle": (loop, "symlink-loop"),
    "pipe": (pipe, "special-file"),
    "backslash": (named("a\\b"), "forbidden-character"),
    "stream": (named("a:b"), "forbidden-character"),
    "control character": (named("a\x1bb"), "control-character"),
    "reordering": (named("a\u202eb"), "bidi-character"),
    "not UTF-8": (named(b"a\xffb"), "not-utf8"),
    "not normal": (named("e\u0301"), "not-nfc"),
    "case": (named("docs", "DOCS"), "case-collision"),
    "sharp s": (named("straße", "STRASSE"), "case-collision"),
    "device": (named("nul.md"), "reserved-name"),
    "closing dot": (named("a."), "trailing-dot-or-space"),
    "deep": (named("d/" * 33 + "f"), "too-deep"),
    "large": (huge, "file-too-large"),
}


@pytest.mark.parametrize("attack", FOLDERS)
def test_folder_that_must_not_be_packed(world: World, folder: Path, attack: str) -> None:
    """What reads files of the publisher's, or could not be unpacked.

    CVE-2026-24056, CVE-2019-10773.
    """
    make, reason = FOLDERS[attack]
    make(folder)

    world.packing_refuses(folder, reason)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a\\b"])
def test_folder_whose_skill_has_a_path_as_its_name(world: World, folder: Path, name: str) -> None:
    (folder / "SKILL.md").write_text(f"---\nname: {name}\ndescription: Is evil.\n---\n")

    world.packing_refuses(folder, "not-publishable")
