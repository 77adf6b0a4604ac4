"""What every store of archives promises; run against each implementation."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from spm_registry.backends.objects import FolderObjects, Objects, ObjectsUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KINDS: dict[str, Callable[[Path], Objects]] = {
    "folder": lambda folder: FolderObjects(folder / "objects"),
}


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Objects]:
    """Opening twice is opening the same objects."""
    return lambda: KINDS[request.param](tmp_path)


def name_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_an_object_comes_back_as_it_was_put(make: Callable[[], Objects]) -> None:
    data = bytes(range(256)) * 1000
    make().put(name_of(data), data)

    assert make().get(name_of(data)) == data
    path = make().path(name_of(data))
    assert path is None or path.read_bytes() == data


def test_an_object_that_was_never_put_is_none(make: Callable[[], Objects]) -> None:
    assert make().get("0" * 64) is None
    assert make().path("0" * 64) is None


def test_an_object_stays_as_it_was_first_put(make: Callable[[], Objects]) -> None:
    objects = make()
    objects.put(name_of(b"first"), b"first")

    objects.put(name_of(b"first"), b"second")

    assert objects.get(name_of(b"first")) == b"first"


def test_puts_of_one_object_at_once_all_succeed(make: Callable[[], Objects]) -> None:
    objects, data = make(), b"x" * 100_000

    with ThreadPoolExecutor(8) as pool:
        puts = [pool.submit(objects.put, name_of(data), data) for _ in range(16)]
    assert [put.result() for put in puts] == [None] * 16

    assert objects.get(name_of(data)) == data


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "0" * 63, "A" * 64, "0" * 64 + "\n"])
def test_only_a_digest_names_an_object(make: Callable[[], Objects], name: str) -> None:
    objects = make()

    with pytest.raises(ValueError, match="is no sha256 of 64 lower-case hexadecimal digits"):
        objects.get(name)
    with pytest.raises(ValueError, match="is no sha256 of 64 lower-case hexadecimal digits"):
        objects.path(name)
    with pytest.raises(ValueError, match="is no sha256 of 64 lower-case hexadecimal digits"):
        objects.put(name, b"")


def test_a_folder_keeps_nothing_but_read_only_objects(tmp_path: Path) -> None:
    objects = FolderObjects(tmp_path / "objects")
    objects.put(name_of(b"data"), b"data")

    files = [path for path in (tmp_path / "objects").rglob("*") if path.is_file()]
    assert [path.name for path in files] == [name_of(b"data")]
    assert files[0].stat().st_mode & 0o777 == 0o444


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(ObjectsUnavailable, match="Not a directory"):
        FolderObjects(tmp_path / "file" / "objects")


def test_a_folder_clears_away_what_a_crashed_write_left_long_ago(tmp_path: Path) -> None:
    staging = tmp_path / "objects" / "tmp"
    staging.mkdir(parents=True)
    (staging / "old").write_bytes(b"x")
    os.utime(staging / "old", (0, 0))
    (staging / "new").write_bytes(b"x")

    FolderObjects(tmp_path / "objects")

    assert [path.name for path in staging.iterdir()] == ["new"]
