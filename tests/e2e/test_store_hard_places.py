"""A store on a disk that is closed, read-only, full or shared: what a person is told of it.

Every refusal is whole, says what to do next, has its exit code, and changes nothing.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.file_systems import Unavailable, mounted, remount, skip, small_disk
from tests.support.program import Program, Run, write_skill
from tests.support.projects import ended, started, without_override
from tests.support.store_world import World, world_below

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = 65533
USERS = (65531, 65532)
ROOM = 256 * 1024
"""Bytes that the index may need to remove rows."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return world_below(tmp_path)


def closed(world: World, *words: str) -> Run:
    """The command as someone whom permissions bind."""
    return ended(started(world.program, *words, folder=world.project, before=without_override()))


def test_a_store_that_may_not_be_written_is_read_and_not_changed(world: World) -> None:
    write_skill(world.program.root, "old")
    write_skill(world.program.root, "other")
    assert world("add", "path:../old").code == 0
    shutil.rmtree(world.project)  # so that there is something to collect
    world.program.project(manifest='[skills]\ntidy = { path = "../tidy" }\n')
    assert world("install").code == 0
    before = world.state()
    folders = [path for path in (world.store, *world.store.rglob("*")) if path.is_dir()]
    modes = {path: path.lstat().st_mode for path in folders if not path.is_symlink()}
    for path in modes:
        path.chmod(0o555)
    try:
        loaded = closed(world, "load", "tidy")
        verified = closed(world, "store", "verify")
        installed = closed(world, "add", "path:../other")
        collected = closed(world, "store", "gc", "--max-age", "0")
    finally:
        for path, mode in modes.items():
            path.chmod(mode & 0o7777)

    assert loaded.code == 0, loaded.err
    assert verified.code == 0, verified.err
    hint = "make it writable for you, or choose another folder for the store with `SPM_DATA`"
    assert [(run.code, run.out) for run in (installed, collected)] == [(5, ""), (5, "")]
    assert installed.err.startswith(f"error: {world.store}/tmp/")
    assert installed.err.endswith(f": permission denied\nhint: {hint}\n")
    assert collected.err == (
        f"error: {world.index}: attempt to write a readonly database\nhint: {hint}\n"
    )
    assert world.state() == before


@pytest.mark.parametrize("place", ["index.sqlite", "trees", "roots"])
def test_what_may_not_be_read_stops_the_collector(world: World, place: str) -> None:
    """Nothing is removed because something could not be seen."""
    before = world.state()
    path = world.store / place
    mode = path.stat().st_mode & 0o7777
    path.chmod(0)
    try:
        run = closed(world, "store", "gc", "--max-age", "0")
    finally:
        path.chmod(mode)

    assert (run.code, run.out) == (5, ""), run.err
    assert run.err.startswith(f"error: {path}")
    assert "\nhint: " in run.err
    assert world.state() == before


def disk_of(size: str, request: pytest.FixtureRequest) -> Path:
    """A small disk of its own, unmounted after the test."""
    context = mounted(small_disk(size))
    try:
        folder = context.__enter__()
    except Unavailable as missing:
        skip(missing, request)
        raise
    request.addfinalizer(lambda: context.__exit__(None, None, None))
    return folder


def world_on(disk: Path, root: Path) -> World:
    """A world whose store is on that disk."""
    program = Program.below(root)
    settings = dict(program.settings) | {"SPM_DATA": str(disk / "data")}
    return world_below(root, Program(root, settings))


