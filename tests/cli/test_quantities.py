"""Sizes and spans are read and shown as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spm.quantities import bytes_of, seconds_of, shown_bytes, shown_span
from spm_spec.errors import UserMistake


@pytest.mark.parametrize(
    ("text", "count"),
    [("0", 0), ("17", 17), ("512MiB", 512 << 20), ("2 GB", 2_000_000_000), ("1KiB", 1024)],
)
def test_a_size_is_read(text: str, count: int) -> None:
    assert bytes_of(text, what="--keep-bytes") == count


@pytest.mark.parametrize("text", ["", "-1", "1.5GiB", "many", "1 XB", "²"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UserMistake) as refusal:
        bytes_of(text, what="--keep-bytes")

    assert refusal.value.message == f"--keep-bytes: `{text}` is no size"
    assert refusal.value.hint == "for example 500MiB, 2GiB or 0"


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("90s", 90), ("2m", 120), ("12h", 43200), ("1w", 604800)]
)
def test_a_span_is_read(text: str, seconds: int) -> None:
    assert seconds_of(text, what="--max-age") == seconds


@pytest.mark.parametrize("text", ["", "7", "7 days", "-1d", "1e3s"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(UserMistake) as refusal:
        seconds_of(text, what="--max-age")

    assert refusal.value.message == f"--max-age: `{text}` is no span of time"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (20 << 20, "20 MiB"),
        (3 << 40, "3.0 TiB"),
        (5000 << 40, "5000 TiB"),
    ],
)
def test_a_size_is_shown(count: int, text: str) -> None:
    assert shown_bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 seconds"), (59, "59 seconds"), (60, "1 minute"), (7300, "2 hours"), (86400, "1 day")],
)
def test_a_span_is_shown(seconds: float, text: str) -> None:
    assert shown_span(seconds) == text


@given(st.integers(min_value=0, max_value=2**62))
def test_any_size_is_shown_in_few_characters(count: int) -> None:
    assert len(shown_bytes(count)) <= len("1234567890 TiB")
