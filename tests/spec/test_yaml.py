"""YAML: what is read, what is refused, and the line in every message."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spm_spec.yaml import DOCUMENT_BYTES, DOCUMENT_NODES, InvalidYaml, load_yaml, plain_scalar


def refusal(text: str, *, first_line: int = 1) -> InvalidYaml:
    with pytest.raises(InvalidYaml) as caught:
        load_yaml(text, origin="skill.yaml", first_line=first_line)
    return caught.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("12:30:45", "12:30:45"),
        ("2026-11-23", "2026-11-23"),
        ("1_000", "1_000"),
        ("010", 10),
        ("0o17", 15),
        ("0xff", 255),
        ("-7", -7),
        ("1.10", 1.1),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1e999", "1e999"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", "9223372036854775808"),
        ("9" * 5000, "9" * 5000),
        ("=", "="),
        ("<<", "<<"),
    ],
)
def test_plain_scalars_follow_the_core_schema(text: str, value: object) -> None:
    read = plain_scalar(text)

    assert read == value
    assert type(read) is type(value)


@given(st.text(max_size=40))
def test_every_number_is_finite(text: str) -> None:
    read = plain_scalar(text)

    assert not isinstance(read, float) or math.isfinite(read)


def test_quoted_scalars_are_text() -> None:
    document = load_yaml("a: \"1\"\nb: 'true'\nc: ''\n", origin="x")

    assert document.value == {"a": "1", "b": "true", "c": ""}


def test_lines_are_known_for_every_value_and_counted_from_the_first() -> None:
    document = load_yaml("a: 1\nb:\n  - x\n  - {c: 2}\nd: |\n  e\n", origin="x", first_line=10)

    assert document.value == {"a": 1, "b": ["x", {"c": 2}], "d": "e\n"}
    assert document.line_of(("a",)) == 10
    assert document.line_of(("b", 1, "c")) == 13
    assert document.line_of(("b", 1, "nothing", "here")) == 13
    assert document.line_of(("d",)) == 14
    assert document.line_of(("nothing",)) == 10


def test_the_text_of_a_number_is_kept() -> None:
    document = load_yaml("version: 1.10\nlist: [0x10]\n", origin="x")

    assert document.text_of(("version",)) == "1.10"
    assert document.text_of(("list", 0)) == "0x10"
    assert document.text_of(("list",)) is None
    assert document.is_flow(("list",))
    assert not document.is_flow(())


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "a: 1\nb: 2\na: 3\n",
            "skill.yaml:3: the key `a` stands here again, first on line 1",
            "keep one of the two",
        ),
        ("a: &x 1\n", "skill.yaml:1: anchors (`&x`) are not allowed", None),
        ("a: 1\nb: *x\n", "skill.yaml:2: aliases (`*name`) are not allowed", "repeat the value"),
        ("a: !thing 1\n", "skill.yaml:1: tags (`!thing`) are not allowed", None),
        (
            "a: !!python/name:os.system x\n",
            "skill.yaml:1: tags (`tag:yaml.org,2002:python/name:os.system`) are not allowed",
            None,
        ),
        ("a:\n  1: x\n", "skill.yaml:2: the key `1` is not a string", 'write "1" in quotes'),
        ("true: x\n", "skill.yaml:1: the key `true` is not a string", 'write "true" in quotes'),
        ("~: x\n", "skill.yaml:1: the key `~` is not a string", 'write "~" in quotes'),
        (
            "? [a]\n: 1\n",
            "skill.yaml:1: a key must be a string, not a list or a mapping",
            None,
        ),
        (
            "a: b: c\n",
            "skill.yaml:1: mapping values are not allowed in this context",
            "put quotes around a value that contains `: `",
        ),
        (
            "a: 1\n---\nb: 2\n",
            "skill.yaml:2: a second document starts here",
            "keep one document a file",
        ),
        ("%TAG ! tag:x,2000:\n---\na: 1\n", "skill.yaml:1: %TAG directives are not allowed", None),
        ("a: 1\nb: \x07\n", "skill.yaml:2: control character U+0007", "remove it"),
        ("a: 1\nb: \x92\n", "skill.yaml:2: control character U+0092", "remove it"),
        ("a: \ud800\n", "skill.yaml:1: control character U+D800", "remove it"),
        ("a: 1\nb: x\ufeff\n", "skill.yaml:2: control character U+FEFF", "remove it"),
        ("a: " + "[" * 40 + "]" * 40, "skill.yaml:1: nested deeper than 32 levels", None),
        (
            "a: '\n",
            "skill.yaml:2: while scanning a quoted scalar: found unexpected end of stream",
            None,
        ),
        (
            "a:\n\tb: 1\n",
            (
                "skill.yaml:2: while scanning for the next token: "
                "found character that cannot start any token"
            ),
            "indent with spaces, and quote a value that begins with a tab, `@` or a backtick",
        ),
    ],
)
def test_a_refusal_names_the_line_and_the_way_out(
    text: str, message: str, hint: str | None
) -> None:
    error = refusal(text)

    assert (error.message, error.hint) == (message, hint)


def test_lines_in_refusals_are_counted_from_the_first() -> None:
    error = refusal("a: 1\na: 2\n", first_line=2)

    assert error.message == "skill.yaml:3: the key `a` stands here again, first on line 2"
    assert (error.origin, error.line) == ("skill.yaml", 3)


@pytest.mark.timeout(5)
@pytest.mark.parametrize("text", ["[" * 200_000, "{a: " * 60_000, "- " * 100_000, "? " * 100_000])
def test_deep_nesting_is_refused_without_recursion(text: str) -> None:
    problem = refusal(text).problem

    assert problem.startswith(("nested deeper than 32 levels", "a key must be a string"))


def test_a_document_over_the_cap_is_refused() -> None:
    assert load_yaml("a" * DOCUMENT_BYTES, origin="x").value == "a" * DOCUMENT_BYTES
    error = refusal("a" * (DOCUMENT_BYTES + 1))

    assert error.message == "skill.yaml:1: the document is larger than 256 KiB"
    assert refusal("é" * (DOCUMENT_BYTES // 2 + 1)).message == error.message


@pytest.mark.timeout(10)
def test_a_document_of_too_many_values_is_refused() -> None:
    assert refusal("- a\n" * (DOCUMENT_NODES + 1)).message == (
        f"skill.yaml:{DOCUMENT_NODES}: more than {DOCUMENT_NODES} values"
    )


@given(st.text(alphabet="ab:-?[]{}&*!|>'\"%@`#, \n\t~01.", max_size=60))
def test_any_text_is_a_value_or_a_clear_mistake(text: str) -> None:
    try:
        document = load_yaml(text, origin="x")
    except InvalidYaml as error:
        problem = error.message
    else:
        problem = ""
        assert document.line_of(()) >= 1

    assert "\x00" not in problem


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text("abc 1:#", max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abk", min_size=1), inner),
    max_leaves=20,
)


@given(VALUES)
def test_json_is_read_as_json(value: object) -> None:
    """JSON is YAML 1.2."""
    import json

    assert load_yaml(json.dumps(value), origin="x").value == value
