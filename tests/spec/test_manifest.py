"""skills.toml: the vectors, what it means, and edits that keep what people wrote."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spm_spec.manifest import InvalidManifest, Manifest, parse_manifest
from spm_spec.manifest_edit import new_manifest, with_requirement, without_requirement
from spm_spec.sources import InvalidSource, parse_requirement
from tests.spec.vectors_of import text_of, vectors_of

VECTORS = vectors_of("manifests")

WRITTEN = """\
# what the office needs
[skills] # of others
alpha = "^1.0"   # the first
# why beta is pinned
beta = { version = "1.2.0", registry = "team" }  # until June

# where from
[registries]
default = "https://skills.example.org"
team = "https://skills.team.example"

[grants.alpha]
network = ["api.example.org:443"]
"""


def test_there_are_enough_vectors() -> None:
    assert len(VECTORS) >= 25


@pytest.mark.parametrize("vector", VECTORS)
def test_a_manifest_is_read_or_refused_as_its_vector_says(vector: dict[str, Any]) -> None:
    if vector["outcome"] == "valid":
        manifest = parse_manifest(text_of(vector))

        assert list(manifest.requirement_lines()) == vector["requirements"]
        return
    with pytest.raises(InvalidManifest) as refusal:
        parse_manifest(text_of(vector))

    assert (refusal.value.reason, refusal.value.line) == (vector["outcome"], vector.get("line"))


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "[skills]\na = 1.2\n",
            "skills.toml:2: `a` is the number 1.2, it must be a version range or a table",
            'write it in quotes: `a = "1.2"`',
        ),
        (
            '[skils]\na = "1"\n',
            "skills.toml:1: unknown key `skils`",
            "did you mean `skills`",
        ),
        (
            '[skills]\na = "1"\nb = "1"\na = "2"\n',
            "skills.toml:4: `a` is given twice",
            None,
        ),
        (
            '[skills]\n<<<<<<< HEAD\na = "1"\n=======\na = "2"\n>>>>>>> theirs\n',
            "skills.toml:2: a merge conflict was left unresolved",
            "keep one side and remove the marker lines, then run `spm lock`",
        ),
        (
            '[skills]\n\na = { git = "https://h.example/a", branch = "x" }\n',
            "skills.toml:3: unknown key `branch` in `skills.a`",
            "known here: `git`, `path`, `ref`, `registry`, `subdirectory`, `version`",
        ),
        (
            '[skills]\npython = ">=3.11"\n',
            "skills.toml:2: `python` is provided by the environment, it is not a skill to install",
            'give its version under [hosts]: `python = "1.0.0"`',
        ),
        (
            '[skills]\na = "newest"\n',
            "skills.toml:2: `newest` is not a version range",
            "write it like `^1.2`, `>=1.0 <3` or `*`",
        ),
    ],
)
def test_a_refusal_says_where_and_what_to_do(text: str, message: str, hint: str | None) -> None:
    with pytest.raises(InvalidManifest) as refusal:
        parse_manifest(text)

    assert (refusal.value.message, refusal.value.hint) == (message, hint)


def test_a_name_is_bound_to_one_registry() -> None:
    manifest = parse_manifest(
        '[skills]\nz = { version = "1", registry = "b" }\n[registries]\n'
        'default = "https://d.example"\n'
        'a = { url = "https://a.example", skills = ["x-*", "y"] }\n'
        'b = { url = "https://b.example", skills = ["x-y-*", "x-1"] }\n'
    )

    assert manifest.registry_of("x-2") == "https://a.example"
    assert manifest.registry_of("y") == "https://a.example"
    assert manifest.registry_of("x-y-z") == "https://b.example"
    assert manifest.registry_of("x-1") == "https://b.example"
    assert manifest.registry_of("yy") == "https://d.example"
    assert manifest.registry_of("z", "b") == "https://b.example"
    assert manifest.default_registry == "https://d.example"


def test_without_registries_no_name_is_bound() -> None:
    assert Manifest().registry_of("a") is None
    assert Manifest().default_registry is None


def test_more_than_a_mebibyte_is_refused_unread() -> None:
    with pytest.raises(InvalidManifest, match=r"has 1048577 characters, the limit is 1048576"):
        parse_manifest("#" * ((1 << 20) + 1))


def test_more_than_ten_thousand_skills_are_refused() -> None:
    text = "[skills]\n" + "".join(f'a{number} = "1"\n' for number in range(10_001))

    with pytest.raises(InvalidManifest, match="`skills` has 10001 entries, the limit is 10000"):
        parse_manifest(text)


@given(st.text(alphabet=" []{}\"'=.,a1-#\n\\", max_size=80))
def test_any_text_is_read_or_refused_with_our_error(text: str) -> None:
    with suppress(InvalidManifest):
        assert isinstance(parse_manifest(text), Manifest)


def test_an_edit_changes_one_line_and_keeps_comments() -> None:
    edited = with_requirement(WRITTEN, parse_requirement("alpha@^2.0"))

    assert edited == WRITTEN.replace('alpha = "^1.0"', 'alpha = "^2.0"')


def test_an_edit_adds_a_line_after_the_last_skill() -> None:
    edited = with_requirement(
        WRITTEN, parse_requirement("gamma @ git+https://h.example/r@v1#subdirectory=g")
    )

    line = 'gamma = { git = "https://h.example/r", ref = "v1", subdirectory = "g" }\n'
    assert edited == WRITTEN.replace("# until June\n", f"# until June\n{line}")


def test_an_edit_keeps_a_name_with_its_registry() -> None:
    edited = with_requirement(WRITTEN, parse_requirement("beta@^2"))

    assert edited == WRITTEN.replace('version = "1.2.0"', 'version = "^2"')


def test_an_edit_can_move_a_skill_to_a_folder() -> None:
    edited = with_requirement(WRITTEN, parse_requirement("alpha @ path:../alpha"))

    assert edited == WRITTEN.replace('alpha = "^1.0"', 'alpha = { path = "../alpha" }')


def test_a_removal_leaves_everything_else() -> None:
    edited = without_requirement(WRITTEN, "alpha")

    assert edited == WRITTEN.replace('alpha = "^1.0"   # the first\n', "")
    assert without_requirement(WRITTEN, "unknown") == WRITTEN


def test_an_edit_keeps_carriage_returns() -> None:
    edited = with_requirement('[skills]\r\na = "1"\r\n', parse_requirement("b@2"))

    assert edited == '[skills]\r\na = "1"\r\nb = "2"\r\n'


def test_an_edit_replaces_a_skill_with_its_own_header() -> None:
    text = '[skills.a]\npath = "x"\n\n[skills.b]\npath = "y"\n'

    edited = with_requirement(text, parse_requirement("a@^1"))

    assert parse_manifest(edited).requirement_lines() == ("a@^1", "b @ path:y")


def test_an_edit_that_cannot_be_made_safely_is_refused() -> None:
    with pytest.raises(InvalidManifest) as refusal:
        with_requirement('skills.a = "1"\n', parse_requirement("b@1"))

    assert refusal.value.reason == "not-editable"
    assert refusal.value.hint == "change [skills] by hand"


def test_an_edit_of_a_broken_manifest_is_refused() -> None:
    with pytest.raises(InvalidManifest, match=r"skills\.toml:1: not TOML"):
        with_requirement("[skills\n", parse_requirement("b@1"))


@pytest.mark.parametrize(
    "requirement",
    ["a@^1.0 || >=3.0.0-rc.1", "team/a@~1.2", "a @ path:../my skills/a", "a @ path:.", "a>=1,<2"],
)
def test_a_written_requirement_is_read_back(requirement: str) -> None:
    wanted = parse_requirement(requirement)
    text = '[registries]\nteam = "https://t.example"\n'

    once = with_requirement(text, wanted)

    assert parse_manifest(once).requirement_lines() == (wanted.line,)
    assert with_requirement(once, wanted) == once
    assert parse_manifest(without_requirement(once, "a")) == parse_manifest(text)


def test_a_first_manifest_asks_for_nothing() -> None:
    assert parse_manifest(new_manifest()) == Manifest()
    manifest = parse_manifest(new_manifest(registry="https://Skills.example.org/"))
    assert manifest.default_registry == "https://skills.example.org"
    with pytest.raises(InvalidSource):
        new_manifest(registry='https://x"\n[grants.a]')


DOCUMENT = (Path(__file__).parents[2] / "spec/manifest.md").read_text("utf-8")


def test_the_example_of_the_document_is_a_manifest() -> None:
    example = DOCUMENT.split("```toml\n")[1].split("```")[0]

    assert parse_manifest(example).requirement_lines() == (
        "local-notes @ path:../notes",
        "summarise@^1.2",
        "team/team-report@~2.1",
        "tidy @ git+https://example.org/skills.git@v1.0#subdirectory=skills/tidy",
    )


@pytest.mark.parametrize("vector", [*VECTORS, *vectors_of("requirements")])
def test_every_reason_is_in_the_document(vector: dict[str, Any]) -> None:
    assert f"`{vector['outcome']}`" in DOCUMENT + "`valid`"
