"""A project on disk: its manifest, its lock and the folder its skills are linked into.

Files are replaced whole (a temporary file beside them, flushed, then renamed), so
that a reader sees the old text or the new one. Whoever changes a project holds
`Project.exclusively`, an advisory lock that ends with its process.
"""

from __future__ import annotations

import os
import stat
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spm_spec.errors import EnvironmentFailure, UserMistake

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from spm_spec.installed import Installed
    from spm_spec.lock import Lock
    from spm_spec.manifest import Manifest
    from spm_store.durable import Disk

MANIFEST_NAME = "skills.toml"
LOCK_NAME = "skills.lock"
PROFILE_MARKER = ".profile"
"""A file in the folder of a profile, see `spm.profiles`; it holds the profile's name."""
SKILLS_FOLDER = Path(".roundtable") / "skills"
MAX_TEXT_BYTES = 32 * 1024 * 1024
"""No manifest, lock or index larger than this is read into memory."""
_TEXT_MODE = 0o644
TURN_SECONDS = 0.05
"""Between two looks whether another spm has finished with the project."""


class NoProject(UserMistake):
    """A command that needs a project was started outside of one."""


@dataclass(frozen=True, slots=True)
class Project:
    """One folder with a `skills.toml`."""

    root: Path

    @staticmethod
    def above(start: Path) -> Project:
        """The nearest project at or above ``start``.

        Raises:
            NoProject: no folder up to the root of the file system holds a manifest.
        """
        for folder in (start, *start.parents):
            if (folder / MANIFEST_NAME).is_file():
                return Project(folder)
        raise NoProject(
            f"no `{MANIFEST_NAME}` in `{start}` or above it",
            hint="run `spm init` here first",
        )

    @staticmethod
    def here() -> Project:
        """The nearest project at or above the current folder."""
        return Project.above(Path.cwd())

    @property
    def manifest_path(self) -> Path:
        """What the project asks for."""
        return self.root / MANIFEST_NAME

    @property
    def lock_path(self) -> Path:
        """What it gets, exactly."""
        return self.root / LOCK_NAME

    @property
    def skills_folder(self) -> Path:
        """Where its skills are linked."""
        return self.root / SKILLS_FOLDER

    @property
    def index_path(self) -> Path:
        """The list of what is linked."""
        return self.skills_folder / "index.json"

    def skill_path(self, name: str, version: str) -> Path:
        """Where one version of one skill is linked."""
        return self.skills_folder / name / version

    def manifest(self) -> Manifest:
        """The manifest, read and validated."""
        from spm_spec.manifest import parse_manifest

        return parse_manifest(read_text(self.manifest_path), origin=MANIFEST_NAME)

    def manifest_text(self) -> str:
        """The manifest as it was written, for edits that keep comments."""
        return read_text(self.manifest_path)

    def lock(self) -> Lock | None:
        """The lock, read and validated; ``None`` when there is none yet."""
        from spm_spec.lock import parse_lock

        if not self.lock_path.exists():
            return None
        return parse_lock(read_text(self.lock_path), origin=LOCK_NAME)

    def installed(self) -> Installed:
        """What the index says is linked; nothing when there is no index yet."""
        return read_index(self.index_path)

    @asynccontextmanager
    async def exclusively(self) -> AsyncGenerator[None]:
        """Hold the project against every other spm that would change it; see `held`."""
        async with held(self.skills_folder):
            metadata = self.skills_folder / ".cache" / "registry-metadata.json"
            for path in (self.manifest_path, self.lock_path, metadata):
                remove_leftovers(path)
            yield


@asynccontextmanager
async def held(folder: Path) -> AsyncGenerator[None]:
    """Hold a skills folder against every other spm that would change it.

    Waits without blocking the event loop, so that Ctrl-C ends the wait and two
    changes in one process take turns. What a killed spm left over is removed.
    """
    import fcntl
    from asyncio import sleep

    from spm_store.generations import Generations

    os.makedirs(folder, exist_ok=True)  # noqa: PTH103  # in one call, whoever waits
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await sleep(TURN_SECONDS)
        Generations(folder).clear()
        yield
    finally:
        os.close(handle)


def read_text(path: Path) -> str:
    """The UTF-8 text of a file that a person or spm wrote.

    Raises:
        UserMistake: the file is no UTF-8, or larger than `MAX_TEXT_BYTES`.
        EnvironmentFailure: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        raise EnvironmentFailure(f"{path}: {(error.strerror or '').lower()}") from error
    if len(data) > MAX_TEXT_BYTES:
        raise UserMistake(f"{path}: larger than {MAX_TEXT_BYTES} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserMistake(f"{path}: byte {error.start} is not UTF-8") from error


def read_index(path: Path) -> Installed:
    """What an index says is linked; nothing when there is no index yet.

    Raises:
        DamagedIndex: it is not what spm writes.
    """
    from spm_spec.installed import Installed, parse_installed

    if not path.exists():
        return Installed((), None)
    return parse_installed(read_text(path), origin=str(SKILLS_FOLDER / "index.json"))


def replace_text(path: Path, text: str, disk: Disk | None = None) -> None:
    """Put ``text`` at ``path`` as a whole, surviving a crash at any moment."""
    with staged_text(path, text, disk) as put:
        put()


@contextmanager
def staged_text(path: Path, text: str, disk: Disk | None = None) -> Generator[Callable[[], None]]:
    """Write ``text`` beside ``path``, and give what puts it there as a whole.

    So a disk that is full or closed says so before anything else is changed. What was
    not put there is gone at the end of the block.

    Raises:
        EnvironmentFailure: the disk refused.
    """
    from spm_store.copies import write_file
    from spm_store.durable import Disk

    disk = disk or Disk()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")

    def put() -> None:
        with writing(path):
            disk.move(os.fspath(temporary), os.fspath(path))

    try:
        with writing(path):
            if not path.parent.is_dir():
                path.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(temporary):
                disk.remove_file(os.fspath(temporary))
            write_file(disk, os.fspath(temporary), text.encode(), _mode_of(path))
            disk.sync(os.fspath(temporary))
        yield put
    finally:
        if os.path.lexists(temporary):
            disk.remove_file(os.fspath(temporary))


def _mode_of(path: Path) -> int:
    """The permissions that a file keeps when it is replaced."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return _TEXT_MODE


@contextmanager
def writing(path: Path) -> Generator[None]:
    """Turn what the system refuses inside the block into an `EnvironmentFailure`.

    It names ``path``, or what is below it that the system named.
    """
    try:
        yield
    except OSError as error:
        named = str(error.filename2 or error.filename or path)
        where = named if named.startswith(f"{path}/") else path
        raise EnvironmentFailure(
            f"{where}: {(error.strerror or str(error)).lower()}",
            hint="free some space or fix the permissions, then run the same command again",
        ) from error


def remove_leftovers(path: Path) -> None:
    """Remove what `replace_text` left beside ``path`` when its process was killed.

    Only whoever holds the project may, for then nobody else is writing; and for a
    cache, where a text that gets lost is no failure.
    """
    for left in path.parent.glob(f".{path.name}.[0-9]*.new"):
        left.unlink(missing_ok=True)
