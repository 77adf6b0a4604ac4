"""What the hot commands import is what they cost."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from spm import __version__
from spm_spec.lock import Lock, LockEntry, render_lock
from spm_spec.sources import RegistrySource
from spm_spec.versions import Version
from spm_store.roots import root_path
from spm_store.store import Store
from tests.support.program import Program, write_skill
from tests.support.stored import COUNTER, GREETER

HEAVY = {"typer", "pydantic", "aiohttp", "asyncio", "rich", "sqlalchemy", "tomlkit", "yaml"}
_MODULES = """
import sys
from spm.__main__ import main
code = main(sys.argv[1:])
sys.stderr.write("\\n" + " ".join(name for name in sys.modules if "." not in name))
sys.exit(code)
"""


def _imported(program: Program, *words: str, folder: Path) -> set[str]:
    return _imported_by(program, *words, folder=folder, code=0)


def _imported_by(program: Program, *words: str, folder: Path, code: int | None = None) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-I", "-c", _MODULES, *words],
        cwd=folder,
        env=program.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert code is None or done.returncode == code, done.stderr
    return set(done.stderr.rsplit("\n", 1)[-1].split())


@pytest.mark.needs("git")
@pytest.mark.parametrize(
    "words", [["--version"], ["install"], ["install", "--frozen"], ["list"], ["path", "one"]]
)
def test_a_hot_command_imports_nothing_heavy(tmp_path: Path, words: list[str]) -> None:
    program = Program.below(tmp_path)
    write_skill(tmp_path / "skills", "one")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "one"]):
        subprocess.run(
            ["git", *command], cwd=tmp_path / "skills", check=True, env=program.environment
        )
    project = program.project()
    added = program("add", f"git+file://{tmp_path}/skills", folder=project)
    assert added.code == 0, added.err

    imported = _imported(program, *words, folder=project)

    assert imported & HEAVY == set()


def _project_with_one(program: Program, tmp_path: Path) -> Path:
    write_skill(tmp_path / "skills", "one")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "one"]):
        subprocess.run(
            ["git", *command], cwd=tmp_path / "skills", check=True, env=program.environment
        )
    project = program.project()
    added = program("add", f"git+file://{tmp_path}/skills", folder=project)
    assert added.code == 0, added.err
    return project


def _copy_of(project: Path, name: str) -> Path:
    folder = project.with_name(name)
    folder.mkdir()
    for file in ("skills.toml", "skills.lock"):
        (folder / file).write_bytes((project / file).read_bytes())
    return folder


def _laid_out(folder: Path) -> dict[str, object]:
    """Links as they are said, files by their bytes but for times."""
    skills, found = folder / ".roundtable/skills", dict[str, object]()
    for path in sorted(skills.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(skills))] = str(path.readlink())
        elif path.is_file() and ".cache" not in path.parts:
            text = re.sub(rb"\d+-\d+-\d+T[^\"]*", b"TIME", path.read_bytes())
            found[str(path.relative_to(skills))] = (text, path.stat().st_mode)
    return found


def _root_of(program: Program, folder: Path) -> bytes:
    return Path(root_path(str(program.root / "data/store/v1"), str(folder))).read_bytes()


@pytest.mark.needs("git")
def test_a_warm_install_writes_what_the_full_program_writes(tmp_path: Path) -> None:
    program = Program.below(tmp_path)
    project = _project_with_one(program, tmp_path)
    full, warm = _copy_of(project, "full"), _copy_of(project, "warm")

    assert program("install", "--json", folder=full).code == 0
    imported = _imported(program, "install", folder=warm)

    assert not {"typing", "dataclasses", "sqlite3", "json"} & imported
    assert _laid_out(warm) == _laid_out(full)
    assert _root_of(program, warm).replace(b"/warm\n", b"/full\n") == _root_of(program, full)
    everything = program("install", folder=warm)
    assert everything.err == "everything is in place (1 skill)\n"
    assert program("status", folder=warm).code == 0
    assert program("install", "--force", folder=warm).code == 0
    assert _laid_out(warm) == _laid_out(full)


def _forget_shown(program: Program) -> None:
    """Leave the store its trees, but no set and no compiled lock, as if only added."""
    shutil.rmtree(program.root / "cache/locks")
    for folder in (program.root / "data/store/v1/sets").iterdir():
        folder.chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.needs("git")
def test_a_lock_never_shown_is_installed_without_the_full_program(tmp_path: Path) -> None:
    program = Program.below(tmp_path)
    project = _project_with_one(program, tmp_path)
    full, unseen, warm = (_copy_of(project, name) for name in ("full", "unseen", "warm"))
    assert program("install", "--json", folder=full).code == 0
    _forget_shown(program)

    imported = _imported(program, "install", folder=unseen)

    assert imported & HEAVY == set()
    assert _laid_out(unseen) == _laid_out(full)
    assert _root_of(program, unseen).replace(b"/unseen\n", b"/full\n") == _root_of(program, full)
    assert program("store", "verify", folder=unseen).code == 0
    assert list((program.root / "data/store/v1/tmp").iterdir()) == []
    assert "typing" not in _imported(program, "install", folder=warm)
    assert _laid_out(warm) == _laid_out(full)


def _plain_project(program: Program) -> Path:
    """A project whose lock pins two skills of a registry that the store has."""
    entries: list[LockEntry] = []
    with Store.open(program.root / "data/store/v1", durability="none") as store:
        for name, files in (("counter", COUNTER), ("greeter", GREETER)):
            tree = store.add(files, name=name, version="1.0.0").digest
            source = RegistrySource("https://skills.example.org")
            version = Version.parse("1.0.0")
            entries.append(LockEntry(name, version, source, tree, "0" * 64, 7))
    project = program.root / "plain"
    project.mkdir()
    requirements = tuple(f"{entry.name}@^1" for entry in entries)
    (project / "skills.lock").write_text(render_lock(Lock(requirements, {}, tuple(entries))))
    (project / "skills.toml").write_text('[skills]\ngreeter = "^1"\ncounter = "^1"\n')
    return project


@pytest.mark.parametrize("words", [["install"], ["install", "--frozen"]])
def test_a_plain_lock_never_shown_is_installed_with_next_to_nothing(
    tmp_path: Path, words: list[str]
) -> None:
    program = Program.below(tmp_path)
    unseen = _plain_project(program)
    full, warm, other = (_copy_of(unseen, name) for name in ("full", "warm", "other"))

    imported = _imported(program, *words, folder=unseen)

    assert not {"typing", "dataclasses", "re", "json"} & imported
    assert "sqlite3" not in _imported(program, *words, folder=warm)
    (known,) = (program.root / "cache/locks").iterdir()
    compiled = known.read_bytes()
    _forget_shown(program)
    assert program("install", "--json", folder=full).code == 0
    (known,) = (program.root / "cache/locks").iterdir()
    assert known.read_bytes() == compiled
    assert _laid_out(unseen) == _laid_out(full) == _laid_out(warm)
    assert _root_of(program, unseen).replace(b"/plain\n", b"/full\n") == _root_of(program, full)
    done = program(*words, folder=other)
    assert done.err == "installed 2 skills (0 downloaded, 2 from the store)\n"
    assert program("store", "verify", folder=unseen).code == 0
    assert list((program.root / "data/store/v1/tmp").iterdir()) == []


@pytest.mark.needs("git")
@pytest.mark.parametrize("unusual", ["manifest", "copy", "no tree", "damaged lock"])
def test_a_lock_never_shown_that_asks_for_more_is_the_full_programs(
    tmp_path: Path, unusual: str
) -> None:
    program = Program.below(tmp_path)
    project = _project_with_one(program, tmp_path)
    other = _copy_of(project, "other")
    manifest, lock = other / "skills.toml", other / "skills.lock"
    _forget_shown(program)
    match unusual:
        case "manifest":
            manifest.write_text(manifest.read_text() + '[hosts]\npython = "3.12.0"\n')
        case "copy":
            manifest.write_text(manifest.read_text() + '[settings]\nlink-mode = "copy"\n')
        case "no tree":
            tree = tomllib.loads(lock.read_text())["skill"][0]["tree"].removeprefix("blake3:")
            folder = program.root / f"data/store/v1/trees/{tree}-one"
            folder.chmod(0o755)
            folder.rename(tmp_path / "gone")
        case _:
            lock.write_text(lock.read_text().replace('name = "one"', 'name = "two"'))

    imported = _imported_by(program, "install", "--frozen", folder=other)

    assert "typer" in imported


@pytest.mark.needs("git")
def test_a_compiled_lock_that_a_power_cut_damaged_is_made_again(tmp_path: Path) -> None:
    program = Program.below(tmp_path)
    project = _project_with_one(program, tmp_path)
    (known,) = (program.root / "cache/locks").iterdir()
    whole = known.read_bytes()
    known.write_bytes(whole[:-200] + bytes(200))
    other, third = _copy_of(project, "other"), _copy_of(project, "third")

    assert (
        program("install", folder=other).err
        == "installed 1 skill (0 downloaded, 1 from the store)\n"
    )

    assert known.read_bytes() == whole
    assert "typing" not in _imported(program, "install", folder=third)
    assert _laid_out(other) == _laid_out(project)


@pytest.mark.needs("git")
@pytest.mark.parametrize("harm", ["link", "root", "next", "set", "foreign link"])
def test_a_warm_install_leaves_what_is_not_right_to_the_full_program(
    tmp_path: Path, harm: str
) -> None:
    program = Program.below(tmp_path)
    project = _project_with_one(program, tmp_path)
    skills, store = project / ".roundtable/skills", tmp_path / "data/store/v1"
    match harm:
        case "link":
            (skills / "one").unlink()
        case "root":
            Path(root_path(str(store), str(project))).unlink()
        case "next":
            (skills / ".next").symlink_to(".generations/2")
        case "set":
            [made] = [each for each in (store / "sets").iterdir() if (each / "one").is_symlink()]
            made.chmod(0o755)
            (made / "one").unlink()
        case _:
            (skills / "two").symlink_to(".current/skills/two")

    run = program("install", folder=project)

    assert run.code == 0, run.err
    assert program("status", folder=project).code == 0
    assert sorted(path.name for path in skills.glob("[!.]*")) == ["index.json", "one"]
    assert not (skills / ".next").is_symlink()
    assert _root_of(program, project)
    assert (skills / "one/1.0.0/SKILL.md").is_file()


def test_the_version_is_the_one_of_the_distribution() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")

    assert tomllib.loads(text)["project"]["version"] == __version__


def test_version_prints_one_line(tmp_path: Path) -> None:
    run = Program.below(tmp_path)("--version")

    assert (run.code, run.out, run.err) == (0, f"spm {__version__}\n", "")


def test_roundtable_skills_is_the_same_program(tmp_path: Path) -> None:
    program = Program.below(tmp_path)
    command = [str(Path(sys.executable).with_name("roundtable")), "skills", "--version"]

    done = subprocess.run(
        command, env=program.environment, capture_output=True, text=True, check=True
    )

    assert done.stdout == f"spm {__version__}\n"


def test_roundtable_without_skills_says_what_it_knows(tmp_path: Path) -> None:
    program = Program.below(tmp_path)
    command = [str(Path(sys.executable).with_name("roundtable")), "panels"]

    done = subprocess.run(
        command, env=program.environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert done.stderr == (
        "error: this program knows only `roundtable skills`\nhint: try `roundtable skills --help`\n"
    )
