"""skills.lock: the vectors, its one text, what it says of a manifest, and its refusals."""

from __future__ import annotations

import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spm_spec.digests import blob_digest
from spm_spec.lock import InvalidLock, Lock, LockEntry, parse_lock, render_lock
from spm_spec.lock_text import read_canonical
from spm_spec.manifest import parse_manifest
from spm_spec.sources import PathSource, RegistrySource
from spm_spec.versions import Version
from tests.spec.vectors_of import text_of, vectors_of

VECTORS = vectors_of("locks")
REGISTRY = "https://skills.example.org"


def release(name: str, version: str = "1.0.0", **more: Any) -> LockEntry:
    entry = LockEntry(
        name=name,
        version=Version.parse(version),
        source=RegistrySource(REGISTRY),
        tree=blob_digest(f"{name} {version}".encode()),
        archive_sha256="ab" * 32,
        archive_size=1234,
    )
    return replace(entry, **more)


def test_there_are_enough_vectors() -> None:
    assert len(VECTORS) >= 30


@pytest.mark.parametrize("vector", VECTORS)
def test_a_lock_is_read_or_refused_as_its_vector_says(vector: dict[str, Any]) -> None:
    if vector["outcome"] == "valid":
        lock = parse_lock(text_of(vector))

        plain = text_of(vector).removeprefix("\ufeff").replace("\r\n", "\n")
        assert render_lock(lock) == plain
        return
    with pytest.raises(InvalidLock) as refusal:
        parse_lock(text_of(vector))

    assert (refusal.value.reason, refusal.value.line) == (vector["outcome"], vector.get("line"))
    assert refusal.value.hint is not None


@pytest.mark.parametrize("vector", VECTORS)
def test_the_text_of_an_accepted_lock_is_toml_that_says_the_same(vector: dict[str, Any]) -> None:
    if vector["outcome"] != "valid" or "lines" not in vector:
        return
    document = tomllib.loads(text_of(vector))

    lock = parse_lock(text_of(vector))
    assert [entry["name"] for entry in document.get("skill", [])] == [
        entry.name for entry in lock.entries
    ]
    assert [entry["tree"] for entry in document.get("skill", [])] == [
        str(entry.tree) for entry in lock.entries
    ]
    assert tuple(document.get("requirements", [])) == lock.requirements


def test_the_order_in_which_a_lock_was_put_together_does_not_show() -> None:
    one = Lock(("a@*", "b@*"), {"python": "3.11.0", "node": "22.0.0"}, (release("a"), release("b")))
    other = Lock(
        ("b@*", "a@*"), {"node": "22.0.0", "python": "3.11.0"}, (release("b"), release("a"))
    )

    assert render_lock(one) == render_lock(other)


def test_one_more_skill_is_one_more_entry_and_one_more_line() -> None:
    before = render_lock(Lock(("a@*", "c@*"), {}, (release("a"), release("c"))))
    after = render_lock(Lock(("a@*", "b@*", "c@*"), {}, (release("a"), release("b"), release("c"))))

    kept = after.split("\n")
    for line in before.split("\n"):
        kept.remove(line)
    assert len(kept) == 8
    assert '  "b@*",' in kept


def test_a_range_of_a_release_is_written_with_single_blanks() -> None:
    lock = Lock(("a@*",), {}, (release("a", dependencies=(("b", " >=1.0\t <2 "),)), release("b")))

    assert parse_lock(render_lock(lock)).entries[0].dependencies == (("b", ">=1.0 <2"),)


def test_the_lock_of_the_same_manifest_has_no_differences() -> None:
    manifest = parse_manifest(
        '[skills]\na = "^1"\nb = { path = "../b" }\n[hosts]\npython = "3.11.0"\n'
        f'[overrides]\nc = "1.0.0"\n[settings]\nprerelease = ["a"]\n'
        f'[registries]\ndefault = "{REGISTRY}"\n'
    )
    lock = Lock(
        manifest.requirement_lines(),
        {"python": "3.11.0"},
        (release("a"), release("b", source=PathSource("../b"))),
        overrides=("c@1.0.0",),
        prereleases=("a",),
    )

    assert lock.differences(manifest) == ()
    assert lock.matches(manifest)


def test_every_difference_to_a_manifest_is_named() -> None:
    manifest = parse_manifest(
        '[skills]\na = "^2"\nnew = "*"\n[hosts]\npython = "3.12.0"\n'
        '[constraints]\nc = "<3"\n[registries]\ndefault = "https://other.example"\n'
    )
    lock = Lock(("a@^1", "old@*"), {"python": "3.11.0"}, (release("a"), release("old")))

    assert lock.differences(manifest) == (
        "changed a@^1 to a@^2",
        "added new@*",
        "removed old@*",
        "added constraint c@<3",
        "changed host python@3.11.0 to python@3.12.0",
        "`a` is locked from https://skills.example.org, not https://other.example",
        "`old` is locked from https://skills.example.org, not https://other.example",
    )
    assert not lock.matches(manifest)


def test_a_locked_version_outside_what_asks_for_it_is_named() -> None:
    needs = (("b", "^2.0"), ("c", "^2.0"))
    lock = Lock(
        ("a@*",),
        {},
        (release("a", dependencies=needs), release("b"), release("c")),
        overrides=("c@1.0.0",),
    )

    assert lock.unmet() == ("`a` needs `b` ^2.0, locked is 1.0.0",)


def test_a_thing_no_lock_can_hold_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="a lock cannot hold"):
        render_lock(Lock(("a@*",), {}, (release("a", source=PathSource('a"b')),)))


def test_reading_a_lock_imports_nothing_heavy() -> None:
    import subprocess

    code = (
        "import sys; from spm_spec.lock import parse_lock; from spm_spec.manifest import *; "
        "from spm_spec.installed import *; "
        "print([m for m in ('pydantic', 'tomlkit', 'json', 'asyncio', 'urllib.parse', 'logging', "
        "'hashlib', 'subprocess', 'tempfile', 'difflib') if m in sys.modules])"
    )
    done = subprocess.run(  # the imports of this process say nothing
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"


def test_a_text_over_its_cap_is_refused_unread() -> None:
    with pytest.raises(InvalidLock, match="has 16777217 characters, the limit is 16777216"):
        parse_lock("#" * ((16 << 20) + 1))


def test_an_endless_line_is_refused() -> None:
    with pytest.raises(InvalidLock, match="the line has 70000 characters, the limit is 65536"):
        parse_lock("x" * 70_000)


def test_only_the_one_text_is_read_at_speed() -> None:
    text = render_lock(Lock(("a@*",), {}, (release("a"),)))

    assert read_canonical(text) is not None
    assert read_canonical(text + "\n") is None
    assert read_canonical(text.replace("[[skill]]", "[[ skill ]]")) is None


DOCUMENT = (Path(__file__).parents[2] / "spec/lock.md").read_text("utf-8")


def test_the_example_of_the_document_is_a_lock() -> None:
    example = DOCUMENT.split("```toml\n")[1].split("```")[0]

    assert [entry.name for entry in parse_lock(example).entries] == [
        "fetch-page",
        "summarise",
        "tidy",
    ]


@pytest.mark.parametrize("vector", VECTORS)
def test_every_reason_is_in_the_documents(vector: dict[str, Any]) -> None:
    manifest = (Path(__file__).parents[2] / "spec/manifest.md").read_text("utf-8")

    assert f"`{vector['outcome']}`" in DOCUMENT + manifest + "`valid`"
