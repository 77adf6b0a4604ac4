"""The laws of a lock, over locks and texts that nobody thought of."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spm_spec.digests import Digest
from spm_spec.lock import InvalidLock, Lock, LockedPython, LockEntry, parse_lock, render_lock
from spm_spec.lock_document import check_version, read_entry, read_head, read_tables
from spm_spec.lock_model import fault_of
from spm_spec.policy import Limits, Policy
from spm_spec.sources import GitSource, PathSource, RegistrySource, Source
from spm_spec.versions import Version

NAMES = ["alpha", "beta", "beta-2", "gamma", "delta-x-1", "e"]
HEX64 = st.text("0123456789abcdef", min_size=64, max_size=64)
VERSIONS = st.sampled_from(["0.0.0", "1.2.3", "2.0.0-rc.1", "1.0.0+build.5"]).map(Version.parse)
RANGES = st.sampled_from(["*", "^1.0", ">=1 <2", "1.x || ^3.0.0-rc.1", "~=1.4.2"])
GIT = st.builds(
    GitSource,
    st.sampled_from(["https://h.example/r.git", "ssh://git@h.example/r", "file:///srv/r"]),
    st.sampled_from([None, "main", "feature/x+1", "v1.0"]),
    st.sampled_from([None, "skills/a", "compétences"]),
    st.text("0123456789abcdef", min_size=40, max_size=40),
)
PATHS = st.sampled_from([".", "../a", "skills/my skill", "résumé"]).map(PathSource)
REGISTRIES = st.builds(
    RegistrySource,
    st.sampled_from(["https://skills.example.org", "http://localhost:8080/team"]),
    st.none() | HEX64.map("sha256:{}".format),
)
POLICIES = st.sampled_from(
    [
        Policy(),
        Policy(network=("a.example.org:443",), subprocess=True),
        Policy(read=("data", "~/notes"), limits=Limits(cpu_seconds=1, memory_bytes=1 << 31)),
    ]
)
PYTHON = st.lists(
    st.builds(
        LockedPython,
        st.sampled_from(["certifi", "tomli"]),
        st.sampled_from(["1.0", "2024.2.2", "1!2.0.post1"]),
        st.lists(HEX64.map("sha256:{}".format), min_size=1, max_size=3, unique=True).map(
            lambda hashes: tuple(sorted(hashes))
        ),
        st.none() | st.just("python_version < '3.11'"),
    ),
    max_size=2,
    unique_by=lambda python: (python.name, python.marker),
).map(lambda found: tuple(sorted(found, key=lambda python: (python.name, python.marker or ""))))


@st.composite
def entries(draw: st.DrawFn, name: str, known: list[str]) -> LockEntry:
    source: Source = draw(GIT | PATHS | REGISTRIES)
    released = isinstance(source, RegistrySource)
    needs = draw(st.lists(st.sampled_from([*known, "python", "node"]), unique=True, max_size=3))
    return LockEntry(
        name=name,
        version=draw(VERSIONS) if released else draw(st.none() | VERSIONS),
        source=source,
        tree=Digest(draw(st.binary(min_size=32, max_size=32))),
        archive_sha256=draw(HEX64) if released else None,
        archive_size=draw(st.integers(1, 10**9)) if released else None,
        dependencies=tuple((need, draw(RANGES)) for need in sorted(needs)),
        publisher=draw(st.none() | HEX64),
        policy=draw(POLICIES),
        python=draw(PYTHON),
    )


@st.composite
def locks(draw: st.DrawFn) -> Lock:
    names = sorted(draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=5)))
    return Lock(
        requirements=tuple(sorted(f"{name}@{draw(RANGES)}" for name in names)),
        hosts=draw(st.dictionaries(st.sampled_from(["python", "node"]), VERSIONS.map(str))),
        entries=tuple(draw(entries(name, names)) for name in names),
        overrides=draw(st.sampled_from([(), ("x@1.0.0",)])),
        constraints=draw(st.sampled_from([(), ("x@<2", "y@^1")])),
        prereleases=draw(st.sampled_from([(), ("alpha",)])),
    )


@given(locks())
def test_reading_what_was_written_gives_the_same_lock(lock: Lock) -> None:
    assert parse_lock(render_lock(lock)) == lock


@given(locks())
def test_writing_what_was_read_gives_the_same_bytes(lock: Lock) -> None:
    text = render_lock(lock)

    assert render_lock(parse_lock(text)).encode() == text.encode()


@given(locks(), st.randoms())
def test_the_order_of_the_parts_does_not_matter(lock: Lock, randomly: object) -> None:
    shuffled = replace(
        lock,
        entries=tuple(reversed(lock.entries)),
        requirements=tuple(reversed(lock.requirements)),
        hosts=dict(reversed(list(lock.hosts.items()))),
    )

    assert render_lock(shuffled) == render_lock(lock)


def slowly_read(text: str) -> Lock:
    """The reading that explains refusals, used to accept."""
    document = tomllib.loads(text)
    check_version(document)
    tables = read_tables(document)
    return replace(read_head(document), entries=tuple(read_entry(table) for table in tables))


@given(locks())
def test_the_fast_and_the_slow_reading_agree(lock: Lock) -> None:
    text = render_lock(lock)

    assert slowly_read(text) == parse_lock(text)
    assert fault_of(slowly_read(text)) is None


@given(locks(), st.data())
def test_no_change_of_one_character_is_overlooked(lock: Lock, data: st.DataObject) -> None:
    """What is still accepted means something else, and only its own text is accepted."""
    text = render_lock(lock)
    at = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(st.sampled_from(list("ab01\"'\\ \n\r\t#=[]{},.@-é\x00\u202e\ufeff")))
    changed = text[:at] + character + text[at + 1 :]
    if changed == text:
        return

    with suppress(InvalidLock):
        read = parse_lock(changed)
        assert render_lock(read) == changed.removeprefix("\ufeff").replace("\r\n", "\n")
        assert slowly_read(changed) == read


@given(locks(), st.data())
def test_a_lock_without_one_of_its_lines_is_refused_or_another(
    lock: Lock, data: st.DataObject
) -> None:
    lines = render_lock(lock).split("\n")
    at = data.draw(st.integers(0, len(lines) - 1))
    text = "\n".join(lines[:at] + lines[at + 1 :])

    with suppress(InvalidLock):
        assert parse_lock(text) != lock


@pytest.mark.parametrize("name", NAMES)
@given(lock=locks())
def test_a_lock_without_one_of_its_entries_is_refused(name: str, lock: Lock) -> None:
    rest = replace(lock, entries=tuple(entry for entry in lock.entries if entry.name != name))
    if rest == lock:
        return

    with pytest.raises(InvalidLock, match=r"which has no entry|is required and has no entry"):
        parse_lock(render_lock(rest))


@given(st.text(max_size=300))
def test_any_text_is_a_lock_or_refused_with_a_hint(text: str) -> None:
    with pytest.raises(InvalidLock) as refusal:
        parse_lock(text)

    assert refusal.value.hint
