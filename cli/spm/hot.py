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

TYPE_CHECKING = False  # type checkers know the name; see spm/__init__.py
if TYPE_CHECKING:
    from spm.first import FirstGeneration

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
        known = f"{cache_folder(os.environ)}/locks/{compiled.key_of(manifest, lock)}"
        install = _Install(known, root, store_folder(os.environ), manifest, lock)
        total = install.install_first() if install.first else install.in_place()
    except Exception:  # noqa: BLE001  # whatever it is, the full program says it properly
        return None
    if total is None:
        return None
    count = f"{total} skill{'' if total == 1 else 's'}"
    done = f"installed {count} (0 downloaded, {total} from the store)"
    sys.stderr.write(f"{done if install.first else f'everything is in place ({count})'}\n")
    return 0


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
    """One install that has nothing to resolve, to fetch, or to take from anyone."""

    def __init__(self, known: str, root: str, store: str, manifest: bytes, lock: bytes) -> None:
        """Know the texts of the project at ``root``, and where their compiled form would be."""
        self._known, self._root, self._store = known, root, store
        self._texts = {"skills.toml": manifest, "skills.lock": lock}
        self._skills = f"{root}/.roundtable/skills"
        self._wanted = compiled.read(known)
        self._durable = os.environ.get("SPM_DURABILITY") != "none"
        self.first = not os.path.lexists(f"{self._skills}/.current")

    def in_place(self) -> int | None:
        """How many skills are in place, if that is all of them and nothing is left to do."""
        wanted = self._wanted
        if wanted is None:
            return None
        number = compiled.is_shown(wanted, self._skills, self._store)
        if number is None or not compiled.is_stored(wanted, self._store):
            return None
        if not self._is_kept(number, wanted.set):
            return None
        generation = f"{self._skills}/.generations/{number}"
        if compiled.read_bytes(f"{generation}/skills.lock") != self._texts["skills.lock"]:
            return None
        index = compiled.read_bytes(f"{generation}/index.json").decode()
        return len(wanted.skills) if compiled.same_index(index, wanted.index) else None

    def _is_kept(self, number: int, digest: str) -> bool:
        """Whether the store knows that this project shows this generation."""
        key = compiled.root_key(os.path.realpath(self._root))
        root = compiled.read_bytes(f"{self._store}/roots/{key}")
        return f"\ngeneration {number} {digest}\n".encode() in root

    def install_first(self) -> int | None:
        """Make the first generation of a project, as `spm.installation` would; how many skills."""
        import fcntl

        wanted = self._wanted
        if wanted is not None and not os.path.isdir(f"{self._store}/sets/{wanted.set}"):
            return None
        if os.path.lexists(f"{self._root}/.profile") or self._is_nested():  # see spm.project
            return None
        os.makedirs(self._skills, exist_ok=True)
        held = os.open(f"{self._skills}/.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            # Only `.lock` and `.cache` may be there: nothing to clear, nothing of a person's.
            if not {".lock", ".cache"}.issuperset(os.listdir(self._skills)):
                return None
            if wanted is not None:
                return self._show_seen(wanted)
            return self._show_plain() or self._show_unseen()
        finally:
            os.close(held)

    def _show_seen(self, wanted: compiled.CompiledLock) -> int | None:
        """Have the store keep the set, look whether it has everything, then show it."""
        first = self._generation()
        # Told before it is asked: nothing is collected between the look and the link.
        if not first.keep(wanted.set) or not compiled.is_stored(wanted, self._store):
            return None
        self._show(first, wanted)
        return len(wanted.skills)

    def _show_plain(self) -> int | None:
        """Do what `_show_unseen` does where that takes nearly nothing, as mostly."""
        from spm import plain_texts
        from spm_store.first_set import FirstSet

        skills = plain_texts.read(self._texts["skills.toml"], self._texts["skills.lock"])
        usual = os.environ.get("SPM_DURABILITY", "batch") in {"batch", "strict", "none"}
        if skills is None or not usual or ":" in os.environ.get("SPM_STORE_PATH", ""):
            return None
        shown = [(name, version, tree) for name, version, _, tree in skills]
        first, making = self._generation(), FirstSet(self._store, shown, durable=self._durable)
        try:
            if not making.make(self._root) or not first.keep(making.digest):
                return None
            wanted = plain_texts.compiled_form(skills, making.digest)
            self._show(first, wanted)
        finally:
            making.close()
        compiled.write(self._known, wanted)
        return len(skills)

    def _show_unseen(self) -> int | None:
        """Have the store make the set, then show it, and remember the lock."""
        from spm.unseen import UnseenLock

        lock = UnseenLock.read(self._texts["skills.toml"], self._texts["skills.lock"])
        if lock is None:
            return None
        first = self._generation()
        with lock.shown(self._root) as wanted:
            if wanted is None or not first.keep(wanted.set):
                return None
            self._show(first, wanted)
        compiled.write(self._known, wanted)
        return len(wanted.skills)

    def _is_nested(self) -> bool:
        """Whether the store and the project contain each other."""
        one, other = os.path.realpath(self._root), os.path.realpath(self._store)
        return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")

    def _generation(self) -> FirstGeneration:
        from spm.first import FirstGeneration

        return FirstGeneration(self._root, self._store, durable=self._durable)

    def _show(self, first: FirstGeneration, wanted: compiled.CompiledLock) -> None:
        from time import gmtime, strftime

        now = strftime("%Y-%m-%dT%H:%M:%SZ", gmtime())
        index = wanted.index.replace(compiled.PENDING, now).encode()
        first.show(wanted, {**self._texts, "index.json": index})
