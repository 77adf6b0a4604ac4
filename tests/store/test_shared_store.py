"""Two users share one store: each uses what the other added, neither half removes anything."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spm_store.filesystems import SharingDisk, disk_for, is_shared, may_remove
from spm_store.store import Store
from tests.support.stored import COUNTER, GREETER, names

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
ANNE, BEN, GROUP = 61001, 61002, 61003
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become two users")

USE = """
import os, sys
from pathlib import Path
from spm_spec.errors import SpmError
from spm_store.store import Store
from tests.support.stored import COUNTER, GREETER, names

root, user, group, warm, script = Path(sys.argv[1]), *map(int, sys.argv[2:4]), *sys.argv[4:]
with Store.open(Path(warm)) as store:
    # Afterwards nothing needs importing, which another user may not be allowed to.
    with store.transaction() as transaction:
        for n in range(20):
            transaction.add([*GREETER, type(GREETER[0])("n", b"%d" % n)], name="warm")
    store.verify()
    store.index.mark_used([], 0)
    with store.pinned(next(store.trees()).digest, "warming"):
        store.remove(next(store.trees()).digest)
    store.clear()
os.umask(0o022)
os.setgroups([group]), os.setgid(user), os.setuid(user)
with Store.open(root) as store:
    try:
        exec(script)
    except SpmError as error:
        print(error.message)
"""


@pytest.fixture
def shared() -> Iterator[Path]:
    """The folder of a store that a group shares, as whoever sets it up makes it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        root = Path(folder, "v1")
        root.mkdir()
        os.chown(root, 0, GROUP)
        root.chmod(0o2775)
        yield root


def use(root: Path, user: int, script: str, *, group: int = GROUP) -> list[str]:
    """Run ``script`` on the store as ``user``; return what it printed."""
    with tempfile.TemporaryDirectory() as warm:
        command = [sys.executable, "-c", USE, str(root), str(user), str(group), warm, script]
        run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (run.stderr, run.returncode) == ("", 0)
    return run.stdout.splitlines()


def at_once(root: Path, script: str) -> list[tuple[str, str]]:
    """Run ``script`` on the store as both users at once; return what each printed."""
    with tempfile.TemporaryDirectory() as warm:
        commands = [
            [sys.executable, "-c", USE, *map(str, (root, user, GROUP, f"{warm}/{user}", script))]
            for user in (ANNE, BEN)
        ]
        running = [
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
            )
            for command in commands
        ]
        return [process.communicate() for process in running]


ADD_GREETER = "print(store.add(GREETER, name='greeter').name)"
ADD_COUNTER = "print(store.add(COUNTER, name='counter').name)"
SHOW = "print(*(store.verified(tree.digest).name for tree in store.trees()), store.verify())"


def test_a_group_shares_a_store_whose_folder_is_set_up_for_it(tmp_path: Path) -> None:
    shared, own = tmp_path / "shared", tmp_path / "own"
    shared.mkdir()
    own.mkdir()
    shared.chmod(0o2775)

    assert is_shared(str(shared))
    assert is_shared(str(shared / "store" / "v1"))
    assert not is_shared(str(own / "store" / "v1"))
    own.chmod(0o775)
    assert not is_shared(str(own))
    assert isinstance(disk_for(str(shared)), SharingDisk)
    assert not isinstance(disk_for(str(own)), SharingDisk)


def test_in_a_shared_store_the_group_may_write_what_changes_and_nothing_else(
    tmp_path: Path,
) -> None:
    root = tmp_path / "v1"
    root.mkdir()
    root.chmod(0o2775)

    with Store.open(root) as store:
        tree = store.add(GREETER, name="greeter")
        modes = {
            path.name: stat.S_IMODE(path.stat().st_mode)
            for path in root.iterdir()
            if path.name != "shelves"
        }
        for path in (*tree.path.rglob("*"), tree.path):
            assert not path.stat().st_mode & 0o222
        with store.lease("looking") as lease:
            lease.want([tree.digest])
            assert stat.S_IMODE(Path(lease.path).stat().st_mode) == 0o2770
            assert stat.S_IMODE(Path(lease.path, "lease").stat().st_mode) == 0o664

    for name in ("blobs", "trees", "tmp", "trash"):
        assert oct(modes[name]) == oct(0o2775), name
    for name in ("gc.lock", "index.sqlite", "index.sqlite-wal", "index.sqlite-shm"):
        assert oct(modes[name]) == oct(0o664), name
    for folder in (root / "blobs").iterdir():
        assert oct(stat.S_IMODE(folder.stat().st_mode)) == oct(0o2775)


