"""Full disks, missing permissions, read-only stores: refused with a reason, nothing half done."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spm_spec.errors import EXIT_ENVIRONMENT
from spm_store.store import Store
from tests.support.stored import COUNTER, GREETER, contents, names

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
NOBODY = 65534

ADD = """
import os, resource, signal, sys, tempfile
from pathlib import Path
from spm_spec.errors import SpmError
from spm_spec.tree import FileEntry
from spm_store.store import Store

root, user, file_bytes, filler = Path(sys.argv[1]), *map(int, sys.argv[2:5])
with tempfile.TemporaryDirectory() as warm, Store.open(Path(warm)) as store:
    # Afterwards nothing needs importing, which another user may not be allowed to.
    store.add([FileEntry("SKILL.md", b"warm")], name="warm")
if user:
    os.setgroups([]), os.setgid(user), os.setuid(user)
if file_bytes:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
data = os.urandom(filler)
with Store.open(root) as store:
    print([store.verified(tree.digest).name for tree in store.trees()])
    try:
        with store.transaction() as transaction:
            transaction.add([FileEntry("SKILL.md", b"small")], name="small")
            large = [FileEntry("SKILL.md", b"large"), FileEntry("data", data)]
            transaction.add(large, name="large")
    except SpmError as error:
        print(error.message)
        print(error.hint)
        sys.exit(error.exit_code)
"""


LIVE = """
import os, sys, tempfile
from pathlib import Path
from spm_store.store import Store
from spm_store.layout import copy_skill, link_skill
from tests.support.stored import COUNTER, GREETER, names

def live(home):
    project = home / "project" / "skill"
    with Store.open(home / "v1") as store:
        tree = store.add(GREETER, name="greeter")
        (tree.path / "SKILL.md").chmod(0o644)
        (tree.path / "SKILL.md").write_bytes(b"harm")
        assert store.verify()
        assert store.add(GREETER, name="greeter") == tree
        assert store.verify() == (), store.verify()
        store.add(COUNTER, name="counter")
        assert store.remove(tree.digest)
        [left] = store.trees()
        assert copy_skill(left.path, project)
        assert link_skill(left.path, project)
        assert store.clear() == 1
        assert names(store.root / "trash") == names(store.root / "tmp") == []

with tempfile.TemporaryDirectory() as warm:
    live(Path(warm))
os.setgroups([]), os.setgid(65534), os.setuid(65534)
live(Path(sys.argv[1]))
"""


def add_in_child(
    root: Path, *, user: int = 0, file_bytes: int = 0, filler: int = 10
) -> tuple[int, list[str]]:
    numbers = map(str, (user, file_bytes, filler))
    command = [sys.executable, "-c", ADD, str(root), *numbers]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert run.stderr == ""
    return run.returncode, run.stdout.splitlines()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of the machine reaches."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_file_that_cannot_be_written_whole_leaves_nothing(store: Store) -> None:
    store.add(GREETER, name="greeter")
    store.close()
    before = contents(store.root / "trees") | contents(store.root / "blobs")

    code, lines = add_in_child(store.root, file_bytes=300_000, filler=400_000)

    assert code == EXIT_ENVIRONMENT
    assert lines[0] == "['greeter']"
    assert lines[1].endswith("/0/data: file too large") or lines[1].endswith(
        "/1/data: file too large"
    )
    assert lines[2] == "raise the limit on file size, `ulimit -f`"
    assert contents(store.root / "trees") | contents(store.root / "blobs") == before
    assert names(store.root / "tmp") == names(store.root / "trash") == []
    assert add_in_child(store.root)[0] == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_leaves_nothing_and_gives_the_space_back(tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("the machine has no unshare to mount a small disk with")
    disk = tmp_path / "disk"
    disk.mkdir()
    script = (
        'mount -t tmpfs -o size=2m none "$1" || exit 99; cd "$1"; mkdir -p v1; '
        '"$2" -c "$3" "$1/v1" 0 0 10 && before=$(df --output=used "$1" | tail -1); '
        '"$2" -c "$3" "$1/v1" 0 0 4000000; code=$?; '
        'after=$(df --output=used "$1" | tail -1); '
        'echo "space $((after - before < 200))"; ls -A v1/tmp v1/trash v1/trees | wc -l; '
        '"$2" -c "$3" "$1/v1" 0 0 20; echo "again $?"; exit $code'
    )
    command = ["unshare", "-m", "sh", "-c", script, "sh", str(disk), sys.executable, ADD]

    run = subprocess.run(command, capture_output=True, text=True, check=False)

    if run.returncode == 99 or "unshare failed" in run.stderr:
        pytest.skip("the machine does not let root mount a small disk")
    lines = run.stdout.splitlines()
    assert run.stderr == ""
    assert run.returncode == EXIT_ENVIRONMENT
    assert any(line.endswith("/data: no space left on device") for line in lines)
    assert "free some space there, or choose another folder for the store with `SPM_DATA`" in lines
    assert "space 1" in lines
    assert "again 0" in lines


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become a user without permissions")
def test_a_store_of_another_user_can_be_read_and_not_changed(open_folder: Path) -> None:
    with Store.open(open_folder / "v1") as store:
        store.add(GREETER, name="greeter")
    before = contents(open_folder / "v1")

    code, lines = add_in_child(open_folder / "v1", user=NOBODY)

    assert code == EXIT_ENVIRONMENT
    assert lines[0] == "['greeter']"
    assert lines[1].startswith(f"{open_folder}/v1/tmp/")
    assert lines[1].endswith(": permission denied")
    assert lines[2] == (
        "make it writable for you, or choose another folder for the store with `SPM_DATA`"
    )
    assert contents(open_folder / "v1") == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become a user without permissions")
def test_an_ordinary_user_adds_replaces_and_removes_read_only_trees(open_folder: Path) -> None:
    """Root may do anything; what a user needs, such as chmod before rename, is seen here."""
    home = open_folder / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    run = subprocess.run(
        [sys.executable, "-c", LIVE, str(home)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )

    assert run.stderr == ""
    assert run.returncode == 0


def test_a_lease_of_the_dead_is_swept_and_one_of_the_living_is_not(store: Store) -> None:
    store.add(GREETER, name="greeter")
    dead = store.root / "tmp" / ("d" * 32)
    (dead / "0" / "src").mkdir(parents=True)
    (dead / "0" / "src" / "half").write_text("half")
    (dead / "0" / "src").chmod(0o555)
    (store.root / "trash" / "old").mkdir()

    with store.transaction() as living:
        living.add(COUNTER, name="counter")
        [lease] = names(store.root / "tmp")
        with Store.open(store.root) as other:
            other.add((GREETER[0],), name="other")

        assert names(store.root / "tmp") == [lease]

    assert names(store.root / "tmp") == names(store.root / "trash") == []
    assert store.verify() == ()
    assert len(list(store.trees())) == 3
