"""Back to the generation before the one in view, with its skills.toml and skills.lock.

The texts are put back first and the view is switched last, so that the same command
finishes what was interrupted: texts of the earlier generation are not taken for edits.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spm.placing import Placing, Target
from spm.project import LOCK_NAME, MANIFEST_NAME, staged_text, writing
from spm.shown import version_text
from spm_spec.errors import EnvironmentFailure, UserMistake
from spm_store.generations import Generations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from spm.locking import Change
    from spm.project import Project
    from spm_spec.digests import Digest
    from spm_spec.lock import Lock, LockEntry
    from spm_store.generations import Generation
    from spm_store.leases import Lease
    from spm_store.store import Store

_NAMED = 3


class NoEarlierGeneration(UserMistake):
    """There is nothing to go back to."""

    def __init__(self, current: Generation | None) -> None:
        """Say which generation is in view, if any."""
        what = f"generation {current.number} is the oldest that is kept" if current else "none"
        super().__init__(
            f"there is no earlier generation to go back to: {what}"
            if current
            else "there is no earlier generation to go back to: nothing is installed",
            hint="`spm add`, `remove`, `update` and `install` make a generation when skills change",
        )


class EditedSince(UserMistake):
    """Going back would drop an edit of a person."""

    def __init__(self, names: Sequence[str], current: Generation, wanted: Generation) -> None:
        """Name the edited files."""
        files = " and ".join(f"`{name}`" for name in names)
        verb = "was" if len(names) == 1 else "were"
        super().__init__(
            f"{files} {verb} edited since generation {current.number} was installed",
            hint=f"keep a copy and use `--force`, which puts back that of generation"
            f" {wanted.number}",
        )
        self.names = tuple(names)


class GenerationIncomplete(EnvironmentFailure):
    """A generation that is kept can no longer be shown."""

    def __init__(self, generation: Generation, lacking: Sequence[str]) -> None:
        """Say what it lacks."""
        named = ", ".join(lacking[:_NAMED])
        more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
        super().__init__(
            f"generation {generation.number} needs {named}{more}, which is no longer there",
            hint=f"copy skills.toml and skills.lock from `{generation.path}` into the project"
            " and run `spm install --frozen`",
        )


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What a rollback did."""

    generation: int
    left: int
    """The generation that was in view before."""
    total: int
    changes: tuple[Change, ...]

    def as_document(self) -> dict[str, object]:
        """The JSON form that `spm rollback --json` prints."""
        return {
            "generation": self.generation,
            "left": self.left,
            "total": self.total,
            "changes": [change.as_document() for change in self.changes],
        }


def roll_back(project: Project, store: Store, *, force: bool = False) -> RolledBack:
    """Show the generation before the one in view; the caller holds `Project.exclusively`.

    Needs no network; every change of the disk goes through the store's `Disk`.

    Raises:
        NoEarlierGeneration: there is none.
        EditedSince: manifest or lock were edited; ``force`` drops the edit.
        NotOurs: something of the user's is in the way; ``force`` replaces it.
        GenerationIncomplete: the store lost a tree of it.
    """
    target = Target.of(project)
    generations = Generations(target.folder, store.disk, sync=store.durability != "none")
    current, wanted = _choice(generations)
    texts = {name: _document(wanted, name) for name in (MANIFEST_NAME, LOCK_NAME)}
    if not force:
        _refuse_edits(project, current, wanted)
    lock = _lock_of(wanted)
    _refuse_torn(wanted, lock)
    placing = Placing.looked_at(
        target, lock, "symlink" if wanted.is_linked else "copy", store, force=force
    )
    if not force:
        placing.links.refuse_in_view()
    with store.lease(f"rolling back {target.place}") as lease:
        trees = _needed_trees(placing, wanted, lease)
        with ExitStack() as staged:
            paths = {MANIFEST_NAME: project.manifest_path, LOCK_NAME: project.lock_path}
            puts = [
                staged.enter_context(staged_text(path, texts[name].decode(), store.disk))
                for name, path in paths.items()
                if not _has(path, texts[name])
            ]
            for put in puts:
                put()
            if puts and generations.sync:  # the texts are there when the switch is
                with writing(project.root):
                    store.disk.sync(str(project.root))
        with writing(target.folder):
            placing.show_again(wanted, lease, trees)
    return RolledBack(wanted.number, current.number, len(lock.entries), _changes(current, lock))


def _choice(generations: Generations) -> tuple[Generation, Generation]:
    """The generation in view, and the newest before it that is another."""
    current = generations.current()
    if current is None:
        raise NoEarlierGeneration(None)
    earlier = [
        each
        for each in generations.all()
        if each.number < current.number and not _is_same(each, current)
    ]
    if not earlier:
        raise NoEarlierGeneration(current)
    return current, earlier[-1]


def _is_same(one: Generation, other: Generation) -> bool:
    """Whether going from one to the other would change nothing, as after a rollback undone."""
    return (one.set, one.is_linked, one.document(LOCK_NAME)) == (
        other.set,
        other.is_linked,
        other.document(LOCK_NAME),
    )


def _document(generation: Generation, name: str) -> bytes:
    data = generation.document(name)
    if data is None:
        raise GenerationIncomplete(generation, [f"its `{name}`"])
    return data


def _lock_of(generation: Generation) -> Lock:
    from spm_spec.errors import SpmError
    from spm_spec.lock import parse_lock

    text = _document(generation, LOCK_NAME).decode(errors="replace")
    try:
        return parse_lock(text, origin=f"{generation.path}/{LOCK_NAME}")
    except SpmError as error:
        raise GenerationIncomplete(generation, [f"its `{LOCK_NAME}` as it was"]) from error


def _refuse_torn(generation: Generation, lock: Lock) -> None:
    """Refuse a manifest that is not the one its lock was made from, as a power cut leaves it."""
    from spm_spec.errors import SpmError
    from spm_spec.manifest import parse_manifest

    text = _document(generation, MANIFEST_NAME).decode(errors="replace")
    try:
        torn = not lock.matches(parse_manifest(text, origin=f"{generation.path}/{MANIFEST_NAME}"))
    except SpmError:
        torn = True
    if torn:
        raise GenerationIncomplete(generation, [f"its `{MANIFEST_NAME}` as it was"])


def _refuse_edits(project: Project, current: Generation, wanted: Generation) -> None:
    paths = {MANIFEST_NAME: project.manifest_path, LOCK_NAME: project.lock_path}
    edited = [
        name
        for name, path in paths.items()
        if path.exists()
        and path.read_bytes() not in (current.document(name), wanted.document(name))
    ]
    if edited:
        raise EditedSince(edited, current, wanted)


def _needed_trees(placing: Placing, wanted: Generation, lease: Lease) -> Mapping[Digest, Path]:
    """Where the trees stand that showing ``wanted`` needs from the store."""
    entries: Sequence[LockEntry] = placing.links.lacking()
    lease.want([entry.tree for entry in entries])
    trees = placing.store.paths_of([entry.tree for entry in entries])
    lacking = [
        f"`{entry.name}` {version_text(entry)}" for entry in entries if entry.tree not in trees
    ]
    if lacking:
        raise GenerationIncomplete(wanted, lacking)
    return trees


def _has(path: Path, text: bytes) -> bool:
    return path.exists() and path.read_bytes() == text


def _changes(before: Generation, after: Lock) -> tuple[Change, ...]:
    from spm.locking import changes_between

    try:
        return changes_between(_lock_of(before), after)
    except GenerationIncomplete:
        return ()
