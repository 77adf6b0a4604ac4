"""Workers that lie, flood, stall or break the protocol do no harm to the host."""

from __future__ import annotations

import os
import resource
import select
import struct
import time
from typing import TYPE_CHECKING

import pytest

from spm_sandbox import wire
from spm_sandbox.errors import ProtocolViolation
from tests.support.sandbox_peer import (
    GOOD,
    GOOD_ATTESTATION,
    IDENTIFIER,
    Peer,
    Pipes,
    attested,
    converse,
    response,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def says_after_request(*parts: bytes) -> Peer:
    """Return a peer that attests well, waits for the request, and then says ``parts``."""

    def peer(pipes: Pipes) -> None:
        pipes.say(attested())
        pipes.hear()
        for part in parts:
            pipes.say(part)

    return peer


def says_at_once(*parts: bytes) -> Peer:
    """Return a peer that says ``parts`` without listening."""

    def peer(pipes: Pipes) -> None:
        for part in parts:
            pipes.say(part)

    return peer


def result(raw: bytes) -> bytes:
    """Return the frame of a response whose result is ``raw`` msgpack."""
    return wire.frame(b"\x82\xa2id\x07\xa6result" + raw)


def status(**changes: str) -> bytes:
    """Return an attestation whose process status is changed."""
    return attested(status={**GOOD_ATTESTATION["status"], **changes})


VIOLATIONS: dict[str, tuple[Peer, str]] = {
    "a frame of no bytes": (says_at_once(bytes(4)), "a frame of 0 bytes, not 1 to 8192"),
    "an attestation of a gigabyte": (
        says_at_once(struct.pack(">I", 1 << 30)),
        "a frame of 1073741824 bytes, not 1 to 8192",
    ),
    "a response of four gigabytes": (
        says_after_request(b"\xff\xff\xff\xff"),
        "a frame of 4294967295 bytes, not 1 to 1048640",
    ),
    "a response instead of an attestation": (
        says_at_once(GOOD),
        "the first frame is not an attestation",
    ),
    "a response together with the attestation": (
        says_at_once(attested() + GOOD),
        "a response before the request",
    ),
    "an attestation with more": (
        says_at_once(response({"attestation": GOOD_ATTESTATION, "result": 1})),
        "the first frame is not an attestation",
    ),
    "an attestation that is a list": (
        says_at_once(response({"attestation": [1]})),
        "the worker is not confined as ordered: the attestation has another shape",
    ),
    "a capability": (
        says_at_once(status(CapEff="0000000000000001")),
        "the worker is not confined as ordered: CapEff is '0000000000000001', not 0000000000000000",
    ),
    "new privileges": (
        says_at_once(status(NoNewPrivs="0")),
        "the worker is not confined as ordered: NoNewPrivs is '0', not 1",
    ),
    "no filter": (
        says_at_once(status(Seccomp="0")),
        "the worker is not confined as ordered: Seccomp is '0', not 2",
    ),
    "one filter of two": (
        says_at_once(status(Seccomp_filters="1")),
        "the worker is not confined as ordered: Seccomp_filters is '1', not 2",
    ),
    "the host's network": (
        says_at_once(attested(namespaces={"user": "user:[11]", "net": "net:[2]"})),
        "the worker is not confined as ordered: the net namespace is the host's",
    ),
    "a namespace not told": (
        says_at_once(attested(namespaces={"user": "user:[11]"})),
        "the worker is not confined as ordered: the net namespace is the host's",
    ),
    "a process of the host": (
        says_at_once(attested(process=4711)),
        "the worker is not confined as ordered: process 4711 of user 1000",
    ),
    "another user": (
        says_at_once(attested(user=0)),
        "the worker is not confined as ordered: process 2 of user 0",
    ),
    "another id": (
        says_after_request(response({"id": 8, "result": 1})),
        "a response to another request",
    ),
    "an id that is true": (
        says_after_request(response({"id": True, "result": 1})),
        "a response to another request",
    ),
    "an id that is a float": (
        says_after_request(response({"id": float(IDENTIFIER), "result": 1})),
        "a response to another request",
    ),
    "no id": (says_after_request(response({"result": 1})), "a response to another request"),
    "a list": (says_after_request(response([IDENTIFIER, 1])), "a response that is not a map"),
    "result and error": (
        says_after_request(response({"id": IDENTIFIER, "result": 1, "error": None})),
        "a response of another shape",
    ),
    "neither": (says_after_request(response({"id": IDENTIFIER})), "a response of another shape"),
    "an error that is text": (
        says_after_request(response({"id": IDENTIFIER, "error": "x"})),
        "an error of another shape",
    ),
    "an error with more": (
        says_after_request(
            response({"id": IDENTIFIER, "error": {"kind": "a", "message": "b", "class": "c"}})
        ),
        "an error of another shape",
    ),
    "a traceback of numbers": (
        says_after_request(
            response({"id": IDENTIFIER, "error": {"kind": "a", "message": "b", "traceback": [1]}})
        ),
        "an error of another shape",
    ),
    "two responses": (says_after_request(GOOD + GOOD), "bytes after the response"),
    "bytes after the value": (
        says_after_request(result(b"\x01\x01")),
        "1 bytes after the value",
    ),
    "a list of four billion": (
        says_after_request(result(b"\xdd\xff\xff\xff\xff")),
        "a container of 4294967295 items in 17 bytes",
    ),
    "a map of sixty thousand": (
        says_after_request(result(b"\xde\xff\xff")),
        "a container of 65535 items in 15 bytes",
    ),
    "text that ends early": (
        says_after_request(result(b"\xdb\x00\xff\xff\xff")),
        "a value that ends early",
    ),
    "an extension": (
        says_after_request(result(b"\xd4\x01\x00")),
        "a value of the unknown type 0xd4",
    ),
    "a date": (
        says_after_request(result(b"\xd6\xff\x00\x00\x00\x00")),
        "a value of the unknown type 0xd6",
    ),
    "the byte that means nothing": (
        says_after_request(result(b"\xc1")),
        "a value of the unknown type 0xc1",
    ),
    "a key that is a number": (
        says_after_request(result(b"\x81\x01\x01")),
        "a key that is not text",
    ),
    "a key that is bytes": (
        says_after_request(result(b"\x81\xc4\x01a\x01")),
        "a key that is not text",
    ),
    "the same key twice": (
        says_after_request(result(b"\x82\xa1a\x01\xa1a\x02")),
        "a map with the same key twice",
    ),
    "not a number": (
        says_after_request(result(b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00")),
        "a float that is not a number of JSON",
    ),
    "infinity": (
        says_after_request(result(b"\xca\x7f\x80\x00\x00")),
        "a float that is not a number of JSON",
    ),
    "text that is not UTF-8": (
        says_after_request(result(b"\xa2\xff\xfe")),
        "a value that cannot be decoded (UnicodeDecodeError)",
    ),
    "a surrogate": (
        says_after_request(result(b"\xa3\xed\xa0\x80")),
        "a value that cannot be decoded (UnicodeDecodeError)",
    ),
    "a thousand levels": (
        says_after_request(result(b"\x91" * 1000 + b"\xc0")),
        "more than 66 levels",
    ),
    "half a million empty lists": (
        says_after_request(result(b"\xdd\x00\x07\xa1\x20" + b"\x90" * 500_000)),
        "more than 200000 values in one frame",
    ),
    "a pickle": (
        says_after_request(wire.frame(b"\x80\x04\x95\x1a\x00\x00\x00\x00")),
        "7 bytes after the value",
    ),
    "plain text": (
        says_at_once(b"Traceback (most recent call last)"),
        "a frame of 1416782179 bytes, not 1 to 8192",
    ),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_worker_is_stopped_that_sends(name: str) -> None:
    peer, reason = VIOLATIONS[name]

    with pytest.raises(ProtocolViolation) as caught:
        converse(peer)

    assert caught.value.message == f"the sandbox broke the protocol: {reason}"
    assert caught.value.exit_code == 6


def drips(pipes: Pipes) -> None:
    """Say a byte now and then, so that there is always progress."""
    poller = select.poll()
    poller.register(pipes.requests, select.POLLHUP)
    for byte in attested():
        if poller.poll(50):
            return
        pipes.say(bytes([byte]))


def never_listens(pipes: Pipes) -> None:
    """Attest, and leave a long request in the pipe."""
    pipes.say(attested())
    _until_hung_up(pipes.responses)


def says_half(pipes: Pipes) -> None:
    pipes.say(attested()[:-1])
    _until_hung_up(pipes.responses)


def says_nothing(pipes: Pipes) -> None:
    _until_hung_up(pipes.responses)


def _until_hung_up(descriptor: int) -> None:
    poller = select.poll()
    poller.register(descriptor, select.POLLERR)
    poller.poll(10_000)


@pytest.mark.parametrize("peer", [drips, never_listens, says_half, says_nothing])
def test_a_worker_that_stalls_is_given_up_at_the_deadline(peer: Callable[[Pipes], None]) -> None:
    began = time.monotonic()

    answer, went = converse(peer, seconds=0.3, call={"kind": "x", "input": bytes(4 << 20)})

    assert answer is None
    assert went.ending == "wall"
    assert time.monotonic() - began < 8


def test_a_worker_that_floods_its_output_is_stopped_and_little_is_kept() -> None:
    def floods(pipes: Pipes) -> None:
        while True:
            os.write(pipes.output, bytes(1 << 16))

    answer, went = converse(floods, output=1 << 20)

    assert answer is None
    assert went.ending == "output"
    assert len(went.stdout) <= (1 << 20) + (1 << 17)


def test_a_worker_that_floods_responses_is_stopped_at_the_first_frame() -> None:
    def floods(pipes: Pipes) -> None:
        pipes.say(attested())
        pipes.hear()
        while True:
            os.write(pipes.responses, GOOD * 1000)

    with pytest.raises(ProtocolViolation, match="bytes after the response"):
        converse(floods)


def test_a_worker_that_closes_everything_is_no_answer_and_no_hang() -> None:
    answer, went = converse(lambda _pipes: None, seconds=0.3)

    assert answer is None
    assert went.ending == "wall"


def test_an_honest_worker_is_heard() -> None:
    answer, went = converse(says_after_request(GOOD))

    assert answer is not None
    assert answer.value == 1
    assert went.ending == "answered"


def test_a_frame_that_would_grow_sixty_times_costs_the_host_no_memory() -> None:
    """Seven megabytes of empty lists would become half a gigabyte of objects."""
    count = 7_000_000
    data = b"\xdd" + struct.pack(">I", count) + b"\x90" * count
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(ProtocolViolation, match="more than 200000 values"):
        wire.decode(data)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000
