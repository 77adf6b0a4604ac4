"""The seam every change of the disk goes through."""

from __future__ import annotations

import errno
import stat
from typing import TYPE_CHECKING

import pytest

from spm_store.durable import Disk

if TYPE_CHECKING:
    from pathlib import Path


def test_exchange_swaps_a_folder_that_holds_something_with_another(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a").write_text("a")
    (tmp_path / "two").write_text("file")

    if not Disk().exchange(f"{tmp_path}/one", f"{tmp_path}/two"):
        pytest.skip("the system cannot swap two names")

    assert (tmp_path / "one").read_text() == "file"
    assert (tmp_path / "two" / "a").read_text() == "a"


def test_exchange_with_nothing_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("one")

    with pytest.raises(FileNotFoundError) as caught:
        Disk().exchange(f"{tmp_path}/one", f"{tmp_path}/two")

    assert caught.value.filename2 == f"{tmp_path}/two"
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_append_adds_to_the_end_and_creates(tmp_path: Path) -> None:
    Disk().append(f"{tmp_path}/record", b"one\n")
    Disk().append(f"{tmp_path}/record", b"two\n")

    assert (tmp_path / "record").read_bytes() == b"one\ntwo\n"


def test_append_follows_no_symlink(tmp_path: Path) -> None:
    (tmp_path / "record").symlink_to("elsewhere")

    with pytest.raises(OSError, match="symbolic") as caught:
        Disk().append(f"{tmp_path}/record", b"one\n")

    assert caught.value.errno == errno.ELOOP
    assert not (tmp_path / "elsewhere").exists()


def test_chunks_become_one_file_of_the_mode_whatever_the_umask(tmp_path: Path) -> None:
    Disk().write_chunks(f"{tmp_path}/file", iter([b"one", b"", b"two"]), 0o777)

    assert (tmp_path / "file").read_bytes() == b"onetwo"
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o777


def test_a_file_that_exists_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    with pytest.raises(FileExistsError):
        Disk().write_file(f"{tmp_path}/file", b"theirs", 0o444)

    assert (tmp_path / "file").read_text() == "mine"


def test_a_symlink_says_what_it_was_told(tmp_path: Path) -> None:
    Disk().symlink("../elsewhere", f"{tmp_path}/link")

    assert str((tmp_path / "link").readlink()) == "../elsewhere"
