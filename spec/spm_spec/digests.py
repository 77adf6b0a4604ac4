"""Names for bytes: BLAKE3 digests, written ``blake3:<64 lower-case hex digits>``.

A blob's digest is plain BLAKE3, so ``b3sum`` prints the same digits. This module
knows nothing of directories; see ``spm_spec.tree`` and spec/digest.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from blake3 import blake3

from spm_spec.errors import UserMistake

DIGEST_BYTES = 32
DIGEST_PREFIX = "blake3:"
_TEXT_LENGTH = len(DIGEST_PREFIX) + 2 * DIGEST_BYTES
_HEX_DIGITS = frozenset("0123456789abcdef")
_SHOWN_CHARACTERS = 80


class InvalidDigest(UserMistake):
    """A text that is not the one text form of a digest."""

    def __init__(self, text: str) -> None:
        """Quote at most the first 80 characters of ``text``."""
        shown = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
        super().__init__(
            f"{shown!r} is not a digest, expected blake3: and 64 lower-case hex digits"
        )
        self.text = text


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """The 32 bytes of a BLAKE3 digest. Ordered as its hex digits are.

    ``Digest.parse(str(digest)) == digest`` for every digest.
    """

    raw: bytes

    def __post_init__(self) -> None:
        """Hold the length: a digest of another length is a mistake of ours."""
        if len(self.raw) != DIGEST_BYTES:
            message = f"a digest has {DIGEST_BYTES} bytes, not {len(self.raw)}"
            raise AssertionError(message)

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read the text form; upper-case digits and white space are not it.

        Raises:
            InvalidDigest: the text is anything else.

        """
        if len(text) != _TEXT_LENGTH or not text.startswith(DIGEST_PREFIX):
            raise InvalidDigest(text)
        digits = text[len(DIGEST_PREFIX) :]
        if not _HEX_DIGITS.issuperset(digits):
            raise InvalidDigest(text)
        return cls(bytes.fromhex(digits))

    @property
    def hex(self) -> str:
        """The 64 hex digits, without the prefix."""
        return self.raw.hex()

    def __str__(self) -> str:
        """Return the text form."""
        return DIGEST_PREFIX + self.raw.hex()


def blob_digest(data: bytes) -> Digest:
    """Return the digest of the bytes of one file; ``b3sum`` agrees."""
    return Digest(blake3(data).digest())


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of ``data`` as 64 hex digits, as ``sha256sum`` prints it."""
    from hashlib import sha256

    return sha256(data).hexdigest()