def test_a_read_only_disk_is_read_and_said_to_be_one(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    disk = disk_of("16m", request)
    world = world_on(disk, tmp_path)
    write_skill(tmp_path, "other")
    before = world.state()
    remount(disk, read_only=True)
    try:
        noop = world("install")
        loaded = world("load", "tidy")
        verified = world("store", "verify")
        listed = world("store", "list")
        collected = world("store", "gc", "--max-age", "0")
        added = world("add", "path:../other")
        after = world.state()
    finally:
        remount(disk, read_only=False)

    assert [run.code for run in (noop, loaded, verified, listed)] == [0, 0, 0, 0], loaded.err
    for run in (collected, added):
        assert (run.code, run.out) == (5, "")
        assert run.err.startswith(f"error: {world.store}/")
        assert run.err.endswith(
            ": read-only file system\nhint: mount it for writing,"
            " or choose another folder for the store with `SPM_DATA`\n"
        )
    assert after == before
    assert world("add", "path:../other").code == 0


def free_bytes(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


def fill(disk: Path) -> Path:
    """Leave no space at all."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as stream:
        for size in (1 << 16, 4096, 1):
            try:
                while True:
                    stream.write(b"x" * size)
            except OSError:
                continue
    return filler


def test_a_full_disk_installs_nothing_and_gives_its_space_back(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    disk = disk_of("4m", request)
    world = world_on(disk, tmp_path)
    big = write_skill(tmp_path, "big")
    for number in range(20):
        (big / f"part-{number}.bin").write_bytes(os.urandom(300_000))
    before, free = world.state(), free_bytes(disk)

    run = world("add", "path:../big")

    assert (run.code, run.out) == (5, ""), run.err
    assert run.err.startswith(f"error: {world.store}/tmp/")
    assert run.err.endswith(
        ": no space left on device\nhint: free some space there,"
        " or choose another folder for the store with `SPM_DATA`\n"
    )
    assert world.state() == before
    assert abs(free - free_bytes(disk)) < 128 * 1024
    assert world("load", "tidy").code == 0


def test_garbage_gives_way_once_a_full_disk_has_a_little_room(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The index needs some space to say what goes; without any, that is what is said."""
    disk = disk_of("4m", request)
    world = world_on(disk, tmp_path)
    write_skill(tmp_path, "other", files={"references/long.md": "long\n" * 100_000})
    assert world("add", "path:../other").code == 0
    shutil.rmtree(world.project)
    world.program.project(manifest='[skills]\ntidy = { path = "../tidy" }\n')
    assert world("install").code == 0
    filler = fill(disk)

    refused = world("store", "gc", "--max-age", "0")
    os.truncate(filler, filler.stat().st_size - ROOM)
    free = free_bytes(disk)
    run = world("store", "gc", "--max-age", "0")

    assert (refused.code, refused.out) == (5, "")
    assert refused.err == (
        f"error: {world.index}: no space left on device\nhint: free some space there,"
        " or choose another folder for the store with `SPM_DATA`\n"
    )
    assert run.code == 0, run.err
    assert free_bytes(disk) - free > 400_000
    assert world("store", "verify").code == 0
    assert world("load", "tidy").code == 0


def test_an_export_to_a_full_disk_leaves_no_half_a_bundle(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    disk = disk_of("1m", request)
    world = world_below(tmp_path)
    fill(disk)

    run = world("store", "export", "tidy", "-o", str(disk / "bundle"))

    assert (run.code, run.out) == (5, ""), run.err
    assert run.err.startswith(f"error: {disk}/bundle: no space left on device\n")
    assert [path.name for path in disk.iterdir()] == ["filler"]


def as_user(user: int) -> tuple[str, ...]:
    """A command that runs another as that user, who may read everything (such as Python)."""
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0 or setpriv is None:
        pytest.skip("only root, and with `setpriv`, may become two users")
    rights = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    words = (f"--reuid={user}", f"--regid={user}", f"--groups={GROUP}", *rights)
    tried = subprocess.run(
        [setpriv, *words, sys.executable, "-c", "pass"], capture_output=True, check=False
    )
    if tried.returncode != 0:
        pytest.skip(f"this host does not let root become a user: {tried.stderr.decode().strip()}")
    return (setpriv, *words)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of the machine reaches."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def shared(open_folder: Path) -> tuple[World, World]:
    """Two users with a project each, and one store whose group both are in."""
    as_user(USERS[0])
    store = open_folder / "shared" / "v1"
    store.mkdir(parents=True)
    os.chown(store, USERS[0], GROUP)
    store.chmod(0o2775)
    worlds: list[World] = []
    for user in USERS:
        home = open_folder / f"user-{user}"
        home.mkdir()
        own = Program.below(home)
        program = Program(home, dict(own.settings) | {"SPM_STORE_PATH": str(store)})
        names = ("tidy", f"own-{user}")
        for name in names:
            write_skill(home, name)
        manifest = "[skills]\n" + "".join(f'{name} = {{ path = "../{name}" }}\n' for name in names)
        project = program.project(manifest=manifest)
        for path in [home, *home.rglob("*")]:
            os.chown(path, user, user)
        worlds.append(World(program, project, store))
    return worlds[0], worlds[1]


def run_as(user: int, world: World, *words: str) -> Run:
    before = (*as_user(user), "sh", "-c", 'umask 0022; exec "$@"', "sh")
    return ended(started(world.program, *words, folder=world.project, before=before))


def test_two_users_share_one_store(shared: tuple[World, World]) -> None:
    one, other = shared
    first, second = USERS

    installed = [run_as(first, one, "install"), run_as(second, other, "install")]
    verified = [run_as(first, one, "store", "verify"), run_as(second, other, "store", "verify")]
    collected = [
        run_as(user, world, "store", "gc", "--max-age", "0")
        for user, world in ((first, one), (second, other))
    ]
    listed = run_as(second, other, "store", "list")
    loaded = [run_as(first, one, "load", "tidy"), run_as(second, other, "load", "tidy")]

    assert [run.code for run in installed] == [0, 0], installed[0].err + installed[1].err
    assert [run.code for run in verified] == [0, 0], verified[0].out + verified[1].err
    assert [run.code for run in collected] == [0, 0], collected[0].err + collected[1].err
    assert [line.split()[0] for line in listed.out.splitlines()] == [
        f"own-{first}",
        f"own-{second}",
        "tidy",
    ]
    assert [run.code for run in loaded] == [0, 0], loaded[1].err
    assert not [path for path in one.store.rglob("*") if is_open_to_everyone(path)]


def is_open_to_everyone(path: Path) -> bool:
    """Whether users outside the group may write."""
    status = path.lstat()
    return not stat.S_ISLNK(status.st_mode) and bool(status.st_mode & stat.S_IWOTH)


def test_what_another_user_owns_is_never_half_removed(shared: tuple[World, World]) -> None:
    one, other = shared
    first, second = USERS
    assert run_as(first, one, "install").code == 0
    shutil.rmtree(one.project)  # so that nobody needs the first user's trees

    run = run_as(second, other, "store", "gc", "--max-age", "0")

    assert run.code == 0, run.err
    assert run_as(second, other, "store", "verify").code == 0
    for tree in (one.store / "trees").iterdir():
        assert (tree / "SKILL.md").is_file()
        assert (tree / "skill.yaml").is_file()
