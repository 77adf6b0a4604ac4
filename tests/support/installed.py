"""Projects that show skills of a store, installed without a program, a lock file or a network.

``install`` does in order what `spm install` does: want, look, add, show, keep, switch, texts.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from spm_spec.tree import FileEntry, build_tree
from spm_store.durable import Disk
from spm_store.generations import INDEX, Generations
from spm_store.leases import Lease
from spm_store.sets import Shown, read_set
from spm_store.trees import damage_of

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    from spm_spec.digests import Digest
    from spm_store.generations import Generation
    from spm_store.store import Store

MANIFEST, LOCK = "skills.toml", "skills.lock"
SKILLS = ".roundtable/skills"


class Skill(NamedTuple):
    """One version of a skill."""

    name: str
    version: str
    files: tuple[FileEntry, ...]

    @property
    def digest(self) -> Digest:
        """Of its tree."""
        return build_tree(self.files).digest


def skill(name: str, version: str = "1.0.0", *, files: int = 2) -> Skill:
    """Return a small skill; one of its files it shares with every other."""
    text = f"---\nname: {name}\ndescription: Of version {version}.\n---\n".encode()
    more = [FileEntry(f"data/{n}", b"%d of %s" % (n, text)) for n in range(files)]
    shared = FileEntry("run.sh", b"#!/bin/sh\necho hello\n", executable=True)
    return Skill(name, version, (FileEntry("SKILL.md", text), shared, *more))


@contextmanager
def held(project: Path) -> Generator[None]:
    """Hold the project against everyone else who would change it."""
    (project / SKILLS).mkdir(parents=True, exist_ok=True)
    descriptor = os.open(project / SKILLS / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def install(store: Store, project: Path, skills: Sequence[Skill], disk: Disk | None = None) -> None:
    """Make the project show exactly ``skills``; the caller holds it."""
    disk = disk or Disk()
    root = os.fspath(store.root)
    digests = [one.digest for one in skills]
    with Lease(root, disk, purpose=f"installing {project}") as lease:
        lease.want(digests)
        present = store.paths_of(digests)
        with store.transaction() as transaction:
            for one in skills:
                if one.digest not in present:
                    transaction.add(one.files, name=one.name)
        shown = [Shown(one.name, one.version, one.digest) for one in skills]
        made = store.show(shown, lease)
        generations = generations_of(store, project, disk)
        new = generations.prepare(
            os.fspath(made.path), documents_of(skills), set_digest=made.digest
        )
        keep(store, project, (*generations.all(), new))
        generations.switch(new, [one.name for one in skills])
        put_texts(project, new, disk)
        keep(store, project, generations.prune())


def roll_back(store: Store, project: Path, disk: Disk | None = None) -> bool:
    """Show the previous generation again; False if there is none."""
    disk = disk or Disk()
    generations = generations_of(store, project, disk)
    current = generations.current()
    older = [one for one in generations.all() if current and one.number < current.number]
    if not older:
        return False
    generations.switch(older[-1], sorted(listed(older[-1])))
    put_texts(project, older[-1], disk)
    return True


def generations_of(store: Store, project: Path, disk: Disk | None = None) -> Generations:
    """Return the project's generations."""
    return Generations(project / SKILLS, disk, sync=store.durability != "none")


def keep(store: Store, project: Path, generations: Sequence[Generation]) -> None:
    """Keep in the store what the generations show."""
    store.keep(project, {one.number: one.set for one in generations if one.set})


def documents_of(skills: Sequence[Skill]) -> Mapping[str, bytes]:
    """Return the documents of a generation that shows ``skills``."""
    trees = {one.name: str(one.digest) for one in skills}
    versions = {one.name: one.version for one in skills}
    return {
        INDEX: json.dumps(versions).encode(),
        LOCK: "".join(f"{name} {tree}\n" for name, tree in sorted(trees.items())).encode(),
        MANIFEST: "".join(f"{name}\n" for name in sorted(trees)).encode(),
    }


def put_texts(project: Path, generation: Generation, disk: Disk) -> None:
    """Make the project's texts those of ``generation``."""
    for name in (MANIFEST, LOCK):
        data, new = generation.document(name) or b"", f"{project}/.{name}.new"
        if os.path.lexists(new):
            disk.remove_file(new)
        disk.write_file(new, data, 0o644)
        disk.move(new, f"{project}/{name}")


def listed(generation: Generation) -> dict[str, str]:
    """Return name and version of what a generation's index lists."""
    found: dict[str, str] = json.loads(generation.document(INDEX) or b"{}")
    return found


def view_of(project: Path) -> dict[str, str] | None:
    """Return name and version of what the project shows; None before the first install."""
    generation = Generations(project / SKILLS).current()
    return None if generation is None else listed(generation)


def wrong_in_view(root: Path, project: Path) -> list[str]:
    """Return why the project does not show one whole generation; empty if it does.

    Each skill is found at its place and hashed, and index and set say the same. The texts
    beside the skills follow after the switch, and are not looked at.
    """
    folder = project / SKILLS
    generation = Generations(folder).current()
    if generation is None:
        return []
    try:
        versions = listed(generation)
        shown = {one.name: one for one in read_set(os.fspath(root), generation.set)}
        wrong: list[str] = []
        if {name: one.version for name, one in shown.items()} != versions:
            wrong.append(f"generation {generation.number}: index and set differ")
        if (folder / INDEX).read_bytes() != generation.document(INDEX):
            wrong.append("the index is not that of the generation in view")
        for one in shown.values():
            damage = damage_of(os.path.realpath(folder / one.name / one.version), one.tree)
            if damage is not None:
                wrong.append(f"generation {generation.number}: {one.name}: {damage}")
    except (OSError, ValueError) as error:
        wrong = [f"generation {generation.number}: {error}"]
    return wrong


def wrong_in_texts(project: Path) -> list[str]:
    """Return which texts are not those of the generation in view, and what stands about."""
    generation = Generations(project / SKILLS).current()
    if generation is None:
        return []
    names = set(listed(generation)) | {INDEX}
    about = {path.name for path in (project / SKILLS).iterdir() if path.name[0] != "."} - names
    texts = [name for name in (MANIFEST, LOCK) if not _is_text(project / name, generation)]
    return [f"`{name}` is not that of the generation" for name in texts] + [
        f"a stray: {name}" for name in sorted(about)
    ]


def _is_text(path: Path, generation: Generation) -> bool:
    return path.exists() and path.read_bytes() == generation.document(path.name)
