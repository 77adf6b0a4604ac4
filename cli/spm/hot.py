"""Answers the hot commands without the full program.

`install` of a lock that was installed before, `list` and `path` are run by shells,
hooks and agents all day: they import neither typer, pydantic, aiohttp nor asyncio.
Anything unusual (an option, a difference, an error) is left to the full program,
which does it properly and says what it did.
"""

from __future__ import annotations

import os
import sys

from spm import compiled
from spm.folders import STORE, cache_folder, data_folder

_QUIET_OPTIONS = frozenset({"--frozen", "--offline"})


def answer(words: list[str]) -> int | None:
    """The exit code, or ``None`` when the full program must take over."""
    command, *rest = words
    if command == "install":
        return _install() if _QUIET_OPTIONS.issuperset(rest) else None
    from spm_spec.errors import SpmError

    try:
        if command == "list" and rest in ([], ["--json"]):
            from spm.listing import put_installed

            put_installed(as_json=bool(rest))
            sys.stdout.flush()  # a reader that left is the full program's to answer
            return 0
        if command == "path" and len(rest) == 1 and not rest[0].startswith("-"):
            from spm.listing import path_of

            sys.stdout.write(f"{path_of(rest[0])}\n")
            sys.stdout.flush()
            return 0
    except (SpmError, OSError):
        return None
    return None


def _install() -> int | None:
    root = _project_root()
    if root is None or os.environ.get("SPM_REGISTRY"):
        return None
    try:
        manifest = compiled.read_bytes(f"{root}/skills.toml")
        lock = compiled.read_bytes(f"{root}/skills.lock")
        name = compiled.key_of(manifest, lock)
        found = compiled.read(f"{cache_folder(os.environ)}/locks/{name}")
        if found is None:
            return None
        return _link(found, f"{root}/.roundtable/skills", f"{data_folder(os.environ)}/{STORE}")
    except Exception:  # noqa: BLE001  # whatever it is, the full program says it properly
        return None


def _project_root() -> str | None:
    folder = os.getcwd()
    while True:
        if os.path.isfile(f"{folder}/skills.toml"):
            return folder
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def _link(wanted: compiled.CompiledLock, skills: str, store: str) -> int | None:
    """Make what is missing, if nothing else is needed; the project is held meanwhile."""
    missing = compiled.missing_links(wanted, skills, store)
    if missing is None:
        return None
    total = len(wanted.links)
    try:
        index = compiled.read_bytes(f"{skills}/index.json").decode()
    except FileNotFoundError:
        return _link_all(wanted, skills, store)
    if missing or not compiled.same_index(index, wanted.index):
        return None
    sys.stderr.write(f"everything is in place ({total} skill{'' if total == 1 else 's'})\n")
    return 0


def _link_all(wanted: compiled.CompiledLock, skills: str, store: str) -> int | None:
    """Link every skill into a project that has none, as `spm.installation` would."""
    import fcntl
    from time import gmtime, strftime

    os.makedirs(skills, exist_ok=True)
    held = os.open(f"{skills}/.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        missing = compiled.missing_links(wanted, skills, store)
        if missing is None or os.path.exists(f"{skills}/index.json"):
            return None
        for path, target in missing:
            os.symlink(target, path)
        now = strftime("%Y-%m-%dT%H:%M:%SZ", gmtime())
        _write(f"{skills}/index.json", wanted.index.replace(compiled.PENDING, now))
    finally:
        os.close(held)
    total = len(wanted.links)
    skills_text = f"{total} skill{'' if total == 1 else 's'}"
    sys.stderr.write(f"installed {skills_text} (0 downloaded, {total} from the store)\n")
    return 0


def _write(path: str, text: str) -> None:
    """Put a file in place as a whole; not flushed, because a lost index is made again."""
    folder, _, name = path.rpartition("/")
    new = f"{folder}/.{name}.{os.getpid()}.new"  # as in spm.project, which clears up
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        data = memoryview(text.encode())
        while data:
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)
    os.replace(new, path)
