"""The demo: its story is told once as it is, and then with something in it that did not happen."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from spm.demo import story
from spm.demo.listener import answers, listener
from spm.demo.stage import ClaimFailed, Stage, bytes_held, bytes_named, stage
from spm_spec.errors import EXIT_NO
from tests.support.program import Program
from tests.support.sandbox_host import require_sandbox

EXAMPLES = Path(__file__).parents[2] / "examples"
DEMO_SECONDS = 150


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the demo makes its folder, so that a test sees what is left there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.mark.needs("sandbox")
@pytest.mark.timeout(DEMO_SECONDS)
def test_the_demo_tells_its_story_and_leaves_nothing_behind(tmp_path: Path) -> None:
    require_sandbox()
    program = Program.below(tmp_path)
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    done = subprocess.run(
        [sys.executable, "-m", "spm", "demo"],
        cwd=tmp_path,
        env=program.environment | {"TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        timeout=DEMO_SECONDS,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["temporary"]
    assert list(temporary.iterdir()) == []
    held = re.search(r"(\d+) claims held, \d+ s; nothing was left behind\n$", done.stdout)
    assert held is not None
    assert done.stdout.count("  ok: ") == int(held[1]) > 20
    address = re.search(r"http://127\.0\.0\.1:\d+", done.stdout)
    assert address is not None
    assert not answers(address[0])


def test_a_claim_that_does_not_hold_ends_the_story(tmp_path: Path) -> None:
    on = Stage(tmp_path)

    with pytest.raises(ClaimFailed) as caught:
        on.claim("two and two are five", held=False, evidence=4)

    assert caught.value.message == "the demo claims: two and two are five; it did not happen: 4"
    assert caught.value.exit_code == EXIT_NO
    assert on.claims == 0


def test_a_command_that_ends_otherwise_ends_the_story(tmp_path: Path) -> None:
    on = Stage(tmp_path)

    with pytest.raises(ClaimFailed, match=r"`spm list` ended with 3, not 0: error: "):
        on.spm("list")


def test_an_example_that_may_not_be_published_fails_the_demo_and_leaves_nothing(
    tmp_path: Path,
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    examples = shutil.copytree(EXAMPLES, tmp_path / "examples")
    text = (examples / "table-core" / "SKILL.md").read_text(encoding="utf-8")
    (examples / "table-core" / "SKILL.md").write_text(
        text.replace("name: table-core", "name: Table Core"), encoding="utf-8"
    )
    monkeypatch.setattr(story, "_examples", lambda: examples)

    code = story.tell(None)

    told = capfd.readouterr()
    assert code == EXIT_NO
    assert f"`spm check {examples}` ended with 1, not 0: " in told.err
    assert "SKILL.md:2: warning: " in told.err
    assert "[invalid-name] (blocks publish)" in told.err
    assert "claims held" not in told.out
    assert list(temporary.iterdir()) == []


def test_what_is_wrong_with_an_example_is_noticed_even_where_commands_succeed(
    tmp_path: Path,
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    examples = shutil.copytree(EXAMPLES, tmp_path / "examples")
    text = (examples / "table-core" / "SKILL.md").read_text(encoding="utf-8")
    (examples / "table-core" / "SKILL.md").write_bytes(text.replace("\n", "\r\n").encode())
    monkeypatch.setattr(story, "_examples", lambda: examples)

    code = story.tell(None)

    assert code == EXIT_NO
    assert (
        "the demo claims: all 8 may be published, without a single warning; it did not happen: "
        in capfd.readouterr().err
    )
    assert list(temporary.iterdir()) == []


def test_a_folder_to_keep_must_be_a_new_one(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = story.tell(str(tmp_path))

    assert code == EXIT_NO
    assert (
        capfd.readouterr().err == f"error: `{tmp_path}` exists already\nhint: name a new folder\n"
    )


def test_a_stage_is_removed_whatever_happens_on_it(temporary: Path) -> None:
    with suppress(ClaimFailed), stage(None) as on:
        (on.root / "data" / "tree").mkdir(parents=True)
        (on.root / "data" / "tree").chmod(0o555)
        on.claim("this holds", held=False)

    assert list(temporary.iterdir()) == []


def test_a_listener_counts_who_reaches_it() -> None:
    with listener() as outside:
        socket.create_connection(("127.0.0.1", outside.port)).close()

    assert outside.reached == 1
    assert not answers(f"http://127.0.0.1:{outside.port}")


def test_two_names_of_one_file_are_held_once(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"12345")
    (tmp_path / "two").hardlink_to(tmp_path / "one")
    (tmp_path / "other").write_bytes(b"123")
    files = list(tmp_path.iterdir())

    assert (bytes_named(files), bytes_held(files)) == (13, 8)
