"""What nothing needs is removed, and nothing else; when in doubt, nothing at all."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from spm_spec.tree import FileEntry
from spm_store.collected import RemovedTree, Terms
from spm_store.collection import Collector
from spm_store.durable import Disk
from spm_store.errors import (
    IndexDamaged,
    LeaseUnreadable,
    RootUnreadable,
    SetDamaged,
    StoreFailure,
)
from spm_store.locks import gc_lock
from spm_store.presence import Lookout
from spm_store.roots import root_path
from spm_store.sets import Shown
from spm_store.shelves import shelf_path, shelve
from spm_store.store import Store
from tests.support.stored import COUNTER, GREETER, contents, names

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from spm_store.collected import Collection
    from spm_store.sets import ShownSet
    from spm_store.trees import StoredTree

DAY = 24 * 3600
LARGE = (FileEntry("SKILL.md", b"large\n"), FileEntry("data", b"\0" * 100_000))


class Clock:
    """The time, which tests move."""

    def __init__(self) -> None:
        self.time = time.time()

    def __call__(self) -> float:
        return self.time

    def forward(self, days: float) -> None:
        self.time += days * DAY


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with closing(Store(tmp_path / "store" / "v1", durability="none", now=clock)) as opened:
        yield opened


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def install(store: Store, project: Path, *trees: StoredTree, number: int = 1) -> ShownSet:
    """Let the project show the trees, as an install does."""
    with store.lease("installing") as lease:
        lease.want([tree.digest for tree in trees])
        made = store.show([Shown(tree.name, "1.0.0", tree.digest) for tree in trees], lease)
        store.keep(project, {number: made.digest})
    return made


def state(store: Store) -> tuple[object, object]:
    """Return every file of the store and every row; what SQLite keeps beside is no part."""
    files = contents(store.root)
    rows = store.index.all_rows()
    return {path: what for path, what in files.items() if "index.sqlite" not in path}, rows


def blobs(store: Store) -> list[str]:
    return sorted(path.name for path in (store.root / "blobs").glob("*/*"))


def removed(report: Collection) -> list[str]:
    return [tree.name for tree in report.removed]


# What is removed.


def test_a_tree_nothing_needs_goes_with_its_row_its_shelf_and_its_blobs(
    store: Store, clock: Clock
) -> None:
    tree = store.add(GREETER, name="greeter")
    shelve(tree.path, "1.0.0")
    used = int(clock.time)
    clock.forward(7.1)

    report = store.collect()

    assert report.removed == (RemovedTree("greeter", tree.digest, tree.size, used),)
    assert (report.freed, report.blobs) == (tree.size, 3)
    assert (report.needed, report.young, report.stopped, report.skipped) == (0, 0, False, False)
    assert store.get(tree.digest) is None
    assert [names(store.root / kind) for kind in ("trees", "shelves", "trash", "tmp")] == [[]] * 4
    assert blobs(store) == []


def test_a_tree_is_kept_until_it_is_old_enough(store: Store, clock: Clock) -> None:
    tree = store.add(GREETER, name="greeter")
    used = int(clock.time)
    clock.forward(6.9)

    report = store.collect()

    assert report.removed == ()
    assert (report.young, report.young_until) == (1, used + 7 * DAY)
    store.verified(tree.digest)


def test_max_age_zero_keeps_nothing_for_its_age(store: Store) -> None:
    store.add(GREETER, name="greeter")

    assert removed(store.collect(max_age=0)) == ["greeter"]


def test_a_blob_that_another_tree_needs_stays(store: Store, clock: Clock, project: Path) -> None:
    greeter, counter = store.add(GREETER, name="greeter"), store.add(COUNTER, name="counter")
    install(store, project, counter)
    clock.forward(8)

    report = store.collect()

    assert removed(report) == ["greeter"]
    assert report.freed == greeter.size - len(GREETER[3].data)
    assert store.verify() == ()
    store.verified(counter.digest)


def test_those_unused_longest_go_first_until_the_store_is_small_enough(
    store: Store, clock: Clock
) -> None:
    for number in range(4):
        store.add([FileEntry("SKILL.md", b"%d" % number * 1000)], name=f"skill-{number}")
        clock.forward(1)
    clock.forward(8)

    report = store.collect(keep_bytes=2000)

    assert removed(report) == ["skill-0", "skill-1"]
    assert report.freed == 2000
    assert [tree.name for tree in store.trees()] == ["skill-2", "skill-3"]


def test_a_small_store_loses_nothing_and_needed_trees_stay_in_a_large_one(
    store: Store, clock: Clock, project: Path
) -> None:
    store.add(GREETER, name="greeter")
    install(store, project, store.add(LARGE, name="large"))
    clock.forward(8)

    assert store.collect(keep_bytes=10**9).removed == ()
    assert removed(store.collect(keep_bytes=0)) == ["greeter"]


def test_what_killed_processes_left_goes_once_it_is_old(
    store: Store, clock: Clock, project: Path
) -> None:
    greeter, counter = store.add(GREETER, name="greeter"), store.add(COUNTER, name="counter")
    install(store, project, greeter)
    made = install(store, project, counter)
    (store.root / "trees" / f"{'0' * 64}-left").mkdir()
    (store.root / "shelves" / f"{'1' * 64}-left").mkdir()
    (store.root / "blobs" / "2").mkdir(exist_ok=True)
    (store.root / "blobs" / "2" / ("2" * 64)).write_bytes(b"left over")
    (store.root / "roots" / f".new-{'3' * 32}").write_bytes(b"half")
    (store.root / "trash" / "something").mkdir()
    (store.root / "trash" / "something" / "inside").write_bytes(b"")
    clock.forward(8)

    report = store.collect()

    assert removed(report) == ["greeter"]
    assert report.leftovers == 3
    assert names(store.root / "sets") == [made.digest]
    assert names(store.root / "trees") == [counter.path.name]
    assert names(store.root / "shelves") == [counter.path.name]
    assert len(names(store.root / "roots")) == 1
    assert names(store.root / "trash") == []
    assert "2" * 64 not in blobs(store)


def test_leftovers_that_are_young_stay(store: Store, project: Path) -> None:
    greeter, counter = store.add(GREETER, name="greeter"), store.add(COUNTER, name="counter")
    old = install(store, project, greeter)
    new = install(store, project, counter)
    (store.root / "trees" / f"{'0' * 64}-left").mkdir()

    report = store.collect()

    assert report.leftovers == 0
    assert names(store.root / "sets") == sorted([old.digest, new.digest])
    assert len(names(store.root / "shelves")) == 2
    assert len(names(store.root / "trees")) == 3


def test_what_the_store_never_makes_is_left_alone(store: Store, clock: Clock) -> None:
    store.add(GREETER, name="greeter")
    for foreign in ("trees/README", "sets/mine", "shelves/mine", "blobs/mine", "blobs/0/mine"):
        (store.root / foreign).parent.mkdir(exist_ok=True)
        (store.root / foreign).write_text("mine")
    clock.forward(8)

    report = store.collect()

    assert report.leftovers == 0
    assert (store.root / "trees/README").read_text() == "mine"
    assert (store.root / "sets/mine").read_text() == "mine"
    assert (store.root / "shelves/mine").read_text() == "mine"
    assert (store.root / "blobs/mine").read_text() == "mine"
    assert (store.root / "blobs/0/mine").read_text() == "mine"


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with Store.open(tmp_path / "none" / "v1") as store:
        assert store.collect().removed == ()

    assert not (tmp_path / "none").exists()


# What keeps.


def test_what_a_project_shows_is_needed_in_every_generation(
    store: Store, clock: Clock, project: Path
) -> None:
    greeter, counter = store.add(GREETER, name="greeter"), store.add(COUNTER, name="counter")
    first, second = install(store, project, greeter), install(store, project, counter)
    store.keep(project, {1: first.digest, 2: second.digest})
    clock.forward(30)

    report = store.collect(max_age=0)

    assert (report.removed, report.needed) == ((), 2)
    assert names(store.root / "sets") == sorted([first.digest, second.digest])
    assert {row.used for row in store.index.all_rows()} == {int(clock.time)}


def test_what_a_lock_names_is_needed_even_if_it_is_not_installed(
    store: Store, clock: Clock, project: Path
) -> None:
    """A conflict or a newer version of the format makes no difference."""
    greeter, counter = store.add(GREETER, name="greeter"), store.add(COUNTER, name="counter")
    install(store, project, greeter)
    text = f'version = 99\n<<<<<<< ours\ntree = "{counter.digest}"\n=======\n'
    (project / "skills.lock").write_text(text)
    clock.forward(30)

    assert store.collect(max_age=0).removed == ()


def test_a_lock_that_cannot_be_read_is_named_and_keeps_what_was_installed(
    store: Store, clock: Clock, project: Path
) -> None:
    greeter = store.add(GREETER, name="greeter")
    store.add(COUNTER, name="counter")
    install(store, project, greeter)
    (project / "skills.lock").mkdir()
    clock.forward(30)

    report = store.collect()

    assert removed(report) == ["counter"]
    assert report.out_of_reach == ((project / "skills.lock", "is a directory"),)
    store.verified(greeter.digest)


def test_what_a_process_works_with_is_needed(store: Store, clock: Clock) -> None:
    greeter, counter = store.add(GREETER, name="greeter"), store.add(COUNTER, name="counter")
    clock.forward(30)

    with store.lease("running greeter") as lease:
        lease.want([greeter.digest])

        assert removed(store.collect(max_age=0)) == ["counter"]
    assert removed(store.collect(max_age=0)) == ["greeter"]
    assert store.get(counter.digest) is None


def test_a_set_that_is_being_installed_is_needed(store: Store, clock: Clock, project: Path) -> None:
    tree = store.add(GREETER, name="greeter")
    old = install(store, project, tree)
    store.forget(project)
    clock.forward(30)

    with store.lease("installing") as lease:
        made = store.show([Shown("greeter", "1.0.0", tree.digest)], lease)
        store.collect(max_age=0)
        store.keep(project, {2: made.digest})

    assert made == old
    assert (made.path / "greeter" / "1.0.0" / "SKILL.md").is_file()


def test_a_tree_that_becomes_wanted_after_marking_is_saved(store: Store, clock: Clock) -> None:
    greeter, counter = store.add(GREETER, name="greeter"), store.add(COUNTER, name="counter")
    clock.forward(30)
    lease = store.lease("late")

    def want(path: str) -> bool:  # is asked between marking and removing
        if path == os.fspath(greeter.path):
            lease.want([greeter.digest])
        return True

    report = Collector(store, Terms(), may_remove=want).run()
    lease.close()

    assert removed(report) == ["counter"]
    store.verified(greeter.digest)
    assert store.get(counter.digest) is None


def test_a_project_installed_after_marking_keeps_its_trees(
    store: Store, clock: Clock, project: Path
) -> None:
    greeter = store.add(GREETER, name="greeter")
    clock.forward(30)

    def install_now(path: str) -> bool:
        if path == os.fspath(greeter.path) and not store.roots():
            install(store, project, greeter)
        return True

    report = Collector(store, Terms(), may_remove=install_now).run()

    assert report.removed == ()
    store.verified(greeter.digest)


def test_a_tree_used_after_marking_is_saved(store: Store, clock: Clock) -> None:
    tree = store.add(GREETER, name="greeter")
    clock.forward(30)

    def use(_: str) -> bool:
        store.index.mark_used([tree.digest.raw], clock.time)
        return True

    assert Collector(store, Terms(), may_remove=use).run().removed == ()


def test_whoever_wants_a_tree_while_it_is_removed_waits_and_finds_it_missing(
    store: Store, clock: Clock
) -> None:
    tree = store.add(GREETER, name="greeter")
    found: list[object] = []
    waited: list[bool] = []

    def want() -> None:
        with Store.open(store.root) as other, other.lease("wanting") as lease:
            lease.want([tree.digest])
            found.append(other.get(tree.digest))
            other.add(GREETER, name="greeter")

    thread = Thread(target=want)

    class Watched(Disk):
        def move(self, source: str, target: str) -> None:
            if source == os.fspath(tree.path):
                thread.start()
                thread.join(0.05)  # it waits for the lock; if it did not, it would be done
                waited.append(thread.is_alive())
            super().move(source, target)

    clock.forward(30)
    with closing(Store(store.root, durability="none", now=clock, disk=Watched())) as collecting:
        report = collecting.collect()
    thread.join()

    assert waited == [True]
    assert found == [None]
    assert removed(report) == ["greeter"]
    store.verified(tree.digest)


# Projects that go.


def test_a_deleted_project_is_noticed_and_its_trees_age_from_then(
    store: Store, clock: Clock, project: Path
) -> None:
    tree = store.add(GREETER, name="greeter")
    made = install(store, project, tree)
    clock.forward(30)
    project.rmdir()

    first = store.collect()
    clock.forward(6)
    second = store.collect()
    clock.forward(2)
    third = store.collect()

    assert (first.gone, removed(first), first.young) == ((project,), [], 1)
    assert (second.gone, removed(second), second.young) == ((), [], 1)
    assert removed(third) == ["greeter"]
    assert store.roots() == ()
    assert not made.path.exists()


def test_a_project_that_moved_keeps_its_trees_by_installing_again(
    store: Store, clock: Clock, project: Path, tmp_path: Path
) -> None:
    tree = store.add(GREETER, name="greeter")
    made = install(store, project, tree)
    moved = tmp_path / "moved"
    project.rename(moved)

    report = store.collect()
    assert (made.path / "greeter" / "1.0.0" / "SKILL.md").is_file()
    install(store, moved, tree)
    clock.forward(30)

    assert report.gone == (project,)
    assert store.collect().removed == ()
    assert [root.place for root in store.roots()] == [moved]


def test_a_project_that_comes_back_before_its_root_is_dropped_is_kept(
    store: Store, clock: Clock, project: Path
) -> None:
    tree = store.add(GREETER, name="greeter")
    install(store, project, tree)
    clock.forward(30)
    looks: list[str] = []

    def status(path: str) -> os.stat_result:
        if path == os.fspath(project):
            looks.append(path)
            if len(looks) <= 2:
                raise FileNotFoundError(2, "No such file")
        return os.lstat(path)

    report = Collector(store, Terms(), lookout=Lookout(status=status)).run()

    assert report.gone == ()
    assert len(store.roots()) == 1
    store.verified(tree.digest)


def test_a_project_that_is_not_mounted_is_kept_and_named(
    store: Store, clock: Clock, project: Path
) -> None:
    tree = store.add(GREETER, name="greeter")
    install(store, project, tree)
    root = store.roots()[0]
    path = Path(root_path(os.fspath(store.root), os.fspath(project)))
    text = path.read_text().replace(f"mount {root.mount} ", "mount /elsewhere ")
    path.write_text(text)
    project.rmdir()
    clock.forward(300)

    report = store.collect(max_age=0)

    assert (report.removed, report.gone) == ((), ())
    assert report.out_of_reach == ((project, "`/elsewhere` is not mounted"),)
    store.verified(tree.digest)


# Doubt.


def _cut_root(store: Store, project: Path, made: ShownSet) -> None:
    path = Path(root_path(os.fspath(store.root), os.fspath(project)))
    path.write_bytes(path.read_bytes()[:-4])


def _roots_are_a_file(store: Store, project: Path, made: ShownSet) -> None:
    (store.root / "roots").rename(store.root.parent / "aside")
    (store.root / "roots").write_text("")


def _damage_set(store: Store, project: Path, made: ShownSet) -> None:
    (made.path / ".listing").chmod(0o644)
    (made.path / ".listing").write_text("greeter\t1.0.0\n")


def _remove_set(store: Store, project: Path, made: ShownSet) -> None:
    made.path.chmod(0o755)
    made.path.rename(store.root.parent / "aside")


def _damage_row(store: Store, project: Path, made: ShownSet) -> None:
    with closing(sqlite3.connect(store.index.path)) as connection, connection:
        connection.execute("UPDATE trees SET directories = x'00000003ffff'")


def _lose_index(store: Store, project: Path, made: ShownSet) -> None:
    store.close()
    for path in store.root.glob("index.sqlite*"):
        path.unlink()


@pytest.mark.parametrize(
    ("damage", "kind", "message"),
    [
        (_cut_root, RootUnreadable, "the root is damaged: it is cut off"),
        (_roots_are_a_file, RootUnreadable, "roots: not a directory"),
        (_damage_set, SetDamaged, "the set is damaged: its listing is not what it was named for"),
        (_remove_set, SetDamaged, "the set cannot be read: no such file or directory"),
        (_lose_index, IndexDamaged, "the index is missing"),
    ],
)
def test_what_cannot_be_read_stops_everything(
    store: Store,
    clock: Clock,
    project: Path,
    damage: Callable[[Store, Path, ShownSet], None],
    kind: type[StoreFailure],
    message: str,
) -> None:
    store.add(COUNTER, name="counter")
    made = install(store, project, store.add(GREETER, name="greeter"))
    damage(store, project, made)
    clock.forward(30)
    before = state(store)

    for dry_run in (True, False):
        with pytest.raises(kind, match=message) as refused:
            store.collect(max_age=0, dry_run=dry_run)
        assert refused.value.hint

    assert state(store) == before


def test_a_damaged_set_names_the_project_that_shows_it(store: Store, project: Path) -> None:
    made = install(store, project, store.add(GREETER, name="greeter"))
    _damage_set(store, project, made)

    with pytest.raises(SetDamaged) as refused:
        store.collect()

    assert refused.value.path == os.fspath(made.path)
    assert refused.value.hint == f"`spm install --force` in `{project}` makes it again, or drops it"


def test_a_lease_that_cannot_be_read_stops_everything(store: Store, clock: Clock) -> None:
    tree = store.add(GREETER, name="greeter")
    clock.forward(30)

    with store.lease("a test") as lease:
        lease.want([tree.digest])
        (Path(lease.path) / "lease").write_bytes(b"spm lease 1\n\xff")
        before = state(store)
        with pytest.raises(LeaseUnreadable):
            store.collect(max_age=0)

        assert state(store) == before


def test_rows_that_nobody_can_read_stop_the_removal_of_blobs(store: Store, clock: Clock) -> None:
    store.add(GREETER, name="greeter")
    _damage_row(store, store.root, None)  # type: ignore[arg-type]  # needs no set
    before = blobs(store)

    with pytest.raises(IndexDamaged, match=r"the directories of tree blake3:.* cannot be read"):
        store.collect()

    assert blobs(store) == before


@pytest.mark.parametrize("days", [-300, 300])
def test_a_clock_that_was_wrong_removes_nothing_that_is_needed(
    store: Store, clock: Clock, project: Path, days: int
) -> None:
    tree = store.add(GREETER, name="greeter")
    idle = store.add(COUNTER, name="counter")
    install(store, project, tree)
    clock.forward(days)

    report = store.collect()

    store.verified(tree.digest)
    assert removed(report) == ([] if days < 0 else ["counter"])
    if days < 0:  # from now on it ages by the clock there is
        clock.forward(7.1)
        assert removed(store.collect()) == ["counter"]
    assert store.get(idle.digest) is None


# How far it goes.


def test_a_dry_run_says_what_would_go_and_changes_nothing(
    store: Store, clock: Clock, project: Path, tmp_path: Path
) -> None:
    store.add(LARGE, name="large")
    old = store.add(COUNTER, name="counter")
    install(store, tmp_path, old)
    store.forget(tmp_path)
    install(store, project, store.add(GREETER, name="greeter"))
    (store.root / "trees" / f"{'0' * 64}-left").mkdir()
    (store.root / "trash" / "something").write_bytes(b"")
    clock.forward(8)
    before = state(store)

    foreseen = store.collect(dry_run=True)

    assert state(store) == before
    assert store.collect() == foreseen
    assert sorted(removed(foreseen)) == ["counter", "large"]
    assert foreseen.leftovers == 2
    assert foreseen.freed > 100_000


def test_a_dry_run_names_projects_that_are_gone_and_drops_no_root(
    store: Store, clock: Clock, project: Path
) -> None:
    install(store, project, store.add(GREETER, name="greeter"))
    project.rmdir()
    clock.forward(30)
    before = state(store)

    report = store.collect(dry_run=True)

    assert state(store) == before
    assert (report.gone, report.removed, report.young) == ((project,), (), 1)


@contextmanager
def publishing(store: Store) -> Generator[None]:
    with gc_lock(os.fspath(store.root), exclusive=False):
        yield


def test_a_collection_that_is_not_to_wait_does_nothing_while_others_publish(
    store: Store, clock: Clock
) -> None:
    store.add(GREETER, name="greeter")
    clock.forward(30)
    before = state(store)

    with publishing(store):
        report = store.collect(wait=False)

    assert (report.skipped, report.removed) == (True, ())
    assert state(store) == before
    assert removed(store.collect(wait=False)) == ["greeter"]


def test_nothing_is_begun_after_the_deadline(store: Store, clock: Clock) -> None:
    store.add(GREETER, name="greeter")
    clock.forward(30)
    before = state(store)

    report = store.collect(deadline=time.monotonic())

    assert (report.stopped, report.removed, report.freed) == (True, (), 0)
    assert state(store) == before


def test_trees_take_half_of_the_time_so_that_their_blobs_go_too(store: Store, clock: Clock) -> None:
    store.add(GREETER, name="greeter")
    clock.forward(30)
    ticks = iter([0.0, *[0.4] * 1, *[0.9] * 50])

    report = Collector(store, Terms(deadline=1.0), clock=lambda: next(ticks)).run()

    assert removed(report) == ["greeter"]
    assert report.blobs == 3
    assert blobs(store) == []


def test_progress_ends_with_everything_done(store: Store, clock: Clock) -> None:
    store.add(GREETER, name="greeter")
    store.add(COUNTER, name="counter")
    clock.forward(30)
    steps: list[tuple[int, int]] = []

    store.collect(progress=lambda done, everything: steps.append((done, everything)))

    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1][0] == steps[-1][1]


def test_a_tree_only_another_user_can_remove_is_left_whole_and_named(
    store: Store, clock: Clock
) -> None:
    greeter, counter = store.add(GREETER, name="greeter"), store.add(COUNTER, name="counter")
    clock.forward(30)

    report = Collector(
        store, Terms(), may_remove=lambda path: path != os.fspath(greeter.path)
    ).run()

    assert removed(report) == ["counter"]
    assert report.others == (greeter.path,)
    store.verified(greeter.digest)
    assert store.get(counter.digest) is None


# Removing by hand.


def test_clearing_removes_sets_and_lets_projects_keep_nothing(
    store: Store, clock: Clock, project: Path
) -> None:
    install(store, project, store.add(GREETER, name="greeter"))

    assert store.clear() == 1

    assert names(store.root / "sets") == names(store.root / "shelves") == []
    (root,) = store.roots()
    assert (root.place, root.generations) == (project, {})
    assert store.collect(max_age=0).removed == ()


def test_removing_one_tree_removes_its_shelf_and_leaves_sets_to_collection(
    store: Store, project: Path
) -> None:
    tree = store.add(GREETER, name="greeter")
    made = install(store, project, tree)

    assert store.remove(tree.digest)

    assert not shelf_path(tree.path).exists()
    assert made.path.exists()
    assert store.collect(max_age=0).removed == ()
