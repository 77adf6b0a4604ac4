"""The laws of the wire: two codecs that agree, and a reader that never errs wildly."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spm_sandbox import wire
from spm_sandbox.errors import ProtocolViolation
from spm_sandbox.worker import codec

MSGPACK: Any = import_module("msgpack")
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.binary()
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner))


@given(VALUES)
def test_what_the_worker_writes_the_host_reads(value: object) -> None:
    assert wire.decode(codec.pack(value)) == value


@given(VALUES)
def test_what_the_host_writes_the_worker_reads(value: object) -> None:
    assert codec.unpack(wire.encode(value)) == value


@given(VALUES)
def test_the_worker_writes_what_msgpack_writes(value: object) -> None:
    """The shortest form of everything, so both ends could check by encoding again."""
    assert codec.pack(value) == MSGPACK.packb(value, use_bin_type=True)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_violation(data: bytes) -> None:
    try:
        value = wire.decode(data)
    except ProtocolViolation:
        return
    assert wire.decode(codec.pack(value)) == value


@given(VALUES, st.data())
def test_no_beginning_of_a_value_is_a_value(value: object, data: st.DataObject) -> None:
    whole = codec.pack(value)
    cut = data.draw(st.integers(0, len(whole) - 1))

    with pytest.raises(ProtocolViolation):
        wire.scan(whole[:cut])


@given(st.lists(st.binary(min_size=1, max_size=50)), st.integers(1, 7))
def test_frames_come_out_as_they_went_in_however_they_were_cut(
    contents: list[bytes], step: int
) -> None:
    stream = b"".join(wire.frame(content) for content in contents)
    frames = wire.Frames()
    received: list[bytes] = []
    for at in range(0, len(stream), step):
        frames.feed(stream[at : at + step])
        while (content := frames.next()) is not None:
            received.append(content)

    assert received == contents
    assert not frames.has_rest


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": {1, 2}}, "a value of type set at /a"),
        ({1: 2}, "a key of type int at /"),
        ([float("nan")], "nan at /0 is not a JSON number"),
        (1 << 64, "an integer of more than 64 bits at /"),
        (["\ud800"], "text with a lone surrogate at /0"),
        (object(), "a value of type object at /"),
    ],
)
def test_a_value_without_a_place_on_the_wire_is_named_by_its_pointer(
    value: object, message: str
) -> None:
    with pytest.raises(codec.Unsendable) as caught:
        codec.pack(value)

    assert str(caught.value) == message


def test_a_list_that_holds_itself_is_refused_by_its_depth() -> None:
    endless: list[object] = []
    endless.append(endless)

    with pytest.raises(codec.Unsendable, match="more than 64 levels deep"):
        codec.pack(endless)
