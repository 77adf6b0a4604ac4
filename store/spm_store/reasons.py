"""Why a tree is in the store: everything that would have to go before it may."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from spm_spec.digests import DIGEST_BYTES, DIGEST_PREFIX, Digest, InvalidDigest
from spm_spec.errors import UserMistake
from spm_store.collected import GRACE
from spm_store.errors import storing
from spm_store.leases import WORK_FOLDER, live_leases
from spm_store.locks import gc_lock
from spm_store.marking import PROJECT_LOCK, digests_in
from spm_store.presence import Lookout
from spm_store.roots import all_roots
from spm_store.sets import read_set

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from spm_store.catalogue import Catalogue
    from spm_store.leases import LiveLease
    from spm_store.roots import Root

ReasonKind: TypeAlias = Literal["generation", "lock", "lease", "young"]

_DIGITS = 2 * DIGEST_BYTES
_FOLDERS = frozenset({"trees", "shelves"})
_MARKER, _MARKER_BYTES = ".spm-copy", 128
_SKILLS = ".roundtable/skills"


class NotInStore(UserMistake):
    """What was asked about is no tree of this store, nor a path into one."""

    def __init__(self, what: str | Path, root: str | Path) -> None:
        """Name it and the store."""
        super().__init__(
            f"{what}: this leads to no tree of the store `{root}`",
            hint="name a digest, or the path of an installed skill",
        )


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that keeps a tree."""

    kind: ReasonKind
    """``generation``: a project or profile shows it; ``lock``: a project's lock names it;
    ``lease``: a process works with it; ``young``: nothing else keeps it, but not for long."""
    place: Path
    """The project, the lock, the lease or the tree."""
    root: Literal["project", "profile"] | None = None
    generation: int | None = None
    current: bool = False
    """Whether the generation is the one that is shown now."""
    name: str = ""
    """As what the generation shows the tree."""
    version: str = ""
    purpose: str = ""
    """Of a lease."""
    until: float | None = None
    """How long it is kept for its age, in seconds since 1970."""

    def __str__(self) -> str:
        """Return the reason in words."""
        if self.kind == "generation":
            current = ", the current one" if self.current else ""
            shown = f"shows it as `{self.name}` {self.version}"
            return f"{self.root} `{self.place}`: generation {self.generation}{current}, {shown}"
        if self.kind == "lock":
            return f"`{self.place}` names it"
        if self.kind == "lease":
            return f"somebody is working with it: {self.purpose}"
        return "nothing needs it; it is kept because it was needed not long ago"


def reasons(store: Catalogue, what: Digest | Path, *, max_age: float = GRACE) -> tuple[Reason, ...]:
    """Return what keeps the tree ``what``, projects first; see ``Store.why``."""
    digest = what if isinstance(what, Digest) else digest_at(store, what)
    with storing(store.root):
        found = [
            reason
            for root in all_roots(os.fspath(store.root))
            for reason in _reasons_of_root(store, root, digest)
        ]
        found += [
            Reason("lease", Path(lease.path), purpose=lease.purpose)
            for lease in _leases(store)
            if digest.raw in lease.wants
        ]
        return tuple(found or _age(store, digest, max_age))


def digest_at(store: Catalogue, path: Path) -> Digest:
    """Return the digest of the tree that ``path`` is, is in, or leads to.

    Raises:
        NotInStore: it is none of them.

    """
    real = Path(os.path.realpath(path))
    stores = {os.path.realpath(root) for root in (store.root, *store.lower)}
    for folder in (real, *real.parents):
        found = _digest_of_folder(folder, stores) or _digest_of_copy(folder)
        if found is not None:
            return found
    raise NotInStore(path, store.root)


def _digest_of_folder(folder: Path, stores: Collection[str]) -> Digest | None:
    """Return the digest of a tree or shelf of one of the stores."""
    above, name = folder.parent, folder.name
    if above.name not in _FOLDERS or os.fspath(above.parent) not in stores:
        return None
    try:
        return Digest.parse(DIGEST_PREFIX + name[:_DIGITS])
    except InvalidDigest:
        return None


def _digest_of_copy(folder: Path) -> Digest | None:
    """Return what a private copy says it was copied from."""
    try:
        with open(folder / _MARKER, encoding="ascii") as marker:
            return Digest.parse(marker.read(_MARKER_BYTES).strip())
    except (OSError, UnicodeDecodeError, InvalidDigest):
        return None


def _reasons_of_root(store: Catalogue, root: Root, digest: Digest) -> Iterator[Reason]:
    presence = Lookout().presence(root)[0]
    if presence == "gone":
        return
    current = _current_generation(root)
    for number, name in sorted(root.generations.items(), reverse=True):
        try:
            shown = read_set(os.fspath(store.root), name)
        except (OSError, ValueError):
            continue  # the next collection says so, and stops
        for skill in shown:
            if skill.tree == digest:
                yield Reason(
                    "generation",
                    root.place,
                    root=root.kind,
                    generation=number,
                    current=number == current,
                    name=skill.name,
                    version=skill.version,
                )
    lock = root.place / PROJECT_LOCK
    try:
        named = digests_in(os.fspath(lock))
    except (OSError, ValueError):
        return
    if digest.raw in named:
        yield Reason("lock", lock, root=root.kind)


def _current_generation(root: Root) -> int | None:
    """Return which generation the project shows, None if nobody can say."""
    try:
        number = os.path.basename(os.readlink(root.place / _SKILLS / ".current"))
    except OSError:
        return None
    return int(number) if number.isascii() and number.isdecimal() else None


def _leases(store: Catalogue) -> tuple[LiveLease, ...]:
    """Return who is at work; where we may not take the lock, as far as it can be seen."""
    root = os.fspath(store.root)
    if not os.path.isdir(f"{root}/{WORK_FOLDER}"):
        return ()
    try:
        with gc_lock(root, exclusive=True):
            return _live(store)
    except PermissionError:
        return _live(store)


def _age(store: Catalogue, digest: Digest, max_age: float) -> list[Reason]:
    rows = store.index.rows([digest.raw])
    now = store.now()
    return [
        Reason("young", store.tree_path(digest, row.name), until=min(row.used, now) + max_age)
        for row in rows
        if now - min(row.used, now) < max_age
    ]


def _live(store: Catalogue) -> tuple[LiveLease, ...]:
    root = os.fspath(store.root)
    return live_leases(root, boot=store.boot, mount_table=store.mount_table, now=store.now)
