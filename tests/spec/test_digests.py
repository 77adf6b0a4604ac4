"""Digests of bytes, and their one text form."""

from __future__ import annotations

import hashlib

import pytest

from spm_spec.digests import Digest, InvalidDigest, blob_digest, sha256_hex

EMPTY = "blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


def test_the_digest_of_nothing_is_the_published_one() -> None:
    """The first vector of the BLAKE3 paper's repository."""
    assert str(blob_digest(b"")) == EMPTY


def test_a_digest_survives_its_text_form() -> None:
    digest = blob_digest(b"hello\n")

    assert Digest.parse(str(digest)) == digest
    assert str(digest) == f"blake3:{digest.hex}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "blake3:",
        EMPTY.upper(),
        EMPTY + "\n",
        " " + EMPTY,
        EMPTY[:-1],
        EMPTY + "0",
        EMPTY.replace("blake3", "sha256"),
        EMPTY.removeprefix("blake3:"),
        EMPTY[:-1] + "g",
        EMPTY[:-1] + "\u0661",
        EMPTY[:-2] + " 2",
    ],
)
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidDigest) as caught:
        Digest.parse(text)

    assert caught.value.message == (
        f"{text!r} is not a digest, expected blake3: and 64 lower-case hex digits"
    )


def test_a_long_text_is_cut_in_the_message() -> None:
    with pytest.raises(InvalidDigest) as caught:
        Digest.parse("x" * 1_000_000)

    assert len(caught.value.message) < 200


def test_digests_are_ordered_as_their_digits() -> None:
    digests = [blob_digest(bytes([number])) for number in range(50)]

    assert [digest.hex for digest in sorted(digests)] == sorted(each.hex for each in digests)


def test_sha256_is_written_as_sha256sum_prints_it() -> None:
    assert sha256_hex(b"hello\n") == hashlib.sha256(b"hello\n").hexdigest()