@as_root
def test_each_of_two_users_uses_what_the_other_added(shared: Path) -> None:
    assert use(shared, ANNE, ADD_GREETER) == ["greeter"]
    assert use(shared, BEN, f"{ADD_COUNTER}; {ADD_GREETER}; {SHOW}") == [
        "counter",
        "greeter",
        "counter greeter ()",
    ]
    assert use(shared, ANNE, f"{ADD_COUNTER}; {SHOW}") == ["counter", "counter greeter ()"]

    with Store.open(shared) as store:
        assert {tree.path.stat().st_uid for tree in store.trees()} == {ANNE, BEN}
    assert names(shared / "tmp") == names(shared / "trash") == []


@as_root
def test_each_of_two_users_sees_the_others_leases(shared: Path) -> None:
    use(shared, ANNE, ADD_GREETER)
    script = """
from spm_store.leases import live_leases
print([lease.purpose for lease in live_leases(str(root))])
"""
    with Store.open(shared) as store, store.lease("working") as lease:
        [tree] = store.trees()
        lease.want([tree.digest])
        os.chown(lease.path, ANNE, GROUP)
        Path(lease.path).chmod(0o2770)

        assert use(shared, BEN, script) == ["['working']"]


DIE = """
lease = store.lease("dying")
lease.want([next(store.trees()).digest])
disk = store.disk
disk.make_folder(f"{lease.path}/0", 0o755)
disk.make_folder(f"{lease.path}/0/src", 0o755)
disk.write_file(f"{lease.path}/0/src/file", b"half", 0o444)
"""


@as_root
def test_each_of_two_users_sweeps_up_after_the_other(shared: Path) -> None:
    use(shared, ANNE, f"{ADD_GREETER}\n{DIE}")
    assert len(names(shared / "tmp")) == 1

    use(shared, BEN, "store.sweep()")

    assert names(shared / "tmp") == []


@as_root
def test_what_the_other_made_read_only_is_left_alone_as_it_is(shared: Path) -> None:
    use(shared, ANNE, f"{ADD_GREETER}\n{DIE}\ndisk.set_mode(f'{{lease.path}}/0/src', 0o555)")
    [lease] = (shared / "tmp").iterdir()
    (shared / "trash" / "old").mkdir()
    (shared / "trash" / "old" / "file").write_text("x")
    os.chown(shared / "trash" / "old", ANNE, GROUP)

    use(shared, BEN, "store.sweep()")

    assert (lease / "0" / "src" / "file").exists()
    assert (lease / "lease").exists()
    assert (shared / "trash" / "old" / "file").exists()
    use(shared, ANNE, "store.sweep()")
    assert names(shared / "tmp") == names(shared / "trash") == []


@as_root
def test_whether_another_users_folder_can_be_removed_is_known_before(shared: Path) -> None:
    use(shared, ANNE, ADD_GREETER)
    script = """
from spm_store.filesystems import may_remove
for tree in store.trees():
    print(may_remove(str(tree.path)))
print(may_remove(str(root / "none")))
"""

    assert use(shared, ANNE, script) == ["True", "True"]
    assert use(shared, BEN, script) == ["False", "True"]
    assert may_remove(str(shared))


@as_root
def test_a_user_outside_the_group_reads_and_changes_nothing(shared: Path) -> None:
    use(shared, ANNE, ADD_GREETER)

    lines = use(shared, BEN, f"{SHOW}; {ADD_COUNTER}", group=BEN)

    assert lines[0] == "greeter ()"
    assert lines[1].endswith(": permission denied")
    with Store.open(shared) as store:
        assert [tree.name for tree in store.trees()] == ["greeter"]
    assert names(shared / "tmp") == []


@as_root
def test_two_users_add_at_once(shared: Path) -> None:
    script = """
for n in range(10):
    store.add([type(GREETER[0])("SKILL.md", b"%d" % n), GREETER[3]], name="both")
print(len(list(store.trees())), store.verify())
"""
    ends = at_once(shared, script)

    assert ends == [("10 ()\n", "")] * 2
    with Store.open(shared) as store:
        assert store.add(COUNTER, name="counter").name == "counter"
        assert store.verify() == ()


@as_root
def test_the_index_can_be_written_by_whoever_opens_it_while_another_does(shared: Path) -> None:
    use(shared, ANNE, ADD_GREETER)
    # Who closes last removes the log, so it is made anew all the time.
    script = """
for n in range(100):
    store.index.mark_used([next(store.trees()).digest.raw], n)
    store.index.close()
print("written")
"""

    assert at_once(shared, script) == [("written\n", "")] * 2
