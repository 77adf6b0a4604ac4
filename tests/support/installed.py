"""Projects that show skills of a store, installed by the program without a network.

``install`` and ``roll_back`` are what `spm install` and `spm rollback` do, with the program's
own parts and every change of the disk through the store's `Disk`; only what a registry would
have sent is at hand. Beside the skills stands what is the user's own, and must stay.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from spm.placing import Placing, Target
from spm.project import LOCK_NAME, MANIFEST_NAME, Project, remove_leftovers, staged_text, writing
from spm.rollback import NoEarlierGeneration
from spm.rollback import roll_back as program_rolls_back
from spm_spec.installed import parse_installed
from spm_spec.lock import Lock, LockEntry, render_lock
from spm_spec.manifest import parse_manifest
from spm_spec.sources import RegistrySource
from spm_spec.tree import FileEntry, build_tree
from spm_spec.versions import Version
from spm_store.copies import copied_digest, is_changed
from spm_store.generations import INDEX, Generations
from spm_store.sets import read_set
from spm_store.trees import damage_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from spm_spec.digests import Digest
    from spm_spec.installed import InstalledSkill
    from spm_spec.manifest import LinkMode
    from spm_store.generations import Generation
    from spm_store.store import Store

SKILLS = ".roundtable/skills"
OF_THE_USER = {
    "notes.txt": b"mine",
    f"{SKILLS}/mine/SKILL.md": b"a skill that spm did not put here",
}
"""Files of a project that are the user's own."""
_NAMES_OF_THE_USER = {"mine"}
EDITED = "edited"
"""A skill whose private copy a user edits."""
_REGISTRY = RegistrySource("https://skills.example.org")
_NOW = "2026-11-23T10:00:00Z"


class Skill(NamedTuple):
    """One version of a skill."""

    name: str
    version: str
    files: tuple[FileEntry, ...]

    @property
    def digest(self) -> Digest:
        """Of its tree."""
        return _digest_of(self.files)


@cache
def _digest_of(files: tuple[FileEntry, ...]) -> Digest:
    return build_tree(files).digest


def skill(name: str, version: str = "1.0.0", *, files: int = 2) -> Skill:
    """Return a small skill; one of its files it shares with every other."""
    text = f"---\nname: {name}\ndescription: Of version {version}.\n---\n".encode()
    more = [FileEntry(f"data/{n}", b"%d of %s" % (n, text)) for n in range(files)]
    shared = FileEntry("run.sh", b"#!/bin/sh\necho hello\n", executable=True)
    return Skill(name, version, (FileEntry("SKILL.md", text), shared, *more))


