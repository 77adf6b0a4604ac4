"""On a file system that shares extents, trees share bytes and no inode."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ON_XFS = """
import io
import sys
from pathlib import Path
from spm_store.store import Store
from tests.support.stored import COUNTER, GREETER

with Store.open(Path(sys.argv[1]) / "v1") as store:
    greeter = store.add(GREETER, name="greeter")
    counter = store.add(COUNTER, name="counter")
    files = [path for path in store.root.glob("trees/**/*") if path.is_file()]
    assert all(path.lstat().st_nlink == 1 for path in files)
    assert (greeter.path / "scripts/greet.sh").lstat().st_mode & 0o777 == 0o555
    assert (greeter.path / "SKILL.md").lstat().st_mode & 0o777 == 0o444
    assert store.verify() == ()
    (greeter.path / "src/skill.py").chmod(0o644)
    (greeter.path / "src/skill.py").write_bytes(b"harm")
    assert store.verified(counter.digest) == counter
    assert store.add(GREETER, name="greeter") == greeter
    assert store.verify() == ()
    empty = greeter.path / "src/__init__.py"
    assert not empty.samefile(counter.path / "assets/__init__.py")
    out = io.BytesIO()
    store.export({greeter.digest: "1.0.0", counter.digest: None}, out.write)
    out.seek(0)
    with Store.open(Path(sys.argv[1]) / "other" / "v1") as other:
        trees = other.import_bundle(out.read, origin="bundle")
        assert {tree.digest for tree in trees} == {greeter.digest, counter.digest}
        assert other.verify() == ()
        files = [path for path in other.root.glob("trees/**/*") if path.is_file()]
        assert all(path.lstat().st_nlink == 1 for path in files)
    assert store.clear() == 2
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
def test_a_file_system_with_reflinks_shares_no_inode(tmp_path: Path) -> None:
    make_file_system = shutil.which("mkfs.xfs", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if make_file_system is None:
        pytest.skip("the machine has no mkfs.xfs")
    image, disk = tmp_path / "image", tmp_path / "disk"
    disk.mkdir()
    with image.open("wb") as stream:
        stream.truncate(320 * 1024 * 1024)
    subprocess.run([make_file_system, "-q", "-m", "reflink=1", str(image)], check=True)
    script = (
        'mount -o loop "$1" "$2" || exit 99; "$3" -c "$4" "$2"; code=$?; umount "$2"; exit $code'
    )
    command = ["unshare", "-m", "sh", "-c", script, "sh", str(image), str(disk)]

    run = subprocess.run(
        [*command, sys.executable, ON_XFS], capture_output=True, text=True, check=False, cwd=ROOT
    )

    if run.returncode == 99 or "unshare failed" in run.stderr:
        pytest.skip("the machine does not let root mount an image")
    assert run.stderr == ""
    assert run.returncode == 0
