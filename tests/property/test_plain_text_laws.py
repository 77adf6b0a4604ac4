"""What is read plainly is read by the full reader too, and to the same skills."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from spm import plain_texts
from spm.shown import compiled_form
from spm_spec.digests import Digest, blob_digest
from spm_spec.lock import Lock, LockEntry, parse_lock, render_lock
from spm_spec.manifest import parse_manifest
from spm_spec.names import HOST_PACKAGES
from spm_spec.policy import NOTHING, Policy
from spm_spec.sources import PathSource, RegistrySource, Source
from spm_spec.versions import Version

URL = "https://skills.example.org"
NAMES = ["a", "a-1", "alpha", "beta-2", "gamma", "x9"]
RANGES = st.sampled_from(
    [*["*", "^1", "^0.2", "~1.2.3", "^10.2.3"] * 6, ">=1 <2", "1.x", "^01", "~1.2.3.4"]
)
VERSIONS = st.sampled_from([*["1.2.3", "0.0.0", "10.20.30"] * 9, "1.0.0-rc.1", "1.0.0+b"])
SOURCES: st.SearchStrategy[Source] = st.sampled_from(
    [
        *[RegistrySource(URL)] * 30,
        RegistrySource("http://localhost:8080"),
        RegistrySource("https://1.2.3.4"),
        PathSource("../a"),
    ]
)
PIECES = st.sampled_from(
    [
        "",
        "\n",
        '"',
        " ",
        "0",
        "a",
        "-",
        "A",
        "#",
        "[skills]\n",
        "[hosts]\n",
        "é",
        "\r",
        "\t",
        ",",
        "]",
    ]
)


@st.composite
def texts(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A manifest and a lock that mostly fit, and are mostly plain."""
    names = sorted(draw(st.sets(st.sampled_from([*NAMES, *NAMES, "python"]), min_size=1)))
    asked = {name: draw(RANGES) for name in names if draw(st.integers(0, 9))}
    entries = [draw(entries_of(name, names)) for name in names]
    lines = tuple(sorted(f"{name}@{wanted}" for name, wanted in asked.items()))
    manifest = "".join(f'{name} = "{wanted}"\n' for name, wanted in asked.items())
    bound = draw(st.sampled_from(["", "", f'\n[registries]\ndefault = "{URL}"\n']))
    head = draw(st.sampled_from(["", "# my skills\n\n"]))
    text = f"{head}[skills]\n{manifest}{bound}"
    return text.encode(), render_lock(Lock(lines, {}, tuple(entries))).encode()


@st.composite
def entries_of(draw: st.DrawFn, name: str, names: list[str]) -> LockEntry:
    source = draw(SOURCES)
    entry = LockEntry(
        name=name,
        version=Version.parse(draw(VERSIONS)),
        source=source,
        tree=Digest(draw(st.binary(min_size=32, max_size=32))),
        policy=draw(st.sampled_from([*[NOTHING] * 30, Policy(read=("docs",))])),
        publisher=draw(st.sampled_from([None, None, "ab" * 20])),
        dependencies=tuple(
            (each, draw(RANGES)) for each in names if each != name and not draw(st.integers(0, 3))
        ),
    )
    if isinstance(source, PathSource):
        return entry
    return replace(entry, archive_sha256=blob_digest(name.encode()).hex, archive_size=1)


@st.composite
def changed(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """The same, with a piece put in the place of another at one or two places."""
    both = list(draw(texts()))
    for _ in range(draw(st.integers(1, 2))):
        which = draw(st.integers(0, 1))
        text = both[which].decode(errors="replace")
        at = draw(st.integers(0, len(text)))
        end = min(len(text), at + draw(st.integers(0, 2)))
        both[which] = (text[:at] + draw(PIECES) + text[end:]).encode()
    return both[0], both[1]


def hold(manifest: bytes, lock: bytes) -> None:
    """The law; a text that is not plain is none of its business."""
    skills = plain_texts.read(manifest, lock)
    if skills is None:
        return
    wanted, found = parse_manifest(manifest.decode()), parse_lock(lock.decode())
    assert found.differences(wanted) == ()
    assert wanted.link_mode == "symlink"
    assert all(entry.policy == NOTHING for entry in found.entries)
    form = compiled_form(found)
    assert plain_texts.compiled_form(skills, form.set).text() == form.text()
    assert [skill[3] for skill in skills] == [entry.tree.hex for entry in found.entries]


@given(texts())
def test_a_text_that_is_read_plainly_means_the_same_to_the_full_reader(
    both: tuple[bytes, bytes],
) -> None:
    hold(*both)


@given(changed())
def test_a_text_that_was_changed_is_not_read_plainly_to_more(both: tuple[bytes, bytes]) -> None:
    hold(*both)


def test_the_usual_lock_is_read_plainly() -> None:
    tree = blob_digest(b"a tree")
    entry = LockEntry("a", Version.parse("1.2.3"), RegistrySource(URL), tree, "0" * 64, 7)
    needs = replace(entry, name="b", dependencies=(("a", "^1.2"),), publisher="ab" * 32)
    lock = render_lock(Lock(("b@^1",), {}, (entry, needs))).encode()

    skills = plain_texts.read(b'# mine\n\n[skills]\nb = "^1"\n', lock)

    assert skills == [("a", "1.2.3", URL, tree.hex), ("b", "1.2.3", URL, tree.hex)]
    hold(b'# mine\n\n[skills]\nb = "^1"\n', lock)


def test_the_names_of_the_environment_are_the_same() -> None:
    assert plain_texts.HOST_PACKAGES == HOST_PACKAGES


def test_a_lock_that_is_no_text_is_not_plain() -> None:
    assert plain_texts.read(b'[skills]\na = "^1"\n', b"\xff\xfe") is None
    assert plain_texts.read(b"\xff", b"") is None