@contextmanager
def held(project: Path) -> Generator[None]:
    """Hold the project against everyone else who would change it, and clear it, as spm does."""
    if not (project / SKILLS).is_dir():
        (project / SKILLS).mkdir(parents=True)
    descriptor = os.open(project / SKILLS / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for name in (MANIFEST_NAME, LOCK_NAME):
            remove_leftovers(project / name)
        Generations(project / SKILLS).clear()
        yield
    finally:
        os.close(descriptor)


def install(
    store: Store,
    project: Path,
    skills: Sequence[Skill],
    mode: LinkMode = "symlink",
    *,
    force: bool = False,
) -> None:
    """Make the project ask for, lock and show exactly ``skills``; the caller holds it."""
    found = Project(project)
    lock, texts = _asked(tuple(skills))
    placing = Placing.of(Target.of(found), lock, mode, store, force=force)
    paths = {MANIFEST_NAME: found.manifest_path, LOCK_NAME: found.lock_path}
    with ExitStack() as staged:
        puts = [
            staged.enter_context(staged_text(path, texts[name].decode(), store.disk))
            for name, path in paths.items()
            if not path.exists() or path.read_bytes() != texts[name]
        ]
        with store.lease(f"installing into {project}") as lease:
            digests = [one.digest for one in skills]
            lease.want(digests)
            _bring(store, skills)
            with writing(found.skills_folder):
                placing.show(lease, store.paths_of(digests), texts, _NOW)
        for put in puts:
            put()
    store.sweep()


def _bring(store: Store, skills: Sequence[Skill]) -> None:
    """Add what the store has not, as if it were fetched."""
    present = store.paths_of([one.digest for one in skills])
    missing = [one for one in skills if one.digest not in present]
    if missing:
        with store.transaction() as transaction:
            for one in missing:
                transaction.add(one.files, name=one.name, version=one.version, expected=one.digest)


def roll_back(store: Store, project: Path, *, force: bool = False) -> bool:
    """Show the previous generation again; False if there is none."""
    try:
        program_rolls_back(Project(project), store, force=force)
    except NoEarlierGeneration:
        return False
    return True


@cache
def _asked(skills: tuple[Skill, ...]) -> tuple[Lock, dict[str, bytes]]:
    """Return the lock of ``skills``, and the texts of manifest and lock."""
    ordered = sorted(skills)
    manifest = "[skills]\n" + "".join(f'{one.name} = "{one.version}"\n' for one in ordered)
    entries = [
        LockEntry(one.name, Version.parse(one.version), _REGISTRY, one.digest, "0" * 64, 1)
        for one in ordered
    ]
    lock = Lock(parse_manifest(manifest).requirement_lines(), entries=tuple(entries))
    return lock, {MANIFEST_NAME: manifest.encode(), LOCK_NAME: render_lock(lock).encode()}


def listed(generation: Generation) -> dict[str, InstalledSkill]:
    """Return what a generation's index lists, by name."""
    text = (generation.document(INDEX) or b"").decode()
    return {one.name: one for one in parse_installed(text, origin=INDEX).skills}


def view_of(project: Path) -> dict[str, str] | None:
    """Return name and version of what the project shows; None before the first install."""
    generation = Generations(project / SKILLS).current()
    if generation is None:
        return None
    return {name: one.version for name, one in listed(generation).items()}


def wrong_in_view(root: Path, project: Path) -> list[str]:
    """Return why the project does not show one whole generation; empty if it does.

    Each skill is found at its place and hashed, and index and set say the same. The texts
    beside the skills follow after the switch, and are not looked at. A copy that a user
    edited is theirs.
    """
    folder = project / SKILLS
    generation = Generations(folder).current()
    if generation is None:
        return []
    try:
        wrong = _wrong_in_generation(root, folder, generation)
    except (OSError, ValueError) as error:
        wrong = [str(error)]
    return [f"generation {generation.number}: {one}" for one in wrong]


def _wrong_in_generation(root: Path, folder: Path, generation: Generation) -> list[str]:
    index, wrong = listed(generation), list[str]()
    shown = {one.name: one for one in read_set(os.fspath(root), generation.set)}
    said = {name: (one.version, one.checksum) for name, one in index.items()}
    if {name: (one.version, str(one.tree)) for name, one in shown.items()} != said:
        wrong.append("index and set differ")
    if (folder / INDEX).read_bytes() != generation.document(INDEX):
        wrong.append("the index is not that of the generation in view")
    for one in shown.values():
        place = os.path.realpath(folder / one.name / one.version)
        if generation.is_linked:
            damage = damage_of(place, one.tree)
        elif copied_digest(place) != one.tree.hex:
            damage = "no copy of its tree"
        else:
            damage = "a torn copy" if one.name != EDITED and is_changed(place) else None
        if damage is not None:
            wrong.append(f"{one.name}: {damage}")
    return wrong


def edit_copy(project: Path) -> None:
    """Edit a private copy, as a user may."""
    (project / SKILLS / EDITED / "1.0.0" / "SKILL.md").write_bytes(b"edited")


def make_users(project: Path) -> None:
    """Put down what is the user's own."""
    for name, data in OF_THE_USER.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_bytes(data)


def wrong_in_users(project: Path, *, edited: bool = False) -> list[str]:
    """Return what is no longer as the user left it."""
    theirs = {**OF_THE_USER}
    if edited:
        theirs[f"{SKILLS}/{EDITED}/1.0.0/SKILL.md"] = b"edited"
    return [
        f"`{name}` of the user is not as it was"
        for name, data in theirs.items()
        if not (project / name).is_file() or (project / name).read_bytes() != data
    ]


def wrong_in_texts(project: Path) -> list[str]:
    """Return which texts are not those of the generation in view."""
    generation = Generations(project / SKILLS).current()
    if generation is None:
        return []
    return [
        f"`{name}` is not that of the generation"
        for name in (MANIFEST_NAME, LOCK_NAME)
        if not _is_text(project / name, generation)
    ]


def strays_in(project: Path) -> list[str]:
    """Return what stands about that is neither in view nor the user's."""
    folder = project / SKILLS
    known = {*(view_of(project) or {}), INDEX, *_NAMES_OF_THE_USER}
    about = {path.name for path in folder.glob("[!.]*")} - known
    half = {path.name for path in (*project.glob(".*.new"), *folder.rglob(".*.spm-*"))}
    half |= {path.name for path in (folder / ".next", folder / ".back") if os.path.lexists(path)}
    return [f"a stray: {name}" for name in sorted(about | half)]


def _is_text(path: Path, generation: Generation) -> bool:
    return path.exists() and path.read_bytes() == generation.document(path.name)
