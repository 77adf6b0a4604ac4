"""The story itself, chapter by chapter; every claim in it is checked as it is told."""

from __future__ import annotations

import json
from pathlib import Path
from time import monotonic

from spm import console
from spm.demo.listener import answers, listener
from spm.demo.stage import (
    ClaimFailed,
    Stage,
    bytes_held,
    bytes_named,
    digests,
    installed_files,
    registry,
    remove,
    stage,
)
from spm_spec.errors import EXIT_DONE, EXIT_MISTAKE, EXIT_NO, SpmError

EXAMPLES = (
    "changelog-writer",
    "code-review-checklist",
    "table-core",
    "table-stats",
    "table-chart",
    "table-report",
    "link-checker",
    "pretend-helper",
)
FRAMEWORKS = {"claude": "input_schema", "openai": "strict", "google": "parameters"}
"""For each framework a key that its tools have and the others' have not in that place."""
SALES = "region,amount\nnorth,120\nsouth,80\nnorth,60\n"


def tell(keep: str | None) -> int:
    """Play the story; returns an exit code."""
    started = monotonic()
    root = None
    try:
        with stage(keep) as on:
            root = on.root
            _play(on)
        if keep is None and root.exists():
            raise ClaimFailed(f"`{root}` was left behind")
    except SpmError as error:
        console.complain(error)
        return EXIT_NO
    left = f"its folder is `{keep}`" if keep else "nothing was left behind"
    console.put("")
    console.put(f"{on.claims} claims held, {monotonic() - started:.0f} s; {left}")
    return EXIT_DONE


def _play(on: Stage) -> None:
    examples = _examples()
    on.chapter("1. A registry, from one folder")
    token = on.spm("registry", "token", "create", "--data", "registry", "ada", show=False).strip()
    with registry(on) as url:
        on.claim(f"it answers at {url}", answers(url))
        _publish(on, examples, url, token)
        _search(on, url)
        first, second = _install(on, url)
        _share(on, first, second)
        _reinstall(on, first, second)
        _call(on, first)
        _shapes(on, first)
    _offline(on, first, url)
    _repair(on, first)
    _go_back(on, first)
    _over_ask(on, second)
    _attack(on, second)


def _examples() -> Path:
    """The folder of the example skills: beside this module, or in a checkout's root."""
    installed = Path(__file__).with_name("examples")
    return installed if installed.is_dir() else Path(__file__).parents[3] / "examples"


def _publish(on: Stage, examples: Path, url: str, token: str) -> None:
    on.chapter("2. Eight skills are checked, packed and published")
    checked = on.spm("check", str(examples)).splitlines()
    wanted = [f"{examples / name}: may be published" for name in sorted(EXAMPLES)]
    on.claim(
        f"all {len(EXAMPLES)} may be published, without a single warning",
        checked == wanted,
        "\n".join(sorted(set(checked) - set(wanted))),
    )
    for name in EXAMPLES:
        where = ("--registry", url)
        on.spm("publish", str(examples / name), *where, settings={"SPM_TOKEN": token})
    on.spm("new", "uninvited", show=False)
    on.spm("check", "uninvited", show=False)
    on.spm("publish", "uninvited", "--registry", url, expect=EXIT_MISTAKE, show=False)
    page = on.document("search", "--registry", url)
    names = sorted(skill["name"] for skill in page["skills"])
    on.claim("without a token nothing is published", names == sorted(EXAMPLES), names)


def _search(on: Stage, url: str) -> None:
    on.chapter("3. Search")
    found = on.spm("search", "table", "--registry", url)
    names = {line.split()[0] for line in found.splitlines()}
    expected = {name for name in EXAMPLES if name.startswith("table-")}
    on.claim("the search finds the table skills and no other", names == expected, names)


