"""Text from strangers reaches a terminal without power over it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spm.console import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("caf\u00e9 \u2713", "caf\u00e9 \u2713"),
        ("\x1b[31mred", "\\u{1b}[31mred"),
        ("a\u202egnp.exe", "a\\u{202e}gnp.exe"),
        ("zero\u200bwidth", "zero\\u{200b}width"),
        ("tag\U000e0041", "tag\\u{e0041}"),
        ("line\nbreak", "line\\u{a}break"),
        ("lone\udc80", "lone\\u{dc80}"),
    ],
)
def test_printable_escapes_what_a_terminal_would_obey(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_printable_text_can_always_be_printed(text: str) -> None:
    """No text makes the terminal move, or the stream refuse."""
    shown = printable(text)

    assert shown.encode("utf-8").decode("utf-8") == shown
    assert not any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in shown)
