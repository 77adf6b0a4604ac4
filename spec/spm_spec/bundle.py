"""Many trees as one file, to carry where no registry can be reached: `.spmb`.

A line that names the format, then one zstd frame of a listing, each blob once, and an
end mark. The same trees give the same bytes; the reader takes nothing that could be
written another way, and passes on no blob whose digest it has not checked. See
spec/bundle.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blake3 import blake3

from spm_spec.bundle_listing import (
    BUNDLE_BYTES,
    LISTING_BYTES,
    BlobKey,
    BundledTree,
    Listing,
    read_listing,
    write_listing,
)
from spm_spec.digests import DIGEST_BYTES, Digest
from spm_spec.errors import HostileDataError
from spm_spec.package_members import CheckedChunks, Flaw
from spm_spec.pieces import Pieces
from spm_spec.streams import CHUNK_BYTES
from spm_spec.tree import DEFAULT_LIMITS, InvalidTree, Limits, TreeFile
from spm_spec.tree_names import shown
from spm_spec.zstd_frame import FrameInput, declared_size, expand_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = [
    "BUNDLE_MAGIC",
    "BUNDLE_SUFFIX",
    "BlobKey",
    "BundleReader",
    "BundleRefused",
    "BundledTree",
    "read_bundle",
    "write_bundle",
]

BUNDLE_SUFFIX = ".spmb"
BUNDLE_MAGIC = b"spm bundle 1\n"
END_CONTEXT = "skills-package-manager 2026-11 bundle v1"
_FAMILY = b"spm bundle "
_LEVEL = 3


class BundleRefused(HostileDataError):
    """A bundle that is not accepted; ``reason`` is the kind, ``path`` the tree if any."""

    def __init__(self, origin: str, reason: str, explanation: str, path: str = "") -> None:
        """Say where the bundle is from, what is wrong with it, and in which tree."""
        place = f"{origin}: {shown(path)}" if path else origin
        super().__init__(f"{place}: {explanation}")
        self.origin = origin
        self.reason = reason
        self.path = path


def write_bundle(
    trees: Iterable[BundledTree],
    blob: Callable[[TreeFile], Iterable[bytes]],
    *,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[bytes]:
    """Yield the bytes of the bundle of ``trees``, which may come in any order and repeat.

    ``blob`` gives the bytes of a file, in chunks of any size; it is asked once for
    each distinct digest, in order of digests, with the first file that has it: by the
    order of the trees in the bundle, then of paths. Inverse of ``read_bundle``. The same
    trees give the same bytes, with the same release of zstd.

    Raises:
        InvalidTree: a reader would refuse the bundle, or ``blob`` gave other bytes
            (``wrong-bytes``).

    """
    trees = tuple(trees)
    try:
        listing = write_listing(trees, limits)
    except Flaw as flaw:
        raise InvalidTree(flaw.reason, flaw.path, flaw.explanation) from flaw
    return _written(listing, _places(listing), blob)


def read_bundle(
    read: Callable[[int], bytes], *, origin: str, limits: Limits = DEFAULT_LIMITS
) -> BundleReader:
    """Return a reader of a bundle, after reading and checking what it lists.

    ``read`` gives at most as many bytes as it is asked for, and none only at the end.
    ``origin`` says in messages where the bundle is from, ``limits`` are those of each
    tree.

    Raises:
        BundleRefused: the bundle is not accepted.

    """
    return BundleReader(read, origin, limits)


class BundleReader:
    """A bundle whose listing was read: first ``trees``, then ``blobs`` once.

    Nothing of a bundle may be kept before ``blobs`` has ended without a refusal.
    """

    def __init__(self, read: Callable[[int], bytes], origin: str, limits: Limits) -> None:
        """Read the listing."""
        self._read = read
        self._origin = origin
        try:
            _check_magic(read)
            self._pieces = self._opened()
            self._listing = read_listing(self._pieces.take, limits)
            _check_size(self._declared, self._listing)
        except Flaw as flaw:
            raise self._refusal(flaw) from flaw

    @property
    def trees(self) -> tuple[BundledTree, ...]:
        """The trees, in order of name, version and digest; a digest may have many names."""
        return self._listing.trees

    @property
    def size(self) -> int:
        """How many bytes the blobs are together."""
        return self._listing.blob_bytes

    def blobs(self) -> Iterator[tuple[BlobKey, Iterator[bytes]]]:
        """Yield each blob with its bytes, in chunks of at most 1 MiB.

        The last chunk of a blob comes after its digest was checked. What is left of a
        blob's chunks is passed over, and checked, when the next blob is asked for.

        Raises:
            BundleRefused: the rest of the bundle is not accepted.

        """
        try:
            for key in self._listing.blobs:
                chunks = CheckedChunks(self._checked(key), self._refusal)
                yield key, chunks
                chunks.finish()
            self._finish()
        except Flaw as flaw:
            raise self._refusal(flaw) from flaw

    def _opened(self) -> Pieces:
        """Return what the frame holds, after checking its header."""
        self._frame = FrameInput(self._read)
        declared = declared_size(self._frame.header)
        if declared is None:
            raise Flaw("no-content-size", "the zstd frame does not say its size")
        limit = BUNDLE_BYTES + LISTING_BYTES + DIGEST_BYTES
        if declared > limit:
            raise Flaw("bundle-too-large", f"the bundle holds more than {limit} bytes")
        self._declared = declared
        return Pieces(expand_frame(self._frame, declared), "the bundle")

    def _checked(self, key: BlobKey) -> Iterator[bytes]:
        """Yield the chunks of one blob, the last one after checking them all."""
        hasher = blake3()
        held = b""
        for chunk in self._pieces.chunks(key.size):
            if held:
                yield held
            hasher.update(chunk)
            held = chunk
        if hasher.digest() != key.digest.raw:
            raise Flaw("wrong-bytes", f"the bytes are not those of {key.digest}")
        if held:
            yield held

    def _finish(self) -> None:
        """Read the end mark; nothing may follow it, in the frame or after it."""
        if self._pieces.take(DIGEST_BYTES) != _end_mark(self._listing):
            raise Flaw("bad-end", "the end mark is not that of the listing")
        if any(self._pieces.rest()):
            raise Flaw("trailing-data", "bytes follow the end mark")
        if self._read(1):
            raise Flaw("trailing-data", "bytes follow the zstd frame")

    def _refusal(self, flaw: Flaw | InvalidTree) -> BundleRefused:
        """Return the refusal of a flaw."""
        return BundleRefused(self._origin, flaw.reason, flaw.explanation, flaw.path)


def _check_magic(read: Callable[[int], bytes]) -> None:
    """Refuse what is no bundle, or one of another version."""
    line = b""
    while len(line) < len(BUNDLE_MAGIC) and (piece := read(len(BUNDLE_MAGIC) - len(line))):
        line += piece
    if line == BUNDLE_MAGIC:
        return
    if line.startswith(_FAMILY):
        raise Flaw("unknown-version", "the bundle is of a version that is not known here")
    raise Flaw("unknown-format", "the file is not a bundle")


def _check_size(declared: int, listing: Listing) -> None:
    """Refuse a frame that says another size than the listing adds up to."""
    size = len(listing.encoded) + listing.blob_bytes + DIGEST_BYTES
    if declared != size:
        explanation = f"the zstd frame says {declared} bytes, the listing {size}"
        raise Flaw("bad-size", explanation)


def _end_mark(listing: Listing) -> bytes:
    """Return the digest of the listing, which ends a bundle."""
    return blake3(listing.encoded, derive_key_context=END_CONTEXT).digest()


def _places(listing: Listing) -> dict[Digest, TreeFile]:
    """Return one file for each blob: where its bytes can be had."""
    places: dict[Digest, TreeFile] = {}
    for bundled in listing.trees:
        for file in bundled.tree().files:
            places.setdefault(file.digest, file)
    return places


def _written(
    listing: Listing,
    places: dict[Digest, TreeFile],
    blob: Callable[[TreeFile], Iterable[bytes]],
) -> Iterator[bytes]:
    """Yield the magic, then the frame."""
    import zstandard

    yield BUNDLE_MAGIC
    size = len(listing.encoded) + listing.blob_bytes + DIGEST_BYTES
    parameters = zstandard.ZstdCompressionParameters.from_level(  # pyright: ignore[reportUnknownMemberType]
        _LEVEL, source_size=size, write_checksum=1, write_content_size=1, threads=0
    )
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj(size=size)
    for chunk in _even(_plain(listing, places, blob)):
        if packed := compressor.compress(chunk):
            yield packed
    yield compressor.flush()


def _plain(
    listing: Listing,
    places: dict[Digest, TreeFile],
    blob: Callable[[TreeFile], Iterable[bytes]],
) -> Iterator[bytes]:
    """Yield what the frame holds."""
    yield listing.encoded
    for key in listing.blobs:
        file = places[key.digest]
        hasher = blake3()
        size = 0
        for chunk in blob(file):
            hasher.update(chunk)
            size += len(chunk)
            yield chunk
        if size != key.size or hasher.digest() != key.digest.raw:
            raise InvalidTree("wrong-bytes", file.path, f"the bytes are not those of {key.digest}")
    yield _end_mark(listing)


def _even(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in chunks of one size: how they came cannot change the output."""
    waiting: list[bytes] = []
    length = 0
    for piece in pieces:
        waiting.append(piece)
        length += len(piece)
        if length >= CHUNK_BYTES:
            joined = b"".join(waiting)
            whole = length - length % CHUNK_BYTES
            for start in range(0, whole, CHUNK_BYTES):
                yield joined[start : start + CHUNK_BYTES]
            waiting, length = [joined[whole:]], length - whole
    yield b"".join(waiting)
