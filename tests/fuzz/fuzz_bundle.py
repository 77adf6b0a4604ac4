"""The reader of bundles: bytes are a bundle, or, without its magic, what the frame holds."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import zstandard

from spm_spec.bundle import BUNDLE_MAGIC, BundleRefused, read_bundle, write_bundle
from spm_spec.tree import Limits
from tests.support.archives import zstd_frame
from tests.support.bundle_scenarios import all_scenarios

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spm_spec.bundle import BundledTree
    from spm_spec.digests import Digest

LIMITS = Limits(depth=8, path_bytes=200, entries=50, file_bytes=10_000, tree_bytes=50_000)
_HEADER_BYTES = 4 + 1 + 1 + 8 + 3  # magic, descriptor, window, content size, block


def seeds() -> Iterator[bytes]:
    """Yield the bundles of the vectors, and what is in them."""
    for scenario in all_scenarios():
        yield scenario.bundle
        if scenario.bundle.startswith(BUNDLE_MAGIC):
            yield scenario.bundle[len(BUNDLE_MAGIC) + _HEADER_BYTES :]


def target(data: bytes) -> None:
    """Read and write again: the content is the same bytes."""
    whole = data.startswith(BUNDLE_MAGIC)
    bundle = data if whole else BUNDLE_MAGIC + zstd_frame(data)
    try:
        reader = read_bundle(BytesIO(bundle).read, origin="fuzz", limits=LIMITS)
        blobs = {key.digest: b"".join(chunks) for key, chunks in reader.blobs()}
    except BundleRefused:
        return
    if not whole and _content(reader.trees, blobs) != data:
        raise AssertionError("a bundle has two contents")


def _content(trees: tuple[BundledTree, ...], blobs: dict[Digest, bytes]) -> bytes:
    written = b"".join(write_bundle(trees, lambda file: [blobs[file.digest]]))
    return zstandard.ZstdDecompressor().decompress(written[len(BUNDLE_MAGIC) :])
