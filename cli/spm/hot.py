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
from spm.folders import cache_folder, store_folder

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
        return _Install(found, root, store_folder(os.environ), manifest, lock).answer()
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


class _Install:
    """One install of a lock that was installed before, perhaps into another project."""

    def __init__(
        self, wanted: compiled.CompiledLock, root: str, store: str, manifest: bytes, lock: bytes
    ) -> None:
        self._wanted, self._root, self._store = wanted, root, store
        self._texts = {"skills.toml": manifest, "skills.lock": lock}
        self._skills = f"{root}/.roundtable/skills"

    def answer(self) -> int | None:
        """Say that everything is in place, or put it there, or leave it to the full program."""
        total = len(self._wanted.skills)
        count = f"{total} skill{'' if total == 1 else 's'}"
        if not os.path.lexists(f"{self._skills}/.current"):
            done = self._install_first()
            said = f"installed {count} (0 downloaded, {total} from the store)\n"
        else:
            done, said = self._is_in_place(), f"everything is in place ({count})\n"
        if not done:
            return None
        sys.stderr.write(said)
        return 0

    def _is_in_place(self) -> bool:
        number = compiled.is_shown(self._wanted, self._skills, self._store)
        if number is None or not compiled.is_stored(self._wanted, self._store):
            return False
        if not self._is_kept(number):
            return False
        generation = f"{self._skills}/.generations/{number}"
        if compiled.read_bytes(f"{generation}/skills.lock") != self._texts["skills.lock"]:
            return False
        index = compiled.read_bytes(f"{generation}/index.json").decode()
        return compiled.same_index(index, self._wanted.index)

    def _is_kept(self, number: int) -> bool:
        """Whether the store knows that this project shows this generation."""
        key = compiled.root_key(os.path.realpath(self._root))
        root = compiled.read_bytes(f"{self._store}/roots/{key}")
        return f"\ngeneration {number} {self._wanted.set}\n".encode() in root

    def _install_first(self) -> bool:
        """Make the first generation of a project, as `spm.installation` would."""
        import fcntl

        if not os.path.isdir(f"{self._store}/sets/{self._wanted.set}"):
            return False
        if os.path.lexists(f"{self._root}/.profile"):  # as spm.project names it
            return False
        os.makedirs(self._skills, exist_ok=True)
        held = os.open(f"{self._skills}/.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            # Only `.lock` and `.cache` may be there: nothing to clear, nothing of a person's.
            if not {".lock", ".cache"}.issuperset(os.listdir(self._skills)):
                return False
            return self._show()
        finally:
            os.close(held)

    def _show(self) -> bool:
        """Have the store keep the set, look whether it has everything, then show it."""
        from time import gmtime, strftime

        from spm.first import FirstGeneration

        durable = os.environ.get("SPM_DURABILITY") != "none"
        first = FirstGeneration(self._root, self._store, durable=durable)
        # Told before it is asked: nothing is collected between the look and the link.
        if not first.keep(self._wanted.set) or not compiled.is_stored(self._wanted, self._store):
            return False
        now = strftime("%Y-%m-%dT%H:%M:%SZ", gmtime())
        index = self._wanted.index.replace(compiled.PENDING, now).encode()
        first.show(self._wanted, {**self._texts, "index.json": index})
        return True