def _install(on: Stage, url: str) -> tuple[Path, Path]:
    on.chapter("4. Two projects install what they need, and what that needs")
    projects = (on.root / "reports", on.root / "notes")
    wanted = (
        ("table-report",),
        ("changelog-writer", "table-report", "link-checker", "pretend-helper"),
    )
    for project, names in zip(projects, wanted, strict=True):
        project.mkdir()
        on.spm("init", "--registry", url, folder=project, show=False)
        on.spm("add", *names, folder=project)
    on.spm("tree", folder=projects[0])
    skills = on.document("tree", folder=projects[0])
    chosen = [
        need["version"]
        for skill in skills
        for need in skill["needs"]
        if need["name"] == "table-core"
    ]
    on.claim(
        "both sides of the diamond share one table-core",
        len(chosen) == 2 and len(set(chosen)) == 1,  # noqa: PLR2004
        chosen,
    )
    return projects


def _share(on: Stage, first: Path, second: Path) -> None:
    on.chapter("5. What two projects share is on the disk once")
    projects = [installed_files(_skills(project)) for project in (first, second)]
    shared = sorted(set(projects[0]) & set(projects[1]))
    same = [name for name in shared if projects[0][name].samefile(projects[1][name])]
    on.claim(f"all {len(shared)} files that both have are the same files", same == shared != [])
    every = [path for project in projects for path in project.values()]
    named, held = bytes_named(every), bytes_held(every)
    on.claim(
        f"the skills of both projects add up to {named} bytes, of which the disk holds {held}",
        held < named,
    )
    size = on.document("store", "info")
    on.claim("the store holds these bytes and no others", size["bytes"] == held, size)
    report = on.document("install", "--force", folder=second)
    on.claim("nothing is downloaded twice", report["downloaded"] == 0, report)


def _skills(project: Path) -> Path:
    return project / ".roundtable" / "skills"


def _reinstall(on: Stage, first: Path, second: Path) -> None:
    on.chapter("6. Everything is wiped and installed again from the locks")
    projects = (first, second)
    locks = [(project / "skills.lock").read_bytes() for project in projects]
    before = [digests(installed_files(_skills(project))) for project in projects]
    for folder in (*map(_skills, projects), on.root / "data", on.root / "cache"):
        remove(folder)
    for project in projects:
        on.spm("install", "--frozen", folder=project)
    after = [digests(installed_files(_skills(project))) for project in projects]
    count = sum(map(len, after))
    on.claim(f"all {count} files are back, byte for byte", before == after and count > 0)
    unchanged = [(project / "skills.lock").read_bytes() for project in projects]
    on.claim("the locks did not change", locks == unchanged)


def _call(on: Stage, project: Path) -> None:
    on.chapter("7. A tool is called, in the sandbox")
    arguments = json.dumps({"csv": SALES, "column": "amount"})
    answer = on.document("call", "table-stats", "describe", arguments, folder=project, show=True)
    on.claim("three rows were counted, 260 in all", _counted(answer["result"]), answer)
    on.claim(f"the sandbox was of tier {answer['tier']}", answer["tier"] in {"strong", "landlock"})


def _counted(result: dict[str, object]) -> bool:
    return (result["count"], result["sum"]) == (3, 260)


def _shapes(on: Stage, project: Path) -> None:
    on.chapter("8. One skill, three frameworks")
    for framework, key in FRAMEWORKS.items():
        on.spm("load", "table-stats", "--for", framework, folder=project)
        shape = on.document("load", "table-stats", "--for", framework, folder=project)
        tools = shape["tools"]
        fits = bool(tools) and all(key in tool for tool in tools)
        on.claim(f"{framework} gets {len(tools)} tools in its own shape", fits, tools)


def _offline(on: Stage, project: Path, url: str) -> None:
    on.chapter("9. The registry is gone; what is locked still installs")
    on.claim(f"nobody answers at {url} any more", not answers(url))
    before = digests(installed_files(_skills(project)))
    remove(_skills(project))
    on.spm("install", "--frozen", "--offline", folder=project)
    after = digests(installed_files(_skills(project)))
    on.claim(f"all {len(after)} files are back", after == before and bool(after))


