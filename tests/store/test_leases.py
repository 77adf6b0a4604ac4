"""Leases: who is alive is told by flock, boot and disk; what is wanted is whole or not said."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spm_spec.digests import Digest, blob_digest
from spm_store.durable import Disk
from spm_store.errors import LeaseUnreadable, StoreFailure, TreeMissing
from spm_store.lease_records import escaped, unescaped
from spm_store.leases import Lease, LiveLease, boot_id, live_leases, sweep
from spm_store.locks import gc_lock
from spm_store.store import Store
from tests.support.stored import COUNTER, GREETER, contents, names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

ROOT = Path(__file__).parents[2]
ONE, TWO, THREE = (blob_digest(word) for word in (b"one", b"two", b"three"))
DAY = 24 * 3600
NETWORK = "22 1 0:21 / {place} rw - nfs4 server:/export rw,local_lock=none\n"


class World:
    """A store's folder, and a mount table that says it is on a network file system."""

    def __init__(self, folder: Path) -> None:
        self.root = str(folder / "v1")
        self.table = str(folder / "mounts")
        Path(self.table).write_text(NETWORK.format(place=folder))

    def lease(self, purpose: str = "testing", *, boot: str = "this") -> Lease:
        return Lease(self.root, Disk(), purpose=purpose, boot=boot)

    def abandoned(self, *, boot: str = "this") -> Path:
        """A lease whose flock nobody holds any more, and that is left with its record."""
        lease = self.lease(boot=boot)
        lease.want([ONE])
        left = Path(lease.path)
        copy = left.with_name("a" * 32)
        copy.mkdir(mode=0o700)
        (copy / "lease").write_bytes((left / "lease").read_bytes())
        lease.close()
        return copy

    def sweep(self, *, network: bool, boot: str = "this", late: float = 0) -> None:
        table = self.table if network else "/nowhere"
        now = Path(self.root, "tmp").stat().st_mtime + late
        sweep(self.root, Disk(), boot=boot, mount_table=table, now=lambda: now)

    def left(self) -> list[str]:
        return names(Path(self.root, "tmp"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_lease_says_what_it_wants_and_why(world: World) -> None:
    with world.lease("installing demo\n100 %") as lease:
        lease.want([TWO, ONE])

        record = Path(lease.path, "lease").read_text()
        [live] = live_leases(world.root)

    assert record == (
        "spm lease 1\nboot this\n"
        f"process {os.getpid()}\npurpose installing demo%0a100 %25\n"
        + "".join(f"{digest.hex}\n" for digest in sorted((ONE, TWO)))
    )
    assert live == LiveLease(
        lease.path, "installing demo\n100 %", os.getpid(), frozenset((ONE.raw, TWO.raw))
    )
    assert world.left() == []


def test_wanting_more_adds_lines_and_wanting_again_costs_nothing(world: World) -> None:
    with world.lease() as lease:
        lease.want([ONE])
        lease.want(iter([ONE, THREE]))
        before = Path(lease.path, "lease").read_bytes()
        lease.want([THREE])

        assert Path(lease.path, "lease").read_bytes() == before
        assert before.endswith(f"{ONE.hex}\n{THREE.hex}\n".encode())
        [live] = live_leases(world.root)
    assert live.wants == {ONE.raw, THREE.raw}


def test_a_lease_that_wants_nothing_yet_is_alive_and_wants_nothing(world: World) -> None:
    with world.lease() as lease:
        assert [(live.path, live.wants) for live in live_leases(world.root)] == [
            (lease.path, frozenset())
        ]
    assert live_leases(world.root) == ()


def test_a_store_without_a_folder_has_no_leases(world: World) -> None:
    assert live_leases(world.root) == ()
    sweep(world.root, Disk())
    assert not Path(world.root).exists()


def at_once(world: World, *, exclusive: bool) -> AbstractContextManager[bool]:
    return gc_lock(world.root, exclusive=exclusive, wait=False)


def test_wanting_waits_for_who_removes(world: World) -> None:
    with world.lease() as lease:
        with (
            gc_lock(world.root, exclusive=True),
            gc_lock(world.root, exclusive=False, wait=False) as held,
        ):
            assert not held
        lease.want([ONE])
        with (
            gc_lock(world.root, exclusive=False),
            gc_lock(world.root, exclusive=True, wait=False) as held,
        ):
            assert not held
        with gc_lock(world.root, exclusive=True, wait=False) as held:
            assert held


class FullDisk(Disk):
    """A disk on which the record of a lease does not fit any more."""

    def __init__(self, room: int) -> None:
        self.room = room

    def append(self, path: str, data: bytes) -> None:
        super().append(path, data[: self.room])
        raise OSError(errno.ENOSPC, "no space", path)

    def write_file(self, path: str, data: bytes, mode: int) -> None:
        super().write_file(path, data[: self.room], mode)
        raise OSError(errno.ENOSPC, "no space", path)


@pytest.mark.parametrize("room", [0, 1, 40, 64, 65, 100])
def test_a_record_that_does_not_fit_is_as_it_was(world: World, room: int) -> None:
    with world.lease() as lease:
        lease.want([ONE])
        lease._disk = FullDisk(room)

        with pytest.raises(StoreFailure) as caught:
            lease.want([TWO, THREE])

        assert caught.value.message == f"{lease.path}/lease: no space left on device"
        assert [live.wants for live in live_leases(world.root)] == [{ONE.raw}]
        lease._disk = Disk()
        lease.want([TWO])
        assert [live.wants for live in live_leases(world.root)] == [{ONE.raw, TWO.raw}]


def test_a_first_record_that_does_not_fit_is_none(world: World) -> None:
    with world.lease() as lease:
        lease._disk = FullDisk(70)

        with pytest.raises(StoreFailure):
            lease.want([ONE])

        assert names(Path(lease.path)) == []
        assert [live.wants for live in live_leases(world.root)] == [frozenset()]


@pytest.mark.parametrize(
    "record",
    [
        b"spm lease 2\nboot b\nprocess 1\npurpose p\n",
        b"spm lease 1\nboot b\nprocess 1\n",
        b"spm lease 1\nboot b\nprocess one\npurpose p\n",
        b"spm lease 1\nboot b\nprocess 1\npurpose %zz\n",
        b"spm lease 1\nboot b\nprocess 1\npurpose p\n" + b"0" * 64,
        b"spm lease 1\nboot b\nprocess 1\npurpose p\n" + b"0" * 63 + b"\n",
        b"spm lease 1\nboot b\nprocess 1\npurpose p\n" + b"A" * 64 + b"\n",
        b"spm lease 1\nboot b\nprocess 1\npurpose p\n\n",
        b"\xff\x00",
    ],
)
def test_a_record_that_is_none_stops_who_removes(world: World, record: bytes) -> None:
    with world.lease() as lease:
        Path(lease.path, "lease").write_bytes(record)

        with pytest.raises(LeaseUnreadable) as caught:
            live_leases(world.root)

    assert caught.value.message == (
        f"{lease.path}/lease: not the record of a lease as this spm knows it"
    )
    assert caught.value.hint == "end the spm that holds it, then try again"


def test_a_record_that_is_no_file_is_not_followed(world: World, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"")
    with world.lease() as lease:
        Path(lease.path, "lease").symlink_to(tmp_path / "other")
        with pytest.raises(LeaseUnreadable, match="too many levels of symbolic links"):
            live_leases(world.root)
        Path(lease.path, "lease").unlink()
        os.mkfifo(f"{lease.path}/lease")
        with pytest.raises(LeaseUnreadable, match="the record of a lease is not a file"):
            live_leases(world.root)


def test_a_record_is_read_up_to_a_limit(world: World) -> None:
    with world.lease() as lease:
        Path(lease.path, "lease").touch()
        os.truncate(f"{lease.path}/lease", 2**30)
        with pytest.raises(LeaseUnreadable, match="is over 16777216 bytes"):
            live_leases(world.root)


def test_on_a_local_disk_a_lease_nobody_holds_is_dead_whatever_its_boot(world: World) -> None:
    for boot in ("this", "another", ""):
        world.abandoned(boot=boot)
        assert live_leases(world.root, boot="this", mount_table="/nowhere") == ()
        world.sweep(network=False)
        assert world.left() == []


def test_on_a_network_disk_a_lease_of_this_boot_that_nobody_holds_is_dead(world: World) -> None:
    world.abandoned(boot="this")

    assert live_leases(world.root, boot="this", mount_table=world.table) == ()
    world.sweep(network=True)
    assert world.left() == []


@pytest.mark.parametrize(("here", "there"), [("this", "another"), ("", ""), ("this", "")])
def test_on_a_network_disk_a_lease_of_another_boot_lives_for_a_day(
    world: World, here: str, there: str
) -> None:
    left = world.abandoned(boot=there)

    world.sweep(network=True, boot=here, late=DAY - 60)
    [live] = live_leases(world.root, boot=here, mount_table=world.table)
    assert (live.path, live.wants) == (str(left), frozenset([ONE.raw]))

    world.sweep(network=True, boot=here, late=DAY + 60)
    assert world.left() == []


def test_a_damaged_record_on_a_network_disk_is_not_swept_before_a_day(world: World) -> None:
    (world.abandoned(boot="another") / "lease").write_bytes(b"harm")

    world.sweep(network=True, late=60)
    assert world.left() == ["a" * 32]
    with pytest.raises(LeaseUnreadable):
        live_leases(world.root, boot="this", mount_table=world.table)
    world.sweep(network=True, late=2 * DAY)
    assert world.left() == []


def test_a_lease_of_the_future_does_not_live_for_ever(world: World) -> None:
    """The clock of another machine, or ours, was set back."""
    left = world.abandoned(boot="another")
    os.utime(left / "lease", (4_000_000_000, 4_000_000_000))

    world.sweep(network=True)

    assert world.left() == []


def test_a_held_lease_lives_whatever_its_age_and_boot(world: World) -> None:
    with world.lease(boot="another") as lease:
        lease.want([ONE])
        os.utime(f"{lease.path}/lease", (0, 0))
        os.utime(lease.path, (0, 0))

        world.sweep(network=True, late=100 * DAY)

        assert [live.wants for live in live_leases(world.root, boot="this")] == [{ONE.raw}]


def test_files_beside_the_leases_are_no_leases(world: World) -> None:
    with world.lease():
        Path(world.root, "tmp", "note").write_text("mine")
        Path(world.root, "tmp", "link").symlink_to("/")

        assert len(live_leases(world.root)) == 1
        world.sweep(network=False)

    assert world.left() == ["link", "note"]


def test_the_boot_of_this_machine_is_read_and_may_be_missing(tmp_path: Path) -> None:
    (tmp_path / "boot").write_text("1b2c\n")

    assert boot_id(str(tmp_path / "boot")) == "1b2c"
    assert boot_id(str(tmp_path / "none")) == ""


HOLDER = """
import sys
from pathlib import Path
from spm_spec.digests import Digest
from spm_store.store import Store

with Store.open(Path(sys.argv[1])) as store, store.lease("holding") as lease:
    lease.want([Digest.parse(text) for text in sys.argv[2:]])
    print("ready", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "v1"), str(ONE)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def test_a_lease_ends_with_its_process_however_that_ends(
    world: World, holder: subprocess.Popen[str]
) -> None:
    [live] = live_leases(world.root)
    assert (live.process, live.purpose, live.wants) == (holder.pid, "holding", frozenset([ONE.raw]))

    holder.kill()
    holder.wait()

    assert live_leases(world.root) == ()
    assert len(world.left()) == 1
    sweep(world.root, Disk())
    assert world.left() == []


def test_a_pinned_tree_is_wanted_until_the_block_ends(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")
    root = str(store.root)

    with store.pinned(tree.digest, "running greeter") as pinned:
        assert pinned == tree
        [live] = live_leases(root)
        assert (live.purpose, live.wants) == ("running greeter", frozenset([tree.digest.raw]))

    assert [live.wants for live in live_leases(root)] == [frozenset()]
    store.close()
    assert live_leases(root) == ()
    assert names(store.root / "tmp") == []


def test_pins_at_once_are_apart_and_their_leases_are_used_again(store: Store) -> None:
    one = store.add(GREETER, name="greeter").digest
    two = store.add(COUNTER, name="counter").digest
    root = str(store.root)

    for _ in range(3):
        with store.pinned(one, "first"), store.pinned(two, "second"):
            assert {(live.purpose, live.wants) for live in live_leases(root)} == {
                ("first", frozenset([one.raw])),
                ("second", frozenset([two.raw])),
            }
    assert len(names(store.root / "tmp")) == 2
    with store.pinned(one, "late"):
        store.close()
        assert frozenset([one.raw]) in {live.wants for live in live_leases(root)}
    assert names(store.root / "tmp") == []


def test_a_lease_that_was_forgotten_is_as_good_as_new(world: World) -> None:
    with world.lease() as lease:
        lease.forget()
        lease.want([ONE, TWO])
        lease.forget()
        assert [live.wants for live in live_leases(world.root)] == [frozenset()]
        lease._disk = FullDisk(100)
        with pytest.raises(StoreFailure):
            lease.want([ONE])
        assert [live.wants for live in live_leases(world.root)] == [frozenset()]
        lease._disk = Disk()
        lease.want([ONE])
        assert [live.wants for live in live_leases(world.root)] == [{ONE.raw}]


def test_a_tree_is_wanted_before_it_is_looked_for(store: Store) -> None:
    store.add(GREETER, name="greeter")
    asked: list[tuple[int, ...]] = []

    class Watched(Store):
        def get(self, digest: Digest) -> None:
            asked.append(tuple(len(lease.wants) for lease in live_leases(str(self.root))))

    with Watched(store.root) as watched, pytest.raises(TreeMissing), watched.pinned(ONE, "asking"):
        raise AssertionError

    assert asked == [(1,)]
    watched.close()
    assert names(store.root / "tmp") == []


def test_pinning_in_a_store_that_is_not_there_creates_nothing(store: Store) -> None:
    with pytest.raises(TreeMissing), store.pinned(ONE, "asking"):
        raise AssertionError

    assert not store.root.exists()


def test_a_clock_that_was_set_back_stops_nobody(store: Store) -> None:
    with Store(store.root, now=lambda: 4_000_000_000.0) as future:
        future.add(GREETER, name="greeter")

    with Store(store.root, now=lambda: 1_000.0) as past:
        counter = past.add(COUNTER, name="counter")
        past.sweep()
        with past.pinned(counter.digest, "running") as pinned:
            assert pinned == counter
        assert [(row.added, row.used) for row in past.index.all_rows()] == [
            (1_000, 1_000),
            (4_000_000_000, 4_000_000_000),
        ]
    assert contents(store.root / "tmp") == {}


@given(st.text())
def test_what_was_escaped_is_printable_and_comes_back(text: str) -> None:
    """``unescaped(escaped(text)) == text``, one line of printable ASCII."""
    assert unescaped(escaped(text)) == text
    assert escaped(text).isascii()
    assert "\n" not in escaped(text)


@given(st.text())
def test_a_text_has_one_escaped_form(text: str) -> None:
    try:
        found = unescaped(text)
    except ValueError:
        return
    assert escaped(found) == text


def test_a_lease_that_is_used_again_says_what_it_is_for_now(store: Store) -> None:
    root = str(store.root)
    first, second = store.add(GREETER, name="greeter"), store.add(COUNTER, name="counter")
    said: list[tuple[str, frozenset[bytes]]] = []

    for tree, purpose in ((first, "one"), (second, "one"), (first, "two"), (second, "three")):
        with store.pinned(tree.digest, purpose):
            (lease,) = live_leases(root)
            said.append((lease.purpose, lease.wants))
    (idle,) = live_leases(root)

    assert said == [
        ("one", frozenset({first.digest.raw})),
        ("one", frozenset({second.digest.raw})),
        ("two", frozenset({first.digest.raw})),
        ("three", frozenset({second.digest.raw})),
    ]
    assert idle.wants == frozenset()
    store.close()
    assert live_leases(root) == ()
