"""The story itself, chapter by chapter; every claim in it is checked as it is told."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, cast

from spm import console
from spm.demo.stage import ClaimFailed, Stage, digests, registry, stage
from spm_spec.errors import EXIT_DONE, EXIT_NO, SpmError

if TYPE_CHECKING:
    from collections.abc import Generator

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
FRAMEWORKS = ("claude", "openai", "google")
SALES = "region,amount\nnorth,120\nsouth,80\nnorth,60\n"


def tell(keep: str | None) -> int:
    """Play the story; returns an exit code."""
    started = monotonic()
    try:
        with stage(keep) as on:
            claims = _play(on)
    except SpmError as error:
        console.complain(error)
        return EXIT_NO
    if keep is None and on.root.exists():
        console.complain(ClaimFailed(f"`{on.root}` was left behind"))
        return EXIT_NO
    console.put("")
    console.put(f"{claims} claims held, {monotonic() - started:.0f} s; nothing was left behind")
    return EXIT_DONE


def _play(on: Stage) -> int:
    examples = _examples()
    on.chapter("1. A registry, from one folder")
    token = on.spm("registry", "token", "create", "--data", "registry", "ada", show=False).strip()
    with registry(on) as url:
        on.tell(f"it listens on {url}")
        _publish(on, examples, url, token)
        _search(on, url)
        first, second = _install(on, url)
        _share(on, first, second)
        _reinstall(on, first, second)
        _call(on, first)
        _shapes(on, first)
        _over_ask(on, second)
    on.chapter("9. The registry is gone; what is locked still installs")
    on.spm("install", "--frozen", "--offline", folder=first)
    _attack(on, second)
    return on.claims


def _examples() -> Path:
    """The folder of the example skills: beside this module, or in a checkout's root."""
    installed = Path(__file__).with_name("examples")
    return installed if installed.is_dir() else Path(__file__).parents[3] / "examples"


def _publish(on: Stage, examples: Path, url: str, token: str) -> None:
    on.chapter("2. Eight skills are checked, packed and published")
    on.spm("check", str(examples), show=False)
    on.claim("all eight may be published", held=True)
    for name in EXAMPLES:
        on.spm("publish", str(examples / name), "--registry", url, token=token)
    on.spm("publish", str(examples / "table-core"), "--registry", url, expect=3, show=False)
    on.claim("without a token nothing is published", held=True)


def _search(on: Stage, url: str) -> None:
    on.chapter("3. Search")
    on.spm("search", "table", "--registry", url)
    page = on.document("search", "table", "--registry", url)
    skills = cast("list[dict[str, object]]", page["skills"])
    names = {str(skill["name"]) for skill in skills}
    on.claim("the search finds the table skills", "table-report" in names, names)


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
    lock = (projects[0] / "skills.lock").read_text(encoding="utf-8")
    on.claim(
        "both sides of the diamond share one table-core",
        lock.count('name = "table-core"') == 1,
        lock,
    )
    return projects


def _share(on: Stage, first: Path, second: Path) -> None:
    on.chapter("5. What two projects share is on the disk once")
    files = [
        Path(on.spm("path", "table-core", folder=project, show=False).strip()) / "SKILL.md"
        for project in (first, second)
    ]
    on.claim("the same file in both projects is the same inode", files[0].samefile(files[1]))
    report = on.document("install", "--force", folder=second)
    on.claim("nothing was downloaded twice", report["downloaded"] == 0, report)
    on.spm("store", "size")


def _reinstall(on: Stage, first: Path, second: Path) -> None:
    on.chapter("6. Everything is wiped and installed again from the locks")
    from spm.demo.stage import remove

    skills = [project / ".roundtable" / "skills" for project in (first, second)]
    locks = [(project / "skills.lock").read_bytes() for project in (first, second)]
    before = [_skill_digests(folder) for folder in skills]
    for folder in (*skills, on.root / "data"):
        remove(folder)
    for project in (first, second):
        on.spm("install", "--frozen", folder=project)
    after = [_skill_digests(folder) for folder in skills]
    count = sum(map(len, after))
    on.claim(f"all {count} files are back, byte for byte", before == after and count > 0)
    unchanged = [(project / "skills.lock").read_bytes() for project in (first, second)]
    on.claim("the locks did not change", locks == unchanged)


def _skill_digests(skills: Path) -> dict[str, str]:
    folders = sorted(path for path in skills.glob("*/*") if path.is_dir())
    found: dict[str, str] = {}
    for folder in folders:
        for path, digest in digests([folder]).items():
            found[f"{folder.parent.name}/{folder.name}/{path}"] = digest
    return found


def _call(on: Stage, project: Path) -> None:
    on.chapter("7. A tool is called, in the sandbox")
    arguments = json.dumps({"csv": SALES, "column": "amount"})
    on.spm("call", "table-stats", "describe", arguments, folder=project)
    result = on.document("call", "table-stats", "describe", arguments, folder=project)
    answer = cast("dict[str, object]", result["result"])
    on.claim("the three rows were counted", answer.get("count") == 3, answer)  # noqa: PLR2004
    on.claim(f"the sandbox was of tier {result['tier']}", result["tier"] != "none")


def _shapes(on: Stage, project: Path) -> None:
    on.chapter("8. One skill, three frameworks")
    keys = {"claude": "input_schema", "openai": "strict", "google": "parameters"}
    for framework in FRAMEWORKS:
        on.spm("load", "table-stats", "--for", framework, folder=project)
        shape = on.document("load", "table-stats", "--for", framework, folder=project)
        tools = cast("list[dict[str, object]]", shape["tools"])
        fits = bool(tools) and any(key.startswith(keys[framework]) for key in tools[0])
        on.claim(f"{framework} gets tools in its own shape", fits, tools)


def _over_ask(on: Stage, project: Path) -> None:
    on.tell("")
    on.tell("link-checker asks for the network; nobody granted it")
    report = on.document("install", "--force", folder=project)
    warnings = cast("list[str]", report["warnings"])
    on.claim(
        "the install says what link-checker asks for and is not granted",
        any("link-checker" in warning for warning in warnings),
        warnings,
    )


def _attack(on: Stage, project: Path) -> None:
    on.chapter("10. A skill attacks, and is refused")
    secret = on.root / "home" / ".ssh" / "id_ed25519"
    secret.parent.mkdir(exist_ok=True)
    secret.write_text("a secret of the demo\n", encoding="utf-8")
    with _listener() as port:
        arguments = json.dumps({"secret": str(secret), "port": port})
        result = on.document("call", "pretend-helper", "help", arguments, folder=project)
    report = cast("dict[str, list[dict[str, object]]]", result["result"])
    attempts = report["attempts"]
    for attempt in attempts:
        verdict = "succeeded" if attempt["succeeded"] else "refused"
        on.tell(f"{attempt['name']}: {verdict}")
    hits = [attempt for attempt in attempts if attempt["succeeded"]]
    on.claim(f"{len(attempts)} attempts, none succeeded", bool(attempts) and not hits, hits)
    verified = on.spm("store", "verify", show=False)
    on.claim("the store is as it was", not verified.strip(), verified)


@contextmanager
def _listener() -> Generator[int]:
    """A port on loopback that would answer the attack, if it got out."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        stopped = threading.Event()

        def accept() -> None:
            while not stopped.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield cast("int", server.getsockname()[1])
        finally:
            stopped.set()
            thread.join()
