"""The file system of the sandbox: an empty root, and what is bound into it.

The calling process is in a mount namespace of its own. The new root is a tmpfs that
ends read-only; the old one is detached, so no path leads back to it.
"""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from spm_sandbox.confinement import Bind, Confinement
from spm_sandbox.native.libc import system_call

if TYPE_CHECKING:
    from collections.abc import Mapping

_READ_ONLY, _NO_SETUID, _NO_DEVICES, _NO_EXEC = 1, 2, 4, 8
_REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 32, 4096, 16384, 1 << 18
_DETACH = 2
_HERE = -100
_WHOLE_TREE = 0x8000

_STAGE = "/tmp"  # noqa: S108 - any folder that exists; covered by a tmpfs in our namespace only
_OLD, _NEW = Path("/old"), Path("/new")
_LINKED_FOLDERS = ("lib", "lib64", "lib32", "libx32", "bin", "sbin")
_DEVICES = ("null", "zero", "full", "random", "urandom")
_DEVICE_LINKS = {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}
_FEW_FILES = 4096


def build_root(confinement: Confinement, files: Mapping[str, bytes]) -> None:
    """Make the new root and move into it; ``files`` are written into it, mode 0444."""
    _enter_stage()
    _make_system()
    for destination, data in files.items():
        _write(_NEW / destination.lstrip("/"), data)
    _scratch(_NEW / "tmp", confinement.scratch_bytes)
    _make_devices()
    for bind in confinement.binds:
        _bind(bind)
    for folder in confinement.hidden:
        _hide(_NEW / folder.lstrip("/"))
    _mount_proc()
    _leave_old_root()
    _restrict(Path("/"), _READ_ONLY | _NO_SETUID | _NO_DEVICES, whole_tree=False)


def _enter_stage() -> None:
    _mount(None, Path("/"), None, _RECURSIVE | _PRIVATE)
    stage = Path(_STAGE)
    _mount("tmpfs", stage, "tmpfs", _NO_SETUID | _NO_DEVICES, "mode=0755,size=4m")
    (stage / "old").mkdir()
    (stage / "new").mkdir()
    _mount(str(stage / "new"), stage / "new", None, _BIND)
    os.chdir(stage)
    system_call("pivot_root", b".", b"old")
    os.chdir("/")
    for name in ("tmp", "dev", "proc", "etc"):
        (_NEW / name).mkdir()


def _leave_old_root() -> None:
    system_call("umount2", bytes(_OLD), _DETACH)
    stage = os.open("/", os.O_PATH | os.O_DIRECTORY)
    os.chdir(_NEW)
    system_call("pivot_root", b".", b".")
    os.fchdir(stage)
    system_call("umount2", b".", _DETACH)
    os.chdir("/")
    os.close(stage)


def _make_system() -> None:
    """Show ``/usr`` and its linked folders, and just enough of ``/etc``."""
    _bind(Bind("/usr", "/usr", execute=True))
    for name in _LINKED_FOLDERS:
        outside = _OLD / name
        if outside.is_symlink():
            (_NEW / name).symlink_to(outside.readlink())
        elif outside.is_dir():
            _bind(Bind(f"/{name}", f"/{name}", execute=True))
    texts = {
        "passwd": "sandbox:x:1000:1000::/tmp:/bin/sh\n",
        "group": "sandbox:x:1000:\n",
        "hosts": "127.0.0.1 localhost\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    }
    for name, text in texts.items():
        _write(_NEW / "etc" / name, text.encode())
    for path in ("/etc/ld.so.cache", "/etc/alternatives"):
        _bind(Bind(path, path, optional=True))


def _make_devices() -> None:
    devices = _NEW / "dev"
    flags = _NO_SETUID | _NO_EXEC
    _mount("tmpfs", devices, "tmpfs", flags, "mode=0755,size=64k,nr_inodes=64")
    for name in _DEVICES:
        _write(devices / name, b"")
        _mount(str(_OLD / "dev" / name), devices / name, None, _BIND)
    for name, target in _DEVICE_LINKS.items():
        (devices / name).symlink_to(f"/proc/self/fd{target}")
    (devices / "shm").mkdir()
    _scratch(devices / "shm", 16 << 20)
    _mount(None, devices, None, _REMOUNT | _BIND | _READ_ONLY | flags)


def _bind(bind: Bind) -> None:
    """Bind with everything mounted below, and restrict the whole of it in one call."""
    source = _OLD / bind.source.lstrip("/")
    try:
        kind = source.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if bind.optional:
            return
        raise
    destination = _NEW / bind.destination.lstrip("/")
    if stat.S_ISDIR(kind):
        destination.mkdir(parents=True, exist_ok=True)
    else:
        _write(destination, b"")
    _mount(str(source), destination, None, _BIND | _RECURSIVE)
    flags = _NO_SETUID | _NO_DEVICES | (_READ_ONLY if bind.access == "read" else 0)
    _restrict(destination, flags, whole_tree=True)


def _mount_proc() -> None:
    """Show processes only, and of those only what the viewer may trace: not pid 1."""
    flags = _NO_SETUID | _NO_DEVICES | _NO_EXEC
    try:
        _mount("proc", _NEW / "proc", "proc", flags, "subset=pid,hidepid=2")
    except OSError:  # Linux before 5.8 has no subset
        _mount("proc", _NEW / "proc", "proc", flags, "hidepid=2")


def _hide(folder: Path) -> None:
    if folder.is_dir():
        flags = _NO_SETUID | _NO_DEVICES | _READ_ONLY
        _mount("tmpfs", folder, "tmpfs", flags, "mode=0555,size=4k,nr_inodes=2")


def _scratch(folder: Path, size: int) -> None:
    options = f"mode=1777,size={size},nr_inodes={_FEW_FILES}"
    _mount("tmpfs", folder, "tmpfs", _NO_SETUID | _NO_DEVICES | _NO_EXEC, options)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o444)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


def _mount(
    source: str | None, target: Path, kind: str | None, flags: int, options: str | None = None
) -> None:
    try:
        system_call(
            "mount",
            source.encode() if source else b"none",
            bytes(target),
            kind.encode() if kind else None,
            flags,
            options.encode() if options else None,
        )
    except OSError as error:
        raise OSError(error.errno, f"mount {target}: {os.strerror(error.errno or 0)}") from error


def _restrict(path: Path, flags: int, *, whole_tree: bool) -> None:
    attributes = struct.pack("<QQQQ", flags, 0, 0, 0)
    system_call(
        "mount_setattr",
        _HERE,
        bytes(path),
        _WHOLE_TREE if whole_tree else 0,
        attributes,
        len(attributes),
    )
