"""The package reader: bytes are an archive, or, without a known magic, a tar to compress."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from spm_spec.package import PackageRefused, read_package, write_package
from spm_spec.package_compression import GZIP_MAGIC, gzip_stored
from spm_spec.package_stream import stream_package
from spm_spec.tree import FileEntry, Limits
from spm_spec.zstd_frame import ZSTD_MAGIC
from tests.support.package_scenarios import all_scenarios

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITS = Limits(depth=8, path_bytes=200, entries=50, file_bytes=10_000, tree_bytes=50_000)
_STORED_BLOCK_START = 10 + 5
_MAGICS = (GZIP_MAGIC, ZSTD_MAGIC, b"PK\3\4", b"PK\5\6")


def seeds() -> Iterator[bytes]:
    """Yield the archives of the vectors, and the tars in those that are stored."""
    for scenario in all_scenarios():
        if len(scenario.archive) < 20_000:
            yield scenario.archive
            if scenario.archive.startswith(GZIP_MAGIC) and scenario.name.startswith("tar"):
                yield scenario.archive[_STORED_BLOCK_START:-8]


def target(data: bytes) -> None:
    """Read, and stream, and write what was read; both must agree."""
    archive = data if data.startswith(_MAGICS) else gzip_stored(data)
    files = _outcome(archive, streamed=False)
    if _outcome(archive, streamed=True) != files:
        raise AssertionError("a stream gives something else than reading")
    if not isinstance(files, str) and read_package(write_package(files), origin="x") != files:
        raise AssertionError("what was read is not read again")


def _outcome(archive: bytes, *, streamed: bool) -> tuple[FileEntry, ...] | str:
    try:
        if not streamed:
            return read_package(archive, origin="fuzz", limits=LIMITS)
        files = [
            FileEntry(each.path, b"".join(each.chunks), each.executable)
            for each in stream_package(BytesIO(archive), origin="fuzz", limits=LIMITS)
        ]
    except PackageRefused as refusal:
        return refusal.message
    return tuple(sorted(files, key=lambda entry: entry.path.encode()))
