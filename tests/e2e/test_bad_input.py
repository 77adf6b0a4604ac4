"""Whatever is wrong with what a person typed or wrote: a clear refusal, and no change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.program import Program, snapshot, write_skill
from tests.support.projects import ended as run_of
from tests.support.projects import everything, manifest_of, on_full_disk, started, without_override
from tests.support.registry_server import RunningRegistry, running_registry
from tests.support.skill_archives import skill_archive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RELEASES: list[tuple[str, str, dict[str, str]]] = [
    ("alpha", "1.0.0", {}),
    ("alpha", "2.0.0", {}),
    ("ring-one", "1.0.0", {"ring-two": "^1.0"}),
    ("ring-two", "1.0.0", {"ring-one": "^1.0"}),
    ("ring-two", "1.1.0", {"ring-one": "^2.0"}),
    ("torn-one", "1.0.0", {"torn-two": "^1.0"}),
    ("torn-two", "1.0.0", {"torn-one": "^2.0"}),
    ("wants-old", "1.0.0", {"alpha": "^1.0"}),
    ("wants-new", "1.0.0", {"alpha": "^2.0"}),
    ("lonely", "1.0.0", {"nowhere": "^1.0"}),
    ("for-newer", "1.0.0", {"roundtable": ">=9.0"}),
]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """One registry for all tests of this module; none of them publishes."""
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        for name, version, needs in RELEASES:
            running.publish(skill_archive(name, version, dependencies=needs))
        yield running


FORMS = "write it like `^1.2`, `>=1.0 <3` or `*`"


@pytest.mark.parametrize(
    ("words", "code", "error", "hint"),
    [
        (["add", "Alpha"], 3, "skill name `Alpha` must be lower-case", "name it `alpha`"),
        (["add", "a--b"], 3, "skill name `a--b` must be lower-case", "name it `a-b`"),
        (["add", "a" * 65], 3, "65 characters", None),
        (["add", "alpha@^^1"], 3, "`^^1` is not a version range", FORMS),
        (["add", "alpha@"], 3, "alpha@", None),
        (["add", "path:"], 3, "path", None),
        (["add", "path:../nowhere"], 3, "`../nowhere` is not a folder", "relative"),
        (["add", "git+ext::sh"], 3, "git", None),
        (["add", "git+https://u:p@h.example/r"], 3, "credentials", None),
        (["add", "--", "-x"], 3, "`-x` is not a requirement", None),
        (["add", "claude"], 3, "`claude` is provided by the environment", "under [hosts]"),
        (["remove", "alpha"], 3, "`alpha` is not installed", "spm add alpha"),
        (["update", "alpha"], 3, "`alpha` is not installed", "spm add alpha"),
        (["load", "alpha"], 3, "`alpha` is not installed", "spm add alpha"),
        (["call", "alpha", "count"], 3, "`alpha` is not installed", "spm add alpha"),
        (["path", "../alpha"], 3, "`../alpha` is not installed", "spm add"),
        (["tree"], 3, "there is no skills.lock", "run `spm lock` first"),
        (["init"], 3, "`skills.toml` exists already", "spm add NAME"),
        (["new", "Bad Name"], 3, "skill name `Bad Name`", "bad-name"),
        (["new", "../up"], 3, "skill name `../up`", None),
        (["check", "nowhere"], 3, "there is no `nowhere`", "SKILL.md"),
        (["pack", "nowhere"], 3, "`nowhere` is not a folder", "SKILL.md"),
        (["publish", "nowhere"], 3, "`nowhere` is neither a folder nor a file", None),
        (["info", "Alpha"], 3, "skill name `Alpha`", "name it `alpha`"),
        (["info", "alpha@newest"], 3, "`newest`", None),
        (["info", "nowhere"], 3, "has no skill `nowhere`", "spm search nowhere"),
        (["search", "x", "--sort", "luck"], 3, "luck", None),
        (["search", "x", "--registry", "ftp://h.example"], 3, "ftp://h.example", None),
        (["search", "x", "--registry", "not an address"], 3, "not an address", None),
        (["search", "x", "--limit", "0"], 2, "greater than or equal to 1", "spm search --help"),
        (["install", "--bogus"], 2, "No such option: --bogus", "spm install --help"),
        (["no-such-command"], 2, "No such command", "spm --help"),
        (["add"], 2, "Missing argument", "spm add --help"),
        (["add", "nowhere"], 4, "nowhere, which does not exist", "check the spelling"),
        (["add", "alpha@>=9"], 4, "alpha >=9, which no version matches", "2.0.0"),
        (["-C", "nowhere", "list"], 5, "cannot enter `nowhere`", None),
        (["install", "--offline", "--force"], 0, "", None),
    ],
)
def test_a_wrong_command_line_is_refused_and_changes_nothing(
    program: Program,
    registry: RunningRegistry,
    words: list[str],
    code: int,
    error: str,
    hint: str | None,
) -> None:
    project = program.project(manifest=manifest_of(registry.url))
    before = snapshot(project)

    run = program(*words, folder=project)

    assert (run.code, run.out) == (code, ""), run.err
    assert error in run.err
    if code:
        assert run.err.startswith("error: ")
        assert snapshot(project) == before
    if hint is not None:
        assert hint in run.err.partition("\nhint: ")[2]


@pytest.mark.parametrize(
    ("text", "line", "error", "hint"),
    [
        ("[skills\n", 1, "not TOML", ""),
        ('[skills]\na = "*"\na = "*"\n', 3, "`a` is given twice", ""),
        ('[skills]\nBad_Name = "*"\n', 2, "skill name `Bad_Name`", "name it `bad-name`"),
        ('[skills]\n"../a" = "*"\n', 2, "skill name `../a`", ""),
        ('[skills]\nalpha = "^^1"\n', 2, "`^^1` is not a version range", FORMS),
        ("[skills]\nalpha = 1\n", 2, "it must be a version range or a table", "in quotes"),
        ('[skills]\npython = "*"\n', 2, "provided by the environment", "[hosts]"),
        ("[skils]\n", 1, "unknown key `skils`", "did you mean `skills`"),
        ('[skills]\na = { git = "ext::sh" }\n', 2, "can run commands", ""),
        ('[skills]\na = { path = "/etc" }\n', 2, "`/etc`", ""),
        ('[settings]\nlink-mode = "magic"\n', 2, "magic", ""),
        ('[grants.alpha]\nnetwork = ["*"]\n', 2, "network", ""),
        ("<<<<<<< ours\n[skills]\n=======\n>>>>>>> theirs\n", 1, "skills.toml:1", ""),
    ],
)
def test_a_wrong_manifest_is_refused_with_its_line(
    program: Program, text: str, line: int, error: str, hint: str
) -> None:
    project = program.project(manifest=text)

    runs = [program(*words, folder=project) for words in (["install"], ["lock", "--json"])]

    assert [run.code for run in runs] == [3, 3]
    assert runs[0].err.startswith(f"error: skills.toml:{line}: ")
    assert error in runs[0].err
    assert hint in runs[0].err.partition("\nhint: ")[2]
    assert json.loads(runs[1].err)["error"]["message"].startswith(f"skills.toml:{line}: ")
    assert snapshot(project) == {"skills.toml": text.encode()}


def test_a_manifest_that_is_no_text_is_refused_with_the_byte(program: Program) -> None:
    project = program.project()
    (project / "skills.toml").write_bytes(b'[skills]\nalpha = "\xff"\n')

    run = program("install", folder=project)

    assert run.code == 3
    assert run.err.startswith(f"error: {project}/skills.toml: byte 18 is not UTF-8")


@pytest.mark.parametrize(
    ("yaml", "line", "error"),
    [
        ("version: [\n", 2, "[invalid-yaml]"),
        ("version: 1.0.0\nversion: 2.0.0\n", 2, "the key `version` stands here again"),
        ("version: &a 1.0.0\n", 1, "anchors (`&a`) are not allowed"),
        ("version: !!python/name:os.system x\n", 1, "[invalid-yaml]"),
        ('version: 1.0.0\ndependencies:\n  other: "^^1"\n', 3, "`^^1` is not a version range"),
        ('version: 1.0.0\ndependencies:\n  Bad_X: "*"\n', 3, "skill name `Bad_X`"),
        ('version: 1.0.0\npermissions: {network: ["*"]}\n', 2, "is not a host and port"),
    ],
)
def test_a_wrong_skill_yaml_is_refused_with_its_line(
    program: Program, yaml: str, line: int, error: str
) -> None:
    project = program.project(manifest="[skills]\n")
    folder = write_skill(program.root, "wrong")
    (folder / "skill.yaml").write_text(yaml, encoding="utf-8")
    before = snapshot(program.root)

    added = program("add", "path:../wrong", folder=project)
    packed = program("pack", "../wrong", folder=project)
    checked = program("check", "../wrong", "--json", folder=project)

    assert (added.code, packed.code, checked.code) == (3, 3, 1)
    for run in (added, packed):
        assert f"skill.yaml:{line}: " in run.err
        assert error in run.err
    problems = checked.document[0]["problems"]
    assert (checked.document[0]["loads"], checked.document[0]["publishable"]) == (False, False)
    assert ("skill.yaml", line) in {(problem["file"], problem["line"]) for problem in problems}
    assert snapshot(program.root) == before


def test_check_names_every_problem_of_every_skill(program: Program) -> None:
    skills = program.root / "skills"
    write_skill(skills, "good")
    wrong = write_skill(skills, "wrong", version=None, yaml="licence: MIT\ntools: 3\n")
    (wrong / "SKILL.md").write_text("---\nname: other\ndescription: A: b\n---\n", encoding="utf-8")
    broken = write_skill(skills, "broken")
    (broken / "SKILL.md").write_text("no front matter\n", encoding="utf-8")
    linked = write_skill(skills, "linked")
    (linked / "secret").symlink_to("/etc/passwd")

    run = program("check", "skills", "--json")

    verdicts = {
        entry["path"]: (entry["loads"], entry["publishable"], len(entry["problems"]) > 0)
        for entry in run.document
    }
    assert run.code == 1
    assert verdicts == {
        "skills/broken": (False, False, True),
        "skills/good": (True, True, False),
        "skills/linked": (False, False, True),
        "skills/wrong": (True, False, True),
    }
    for entry in run.document:
        for problem in entry["problems"]:
            assert problem["code"]
            assert problem["message"]
            assert problem["severity"] in {"error", "warning"}


def test_a_missing_dependency_names_who_wants_it(
    program: Program, registry: RunningRegistry
) -> None:
    project = program.project(manifest=manifest_of(registry.url))
    before = everything(program, project)

    run = program("add", "lonely", folder=project)

    assert run.code == 4
    assert "lonely" in run.err
    assert "nowhere" in run.err
    assert "does not exist" in run.err
    assert everything(program, project) == before


def test_a_conflict_names_both_sides(program: Program, registry: RunningRegistry) -> None:
    text = manifest_of(registry.url, "wants-old", "wants-new")
    project = program.project(manifest=text)

    run = program("install", "--json", folder=project)

    error = json.loads(run.err)["error"]
    assert run.code == 4
    for word in ("wants-old", "wants-new", "alpha"):
        assert word in error["message"]
    assert snapshot(project) == {"skills.toml": text.encode()}


def test_a_host_package_that_is_too_old_or_missing_is_named(
    program: Program, registry: RunningRegistry
) -> None:
    text = manifest_of(registry.url, "for-newer")
    project = program.project(manifest=text)

    missing = program("install", folder=project)
    (project / "skills.toml").write_text(text + '\n[hosts]\nroundtable = "1.0.0"\n')
    old = program("install", folder=project)

    assert (missing.code, old.code) == (4, 4)
    for run in (missing, old):
        assert "roundtable" in run.err
        assert "for-newer" in run.err
    assert "1.0.0" in old.err


def test_a_cycle_installs_when_its_versions_agree(
    program: Program, registry: RunningRegistry
) -> None:
    project = program.project(manifest=manifest_of(registry.url, "ring-one"))

    run = program("install", folder=project)

    assert run.code == 0, run.err
    listed = program("list", "--json", folder=project).document
    assert {entry["name"]: entry["version"] for entry in listed} == {
        "ring-one": "1.0.0",
        "ring-two": "1.0.0",
    }
    tree = program("tree", folder=project)
    assert tree.out.splitlines() == [
        "ring-one 1.0.0",
        "└── ring-two 1.0.0 (^1.0)",
        "    └── ring-one 1.0.0 (^1.0) (shown above)",
    ]


def test_a_cycle_whose_versions_disagree_is_explained(
    program: Program, registry: RunningRegistry
) -> None:
    project = program.project(manifest=manifest_of(registry.url))
    before = everything(program, project)

    run = program("add", "torn-one", folder=project)

    assert run.code == 4
    assert "torn-one" in run.err
    assert "torn-two" in run.err
    assert everything(program, project) == before


def test_a_skill_that_needs_itself_may_not_be_published(program: Program) -> None:
    write_skill(program.root, "narcissus", needs={"narcissus": "^1.0"})

    run = program("pack", "narcissus")

    assert run.code == 3
    assert "narcissus" in run.err
    assert not list(program.root.glob("*.spm"))


DATA_COMMANDS = [
    ["check", "."],
    ["pack", "."],
    ["publish", "."],
    ["search", "x"],
    ["info", "x"],
    ["tags"],
    ["add", "x"],
    ["remove", "x"],
    ["lock"],
    ["install"],
    ["update"],
    ["list"],
    ["tree"],
    ["load", "x"],
    ["call", "x", "y"],
    ["store", "list"],
    ["store", "info"],
    ["store", "du"],
    ["store", "gc"],
    ["store", "why", "x"],
    ["store", "rebuild"],
    ["store", "import", "x"],
    ["store", "verify"],
    ["cache", "size"],
]


@pytest.mark.parametrize("words", DATA_COMMANDS, ids=" ".join)
def test_every_command_that_prints_data_refuses_in_one_line_of_json(
    program: Program, words: list[str]
) -> None:
    run = program(*words, "--json", SPM_DATA="not/absolute", SPM_REGISTRY="ftp://h.example")
    usage = program(*words, "--json", "--bogus")

    for refused, code in ((run, 3), (usage, 2)):
        assert (refused.code, refused.out, refused.err.count("\n")) == (code, "", 1), refused.err
        error = json.loads(refused.err)["error"]
        assert set(error) == {"kind", "message", "hint"}
        assert error["message"]


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("version = 1", "version = 99", 3, "skills.lock:"),
        ('tree = "blake3:', 'tree = "blake3:00', 3, "skills.lock:"),
        ('tree = "blake3:', 'other = "', 3, "skills.lock:"),
        ('name = "alpha"', 'name = "beta"', 3, "skills.lock"),
        ("[[skill]]\n", "<<<<<<< ours\n[[skill]]\n", 3, "merge"),
        ("[[skill]]\n", "[[skill]]\nsurprise = true\n", 3, "surprise"),
    ],
)
def test_an_edited_lock_is_refused(
    program: Program, registry: RunningRegistry, old: str, new: str, code: int, said: str
) -> None:
    project = program.project(manifest=manifest_of(registry.url, "alpha"))
    assert program("install", folder=project).code == 0
    lock = project / "skills.lock"
    text = lock.read_text()
    assert old in text
    lock.write_text(text.replace(old, new, 1))
    before = everything(program, project)

    runs = [program(*words, folder=project) for words in (["install"], ["install", "--frozen"])]

    for run in runs:
        assert run.code == code, run.err
        assert said in run.err
        assert "\nhint: " in run.err
    assert everything(program, project) == before


def test_a_lock_with_another_digest_is_never_satisfied(
    program: Program, registry: RunningRegistry
) -> None:
    project = program.project(manifest=manifest_of(registry.url, "alpha"))
    assert program("lock", folder=project).code == 0
    lock = project / "skills.lock"
    text = lock.read_text()
    digest = text.partition("blake3:")[2][:64]
    lock.write_text(text.replace(digest, "ab" * 32))
    before = everything(program, project)

    run = program("install", "--frozen", folder=project)

    assert run.code == 6
    assert f"expected blake3:{'ab' * 32}, got blake3:{digest}" in run.err
    assert everything(program, project) == before


def test_a_lock_with_another_archive_checksum_is_never_satisfied(
    program: Program, registry: RunningRegistry
) -> None:
    project = program.project(manifest=manifest_of(registry.url, "alpha"))
    assert program("lock", folder=project).code == 0
    lock = project / "skills.lock"
    text = lock.read_text()
    sha256 = text.partition('sha256 = "')[2][:64]
    lock.write_text(text.replace(sha256, "ab" * 32))
    before = everything(program, project)

    run = program("install", "--frozen", folder=project)

    assert run.code in {3, 5, 6}
    assert "ab" * 32 in run.err
    assert everything(program, project) == before


def test_a_lock_that_swaps_two_skills_is_refused(
    program: Program, registry: RunningRegistry
) -> None:
    """Both trees are in the store already, so no download would notice."""
    project = program.project(manifest=manifest_of(registry.url, "alpha", "wants-new"))
    assert program("install", folder=project).code == 0
    lock = project / "skills.lock"
    first, second, third = lock.read_text().split("[[skill]]\n")
    one, other = (part.partition('tree = "')[2][:71] for part in (second, third))
    swapped = (second.replace(one, other), third.replace(other, one))
    lock.write_text("[[skill]]\n".join((first, *swapped)))
    before = everything(program, project)

    run = program("install", "--frozen", folder=project)

    assert run.code == 6, run.err
    assert "`alpha` 2.0.0" in run.err
    assert "it is `wants-new` in the store" in run.err
    assert everything(program, project) == before


def test_a_lock_that_widens_a_policy_is_refused_before_the_skill_is_loaded(
    program: Program,
) -> None:
    write_skill(program.root, "modest")
    project = program.project(
        manifest='[skills]\nmodest = { path = "../modest" }\n'
        '[grants.modest]\nnetwork = ["api.example.org:443"]\n'
    )
    assert program("install", folder=project).code == 0
    lock = project / "skills.lock"
    written = lock.read_text()
    lock.write_text(written.rstrip("\n") + '\npolicy = { network = ["api.example.org:443"] }\n')

    run = program("load", "modest", folder=project)

    assert run.code == 6, run.err
    assert "it asks for other rights than were stated for it" in run.err
    assert run.out == ""


def test_a_damaged_index_is_written_again(program: Program, registry: RunningRegistry) -> None:
    project = program.project(manifest=manifest_of(registry.url, "alpha"))
    assert program("install", folder=project).code == 0
    index = project / ".roundtable/skills/index.json"
    outside = program.root / "outside"
    skill = {"installedAt": "", "source": "", "checksum": "", "version": "1.0.0"}
    damaged = [
        b"{",
        json.dumps({"installedSkills": [skill | {"name": f"../../../{outside}"}]}).encode(),
    ]
    for text in damaged:
        index.write_bytes(text)

        listed = program("list", folder=project)
        installed = program("install", folder=project)

        assert listed.code == 3
        assert "run `spm install` to write it again" in listed.err
        assert installed.code == 0, installed.err
        assert program("list", folder=project).out.startswith("alpha  2.0.0")


@pytest.mark.parametrize("mode", ["symlink", "copy"])
@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_a_person_put_in_the_way_is_replaced_only_with_force(
    program: Program, registry: RunningRegistry, kind: str, mode: str
) -> None:
    more = f'\n[settings]\nlink-mode = "{mode}"\n'
    text = manifest_of(registry.url, "alpha", "wants-new", more=more)
    project = program.project(manifest=text)
    place = project / ".roundtable/skills/wants-new"
    mine = program.root / "mine"
    mine.mkdir()
    (mine / "precious").write_text("mine")
    place.parent.mkdir(parents=True)
    match kind:
        case "folder":
            place = place / "1.0.0"
            place.mkdir(parents=True)
            (place / "notes.md").write_text("mine")
        case "file":
            place.write_text("mine")
        case _:
            place.symlink_to(mine)
    before = everything(program, project)

    refused = program("install", folder=project)

    assert refused.code == 3, refused.err
    assert str(project / ".roundtable/skills/wants-new") in refused.err
    assert "hint: move it away, or replace it with `--force`" in refused.err
    assert everything(program, project) == before
    forced = program("install", "--force", folder=project)
    assert forced.code == 0, forced.err
    assert (project / ".roundtable/skills/wants-new/1.0.0/SKILL.md").is_file()
    assert (mine / "precious").read_text() == "mine"


def test_a_changed_private_copy_is_replaced_or_removed_only_with_force(
    program: Program, registry: RunningRegistry
) -> None:
    more = '\n[settings]\nlink-mode = "copy"\n'
    project = program.project(manifest=manifest_of(registry.url, "alpha", more=more))
    assert program("install", folder=project).code == 0
    (project / ".roundtable/skills/alpha/2.0.0/SKILL.md").write_text("changed by hand")
    before = everything(program, project)

    refused = [
        program(*words, folder=project) for words in (["remove", "alpha"], ["add", "alpha@^1"])
    ]

    assert [run.code for run in refused] == [3, 3]
    for run in refused:
        assert "a private copy that was changed since it was installed" in run.err
    assert everything(program, project) == before
    forced = program("remove", "alpha", "--force", folder=project)
    assert forced.code == 0, forced.err
    assert not (project / ".roundtable/skills/alpha").exists()


def test_a_changed_folder_is_locked_again_but_never_by_a_frozen_install(program: Program) -> None:
    folder = write_skill(program.root, "local")
    project = program.project(manifest='[skills]\nlocal = { path = "../local" }\n')
    assert program("install", folder=project).code == 0
    (folder / "SKILL.md").write_text(
        "---\nname: local\ndescription: Does more.\n---\n\nMore.\n", encoding="utf-8"
    )
    before = everything(program, project)

    frozen = program("install", "--frozen", folder=project)
    unchanged = everything(program, project)
    installed = program("install", folder=project)

    assert frozen.code == 1
    assert "the files of `local` in `../local` changed" in frozen.err
    assert "hint: run `spm lock`" in frozen.err
    assert unchanged == before
    assert installed.code == 0
    assert "~ local 1.0.0 (" in installed.err
    text = (project / ".roundtable/skills/local/1.0.0/SKILL.md").read_text()
    assert "Does more." in text


@pytest.mark.parametrize("where", ["store", "project", "skills"])
def test_a_folder_that_may_not_be_written_is_named(
    program: Program, registry: RunningRegistry, where: str
) -> None:
    before = without_override()
    project = program.project(manifest=manifest_of(registry.url))
    (project / ".roundtable/skills").mkdir(parents=True)
    closed = {
        "store": program.root / "data",
        "project": project,
        "skills": project / ".roundtable/skills",
    }[where]
    closed.mkdir(exist_ok=True)
    found = everything(program, project)
    closed.chmod(0o555)
    try:
        run = run_of(started(program, "add", "alpha", folder=project, before=before))
    finally:
        closed.chmod(0o755)

    assert run.code == 5, run.err
    assert f"error: {closed}" in run.err
    assert "permission denied" in run.err
    assert "\nhint: " in run.err
    after = everything(program, project)
    assert {name: data for name, data in after.items() if name.startswith("project/")} == found


def test_a_manifest_that_may_not_be_read_is_named(program: Program) -> None:
    before = without_override()
    project = program.project(manifest="[skills]\n")
    (project / "skills.toml").chmod(0)

    run = run_of(started(program, "list", folder=project, before=before))
    locked = run_of(started(program, "lock", folder=project, before=before))

    assert run.code == 0, run.err
    assert locked.code == 5
    assert f"{project}/skills.toml: permission denied" in locked.err


@pytest.mark.parametrize("where", ["data", "project"])
def test_a_full_disk_is_an_environment_failure_and_changes_nothing(
    program: Program, registry: RunningRegistry, tmp_path: Path, where: str
) -> None:
    """The small disk is seen by the program alone, so what it holds is looked at from inside."""
    project = program.project(manifest=manifest_of(registry.url))
    script = (
        'cp "$1"/skills.toml "$2"/ 2>/dev/null; cd "$2" || exit 99; shift 2;'
        ' dd if=/dev/zero of=fill bs=1k >/dev/null 2>&1; "$@"; code=$?;'
        " find . -type f ! -name fill ! -name .lock ! -name gc.lock ! -name '*.sqlite*' >&2;"
        " exit $code"
    )
    small = tmp_path / "small"
    small.mkdir()
    wrap = (*on_full_disk(small, "96k"), "sh", "-c", script, "sh", str(project), str(small))
    settings = {"SPM_DATA": str(small / "data")} if where == "data" else {}
    words = ["-C", str(project)] if where == "data" else []

    run = run_of(started(program, *words, "add", "alpha", folder=project, before=wrap, **settings))

    assert run.code == 5, run.err
    assert str(small) in run.err
    assert "no space left on device" in run.err or "disk is full" in run.err
    assert "hint: free some space" in run.err
    assert snapshot(project) == {"skills.toml": manifest_of(registry.url).encode()}
    left = [line for line in run.err.splitlines() if line.startswith("./")]
    assert left == ["./skills.toml"]


def test_a_file_that_would_grow_too_large_is_an_environment_failure(
    program: Program, registry: RunningRegistry
) -> None:
    project = program.project(manifest=manifest_of(registry.url))
    before = everything(program, project)
    limited = ("sh", "-c", 'ulimit -f 0; exec "$@"', "sh")

    run = run_of(started(program, "add", "alpha", folder=project, before=limited))

    assert run.code == 5, run.err
    assert str(program.root) in run.err
    assert everything(program, project) == before


def test_a_new_skill_is_made_whole_or_not_at_all(program: Program) -> None:
    limited = ("sh", "-c", 'ulimit -f 0; exec "$@"', "sh")

    run = run_of(started(program, "new", "tidy", folder=program.root, before=limited))

    assert run.code == 5, run.err
    assert "file too large" in run.err
    assert snapshot(program.root) == {}
    assert not list(program.root.iterdir())


@pytest.mark.parametrize("words", [["list"], ["list", "--json"], ["path", "alpha"], ["tree"]])
def test_a_reader_that_leaves_early_is_no_error(
    program: Program, registry: RunningRegistry, words: list[str]
) -> None:
    project = program.project(manifest=manifest_of(registry.url, "alpha"))
    assert program("install", folder=project).code == 0
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        [sys.executable, "-m", "spm", *words],
        cwd=project,
        env=program.environment,
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)

    assert (done.returncode, done.stderr) == (0, b"")


def test_a_token_that_can_be_none_is_refused_and_never_shown(program: Program) -> None:
    write_skill(program.root, "good")
    for token in ("spm_sec\nret", "spm sec ret", "spm_s\u00e9cret"):
        run = program(
            "publish", "good", "--registry", "http://127.0.0.1:9", "--json", SPM_TOKEN=token
        )

        error = json.loads(run.err)["error"]
        assert run.code == 3
        assert error["message"].startswith("the token is not 1 to 4096 printable characters")
        assert "SPM_TOKEN" in error["hint"]
        assert token not in run.err
        assert "cret" not in run.err


def test_an_archive_larger_than_any_registry_takes_is_not_read(program: Program) -> None:
    with (program.root / "huge.spm").open("wb") as file:
        file.truncate(1 << 40)

    run = program("publish", "huge.spm", "--registry", "http://127.0.0.1:9", SPM_TOKEN="spm_secret")

    assert run.code == 3
    assert (
        run.err == "error: `huge.spm` has 1099511627776 bytes, registries take at most 67108864\n"
    )


def test_a_damaged_index_of_the_store_is_named_and_moving_it_away_helps(
    program: Program, registry: RunningRegistry
) -> None:
    project = program.project(manifest=manifest_of(registry.url, "alpha"))
    assert program("install", folder=project).code == 0
    index = program.root / "data/store/v1/index.sqlite"
    index.write_bytes(b"no database" * 999)
    before = everything(program, project)

    commands = [["install", "--force"], ["load", "alpha"], ["store", "verify"]]
    runs = [program(*words, folder=project) for words in commands]

    assert everything(program, project) == before
    for run in runs:
        assert run.code == 5, run.err
        assert f"error: {index}: file is not a database\nhint: `spm store rebuild`" in run.err
    assert program("store", "rebuild").code == 0
    assert program("install", "--frozen", folder=project).code == 0
    assert program("load", "alpha", folder=project).code == 0
    assert program("store", "verify").code == 0