def _repair(on: Stage, project: Path) -> None:
    on.chapter("10. A file of the store is damaged, and repaired from the whole copies")
    before = digests(installed_files(_skills(project)))
    harmed = next(path for path in installed_files(_skills(project)).values()).resolve()
    whole = harmed.read_bytes()
    harmed.parent.chmod(0o755)
    harmed.unlink()
    harmed.write_bytes(b"not what was reviewed\n")
    damaged = json.loads(on.spm("store", "verify", "--json", expect=EXIT_NO))
    on.claim("it is found", any(item["path"] == str(harmed) for item in damaged), damaged)
    on.spm("store", "verify", "--repair")
    on.claim("it is what it was", harmed.read_bytes() == whole)
    on.claim("as is all the rest", digests(installed_files(_skills(project))) == before)


def _go_back(on: Stage, project: Path) -> None:
    on.chapter("11. A change is taken back; what nobody needs is collected")
    texts = [(project / name).read_bytes() for name in ("skills.toml", "skills.lock")]
    before = digests(installed_files(_skills(project)))
    on.spm("remove", "table-report", "--offline", folder=project)
    on.claim("the skills are gone", not installed_files(_skills(project)))
    on.spm("rollback", folder=project)
    after = [(project / name).read_bytes() for name in ("skills.toml", "skills.lock")]
    on.claim("manifest and lock are what they were", after == texts)
    on.claim("and every file", digests(installed_files(_skills(project))) == before)
    collected = on.document("store", "gc", "--max-age", "0")
    needed = digests(installed_files(_skills(project))) == before
    on.claim(f"a collection keeps all {collected['needed']} trees", needed, collected)


def _over_ask(on: Stage, project: Path) -> None:
    on.chapter("12. A skill asks for more than it is granted")
    report = on.document("install", "--force", folder=project)
    warnings = [warning for warning in report["warnings"] if "`link-checker`" in warning]
    for warning in warnings:
        on.tell(console.printable(warning))
    on.claim("the install says so", any("network" in warning for warning in warnings), report)
    with listener() as outside:
        arguments = json.dumps({"addresses": [f"https://127.0.0.1:{outside.port}/"]})
        answer = on.document("call", "link-checker", "check", arguments, folder=project)
    verdict = answer["result"][0]
    on.tell(console.printable(f"link-checker: {verdict['verdict']}, {verdict['reason']}"))
    on.claim("it runs, without the network", verdict["verdict"] == "unknown", answer)
    on.claim("nothing reached the address it was to check", outside.reached == 0)


def _attack(on: Stage, project: Path) -> None:
    on.chapter("13. A skill attacks, and is refused")
    secret = on.root / "home" / ".ssh" / "id_ed25519"
    secret.parent.mkdir()
    secret.write_text("a secret of the demo\n", encoding="utf-8")
    with listener() as outside:
        arguments = json.dumps({"secret": str(secret), "port": outside.port})
        answer = on.document(
            *("call", "pretend-helper", "help", arguments),
            folder=project,
            settings={"DEMO_SECRET": "in the environment of who calls"},
        )
    attempts = answer["result"]["attempts"]
    for attempt in attempts:
        verdict = "succeeded" if attempt["succeeded"] else "refused"
        on.tell(console.printable(f"{attempt['name']}: {verdict} ({attempt['detail']})"))
    hits = [attempt for attempt in attempts if attempt["succeeded"]]
    on.claim(f"{len(attempts)} attempts, none succeeded", bool(attempts) and not hits, hits)
    on.claim("no connection came out of the sandbox", outside.reached == 0)
    beside = [path.name for path in secret.parent.iterdir()]
    on.claim("nothing was written beside the secret", beside == [secret.name], beside)
    damaged = on.document("store", "verify")
    on.claim("the store is as it was", damaged == [], damaged)
