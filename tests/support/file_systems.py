"""File systems to test on: made in an image, mounted by root, gone with the tests.

Each mount has a keeper, a shell that mounts it and then waits for its input to end: it
ends when the tests are done, and also when they are killed, so that nothing stays
mounted. Every process of a parallel run has mounts of its own, in folders of its own.

A folder that is there already is used instead if `SPM_TEST_FOLDER_<KIND>` names it,
such as `SPM_TEST_FOLDER_XFS=/mnt/xfs`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

SECONDS = 30
"""How long a mount or an unmount may take."""


class Unavailable(Exception):  # not an error: a reason to skip
    """This machine does not have a file system; ``package`` would bring what is missing."""

    def __init__(self, reason: str, *, package: str | None = None) -> None:
        """Say why, in the words of whoever refused."""
        super().__init__(reason)
        self.reason, self.package = reason, package


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to make one: shell, with the folder ``$1``, mounted at ``$1/disk``."""

    script: str
    program: str = "mount"
    package: str = "mount"
    inside: str = ""
    """The folder on it to use, below its root."""


_IMAGE = 'truncate -s {size} "$1/image" && {make} "$1/image" >/dev/null && '
_LOOP = 'mount -o loop{more} "$1/image" "$1/disk"'

RECIPES = {
    "tmpfs": Recipe('mount -t tmpfs -o size=64m,mode=755 tmpfs "$1/disk"'),
    "xfs": Recipe(
        _IMAGE.format(size="320m", make="mkfs.xfs -q -m reflink=1") + _LOOP.format(more=""),
        "mkfs.xfs",
        "xfsprogs",
    ),
    "btrfs": Recipe(
        _IMAGE.format(size="128m", make="mkfs.btrfs -q") + _LOOP.format(more=""),
        "mkfs.btrfs",
        "btrfs-progs",
    ),
    "casefold": Recipe(
        "if ! test -e /sys/fs/ext4/features/casefold; then "
        'echo "this kernel\'s ext4 has no casefold" >&2; false; fi && '
        + _IMAGE.format(size="64m", make="mkfs.ext4 -q -O casefold")
        + _LOOP.format(more="")
        + ' && mkdir "$1/disk/folder" && chattr +F "$1/disk/folder"',
        "mkfs.ext4",
        "e2fsprogs",
        inside="folder",
    ),
    "overlay": Recipe(
        'mkdir "$1/below" && mount -t tmpfs -o mode=755 tmpfs "$1/below" && '
        'mkdir "$1/below/lower" "$1/below/upper" "$1/below/work" && mount -t overlay -o '
        'lowerdir="$1/below/lower",upperdir="$1/below/upper",workdir="$1/below/work" '
        'overlay "$1/disk"'
    ),
    "vfat": Recipe(
        _IMAGE.format(size="32m", make="mkfs.vfat") + _LOOP.format(more=",umask=022"),
        "mkfs.vfat",
        "dosfstools",
    ),
}

_KEEP = """
finish() {{
  umount "$1/disk" 2>/dev/null || umount -l "$1/disk" 2>/dev/null
  umount -l "$1/below" 2>/dev/null
  rm -rf --one-file-system "$1"
}}
PATH=$PATH:/usr/sbin:/sbin
trap '' INT TERM HUP
mkdir "$1/disk"
if {script}; then echo mounted; cat >/dev/null; finish "$1"; else finish "$1"; exit 1; fi
"""


def packaged(recipe: Recipe) -> bool:
    """Whether what makes it is installed."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return shutil.which(recipe.program, path=path) is not None


@contextmanager
def mounted(recipe: Recipe) -> Generator[Path]:
    """Make and mount a file system, for as long as the block runs or this process lives.

    Raises:
        Unavailable: this machine does not have it.

    """
    if os.geteuid() != 0:
        raise Unavailable("only root may mount a file system")
    if not packaged(recipe):
        reason = f"there is no `{recipe.program}`: `apt-get install {recipe.package}` brings it"
        raise Unavailable(reason, package=recipe.package)
    folder = tempfile.mkdtemp(prefix="spm-disk-")
    Path(folder).chmod(0o755)
    keeper = subprocess.Popen(
        ["sh", "-c", _KEEP.format(script=recipe.script), "sh", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # whoever interrupts the tests does not interrupt it
    )
    assert keeper.stdout is not None
    if keeper.stdout.readline() != "mounted\n":
        _, said = keeper.communicate(timeout=SECONDS)
        said = said.replace(f"{folder}/disk: ", "").replace(folder, "")
        raise Unavailable(_first_line(said) or "the mount failed and did not say why")
    try:
        yield Path(folder, "disk", recipe.inside)
    finally:
        keeper.communicate(timeout=SECONDS)


def small_disk(size: str) -> Recipe:
    """A disk in memory that is soon full."""
    return Recipe(f'mount -t tmpfs -o size={size},mode=755 tmpfs "$1/disk"')


def remount(folder: Path, *, read_only: bool) -> None:
    """Let nobody write to a mounted file system, or everybody again."""
    how = "remount,ro" if read_only else "remount,rw"
    subprocess.run(["mount", "-o", how, str(folder)], check=True, capture_output=True)


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


class FileSystems:
    """One mount of each kind for a whole run, made when first asked for."""

    def __init__(self) -> None:
        """Mount nothing yet."""
        self._stack = ExitStack()
        self._found: dict[str, Path | Unavailable] = {}

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Unmount everything."""
        self._stack.close()

    def folder(self, kind: str) -> Path:
        """A new folder on a file system of that kind, which every user may enter.

        Raises:
            Unavailable: this machine does not have it.

        """
        if kind not in self._found:
            self._found[kind] = self._made(kind)
        found = self._found[kind]
        if isinstance(found, Unavailable):
            raise found
        made = Path(tempfile.mkdtemp(prefix="test-", dir=found))
        made.chmod(0o755)
        return made

    def _made(self, kind: str) -> Path | Unavailable:
        given = os.environ.get(f"SPM_TEST_FOLDER_{kind.upper()}")
        try:
            if given:
                return Path(given)
            return self._stack.enter_context(mounted(RECIPES[kind]))
        except Unavailable as missing:
            return missing


def skip(missing: Unavailable, request: pytest.FixtureRequest) -> None:
    """Skip the test that asks; CI may not, if only a package is missing."""
    if missing.package is not None:
        request.node.add_marker(pytest.mark.needs(missing.package))
    pytest.skip(missing.reason)
