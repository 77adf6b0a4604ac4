"""Whoever keeps a tree is named, and nobody else."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spm_spec.digests import blob_digest
from spm_store.reasons import NotInStore, Reason
from spm_store.sets import Shown
from spm_store.shelves import shelve
from spm_store.store import Store
from tests.support.stored import COUNTER, GREETER

if TYPE_CHECKING:
    from spm_store.trees import StoredTree

DAY = 24 * 3600


@pytest.fixture
def tree(store: Store) -> StoredTree:
    return store.add(GREETER, name="greeter")


def keep(store: Store, place: Path, *trees: StoredTree, kind: str = "project") -> str:
    """Let the project show the trees in its generations 1 and 2; it is at 2."""
    with store.lease("installing") as lease:
        made = store.show([Shown(tree.name, "1.0.0", tree.digest) for tree in trees], lease)
        generations = {1: made.digest, 2: made.digest}
        store.keep(place, generations, kind="profile" if kind == "profile" else "project")
    folder = place / ".roundtable" / "skills"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".current").symlink_to(".generations/2")
    return made.digest


def test_a_project_keeps_what_its_generations_show(
    store: Store, tree: StoredTree, tmp_path: Path
) -> None:
    keep(store, tmp_path, tree)

    reasons = store.why(tree.digest)

    assert [(reason.generation, reason.current) for reason in reasons] == [(2, True), (1, False)]
    assert [str(reason) for reason in reasons] == [
        f"project `{tmp_path}`: generation 2, the current one, shows it as `greeter` 1.0.0",
        f"project `{tmp_path}`: generation 1, shows it as `greeter` 1.0.0",
    ]


def test_a_profile_keeps_what_it_shows(store: Store, tree: StoredTree, tmp_path: Path) -> None:
    keep(store, tmp_path, tree, kind="profile")

    reason = store.why(tree.digest)[0]

    assert (reason.root, reason.place, reason.current) == ("profile", tmp_path, True)


def test_a_lock_keeps_what_it_names(store: Store, tree: StoredTree, tmp_path: Path) -> None:
    keep(store, tmp_path)
    (tmp_path / "skills.lock").write_text(f'tree = "{tree.digest}"\n')

    reasons = store.why(tree.digest)

    assert reasons == (Reason("lock", tmp_path / "skills.lock", root="project"),)
    assert str(reasons[0]) == f"`{tmp_path / 'skills.lock'}` names it"


def test_a_lease_keeps_what_it_wants(store: Store, tree: StoredTree) -> None:
    with store.lease("running greeter") as lease:
        lease.want([tree.digest])

        reasons = store.why(tree.digest)

    assert reasons == (Reason("lease", Path(lease.path), purpose="running greeter"),)
    assert str(reasons[0]) == "somebody is working with it: running greeter"


def test_age_keeps_what_nothing_else_does(tmp_path: Path) -> None:
    now = time.time()
    with closing(Store(tmp_path / "v1", now=lambda: now)) as store:
        tree = store.add(GREETER, name="greeter")

        reasons = store.why(tree.digest)
        now += 8 * DAY
        later = store.why(tree.digest)

    assert [reason.kind for reason in reasons] == ["young"]
    assert reasons[0].until == int(now - 8 * DAY) + 7 * DAY
    assert str(reasons[0]) == ("nothing needs it; it is kept because it was needed not long ago")
    assert later == ()


def test_a_project_that_is_gone_keeps_nothing(
    store: Store, tree: StoredTree, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    keep(store, project, tree)
    project.rename(tmp_path / "moved")

    assert [reason.kind for reason in store.why(tree.digest)] == ["young"]


def test_nothing_keeps_a_tree_that_is_not_there(store: Store, tree: StoredTree) -> None:
    assert store.why(blob_digest(b"absent")) == ()


def test_a_path_stands_for_the_tree_it_leads_to(
    store: Store, tree: StoredTree, tmp_path: Path
) -> None:
    other = store.add(COUNTER, name="counter")
    keep(store, tmp_path, tree)
    expected = store.why(tree.digest)
    shelf = shelve(tree.path, "1.0.0")
    (tmp_path / "link").symlink_to(shelf)

    for path in (tree.path, tree.path / "src" / "skill.py", shelf, shelf / "1.0.0"):
        assert store.why(path) == expected
    assert store.why(tmp_path / "link" / "1.0.0" / "SKILL.md") == expected
    assert store.why(other.path) != expected


def test_a_private_copy_stands_for_what_it_was_copied_from(
    store: Store, tree: StoredTree, tmp_path: Path
) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / ".spm-copy").write_text(f"{tree.digest}\n")
    (tmp_path / "copy" / "SKILL.md").write_text("x")

    assert store.why(tmp_path / "copy" / "SKILL.md") == store.why(tree.digest)


def test_a_path_that_leads_to_no_tree_is_refused(store: Store, tmp_path: Path) -> None:
    store.add(GREETER, name="greeter")

    for path in (tmp_path, tmp_path / "absent", store.root, store.root / "trees", Path("/")):
        with pytest.raises(NotInStore) as refused:
            store.why(path)

        assert refused.value.message == (
            f"{path}: this leads to no tree of the store `{store.root}`"
        )
        assert refused.value.hint == "name a digest, or the path of an installed skill"


def test_a_path_into_another_store_is_refused(store: Store, tmp_path: Path) -> None:
    with Store.open(tmp_path / "other" / "v1") as other:
        tree = other.add(GREETER, name="greeter")

    with pytest.raises(NotInStore):
        store.why(tree.path)


def test_asking_changes_nothing(store: Store, tree: StoredTree, tmp_path: Path) -> None:
    keep(store, tmp_path, tree)
    before = sorted(os.fspath(path) for path in store.root.rglob("*"))

    store.why(tree.digest)

    assert sorted(os.fspath(path) for path in store.root.rglob("*")) == before
