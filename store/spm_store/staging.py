"""Files on their way into the store: written into a lease, hashed on the way.

All of it happens in the caller's thread: most of it are system calls so short that two
threads would only wait for each other. What comes in chunks is written as it comes, and
never held whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blake3 import blake3

from spm_spec.digests import Digest, blob_digest
from spm_spec.tree import (
    DEFAULT_LIMITS,
    ClaimedPaths,
    FileEntry,
    Limits,
    Tree,
    TreeFile,
    tree_from,
)
from spm_store.blobs import EXECUTABLE_MODE, FILE_MODE, blob_name, mode_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from spm_spec.streams import StreamedFile
    from spm_store.blobs import Blobs
    from spm_store.durable import Disk

SMALL_BYTES = 64 * 1024  # a streamed file up to here is joined: it may be there already
STAGED_FOLDER_MODE = 0o755


class Staging:
    """One tree in a folder of the lease; ``copies`` names its files by blob."""

    def __init__(
        self, folder: str, disk: Disk, blobs: Blobs, others: Mapping[str, Sequence[str]]
    ) -> None:
        """Make the folder; ``others`` are the files staged before, by blob."""
        self.folder = folder
        self.copies: dict[str, list[str]] = {}
        self._disk = disk
        self._blobs = blobs
        self._others = others
        self._made = {""}
        disk.make_folder(folder, STAGED_FOLDER_MODE)

    def take(
        self, files: Iterable[FileEntry | StreamedFile], limits: Limits = DEFAULT_LIMITS
    ) -> Tree:
        """Write ``files`` as they come, and return the tree they are.

        Raises:
            InvalidTree: no tree may look like this; some files may have been written.
            OSError: the system refused.

        """
        paths = ClaimedPaths(limits)
        return tree_from(paths, [self._take(file, paths, limits) for file in files])

    def lay_out(self, tree: Tree, files: Iterable[FileEntry]) -> None:
        """Write the files of ``tree``, whose digests are known."""
        self.make_folders(tree)
        known = {file.path: file for file in tree.files}
        for entry in files:
            self.write(known[entry.path], entry.data)

    def make_folders(self, tree: Tree) -> None:
        """Make every folder of ``tree``."""
        for path in sorted(tree.directories):
            self._make_folder(path)

    def write_stream(self, file: StreamedFile, limits: Limits = DEFAULT_LIMITS) -> TreeFile:
        """Write the chunks of one file as they come; stops past the limit on a file."""
        hasher, size = blake3(), 0

        def passing() -> Iterator[bytes]:
            nonlocal size
            for chunk in file.chunks if file.size is None else _up_to(file.size, file):
                hasher.update(chunk)
                size += len(chunk)
                if size > limits.file_bytes:
                    return
                yield chunk

        target = f"{self.folder}/{file.path}"
        self._disk.write_chunks(target, passing(), mode_of(executable=file.executable))
        written = TreeFile(file.path, Digest(hasher.digest()), file.executable, size)
        self.record(written, target)
        return written

    def write(self, file: TreeFile, data: bytes) -> None:
        """Write one file, or give a blob or file that has its bytes another name."""
        target = f"{self.folder}/{file.path}"
        mode = EXECUTABLE_MODE if file.executable else FILE_MODE
        if not data:
            self._disk.write_file(target, data, mode)
            return
        name = blob_name(file)
        source = self._source_of(name, data, mode)
        if source is None or not self._placed(source, target, mode):
            self._disk.write_file(target, data, mode)
        self.copies.setdefault(name, []).append(target)

    def write_chunks(self, file: TreeFile, chunks: Iterable[bytes]) -> None:
        """Write a file whose ``chunks`` are known to be its bytes."""
        target = f"{self.folder}/{file.path}"
        self._disk.write_chunks(target, chunks, mode_of(executable=file.executable))
        self.record(file, target)

    def write_from(self, file: TreeFile, source: str) -> None:
        """Make a file that shares the bytes of another one of the same mode, in the lease."""
        target = f"{self.folder}/{file.path}"
        self._blobs.place(source, target, mode_of(executable=file.executable))
        self.record(file, target)

    def record(self, file: TreeFile, target: str) -> None:
        """Remember that the finished file ``target`` is to be a blob, unless it is empty."""
        if file.size:
            self.copies.setdefault(blob_name(file), []).append(target)

    def _placed(self, source: str, target: str, mode: int) -> bool:
        """Share the bytes of ``source``; False if it was removed since it was looked at."""
        try:
            self._blobs.place(source, target, mode)
        except FileNotFoundError:
            return False
        return True

    def _source_of(self, name: str, data: bytes, mode: int) -> str | None:
        staged = self.copies.get(name) or self._others.get(name)
        if staged:
            return staged[0]
        return self._blobs.path(name) if self._blobs.holds(name, data, mode) else None

    def _take(
        self, file: FileEntry | StreamedFile, paths: ClaimedPaths, limits: Limits
    ) -> TreeFile:
        """Write one file whose path and size are allowed beside those before it."""
        if isinstance(file, FileEntry):
            data = file.data
            paths.claim(file.path, len(data))
        else:
            paths.claim(file.path, file.size or 0)
            if file.size is None or file.size > SMALL_BYTES:
                self._make_parent(file.path)
                written = self.write_stream(file, limits)
                if file.size is None:
                    paths.count(file.path, written.size)
                return written
            data = b"".join(_up_to(file.size, file))
        self._make_parent(file.path)
        written = TreeFile(file.path, blob_digest(data), file.executable, len(data))
        self.write(written, data)
        return written

    def _make_parent(self, path: str) -> None:
        folder = path.rpartition("/")[0]
        if folder not in self._made:
            above = folder
            missing = list[str]()
            while above not in self._made:
                missing.append(above)
                above = above.rpartition("/")[0]
            for each in reversed(missing):
                self._make_folder(each)

    def _make_folder(self, path: str) -> None:
        if path not in self._made:
            self._disk.make_folder(f"{self.folder}/{path}", STAGED_FOLDER_MODE)
            self._made.add(path)


def _up_to(size: int, file: StreamedFile) -> Iterator[bytes]:
    """Yield the chunks of a file of ``size`` bytes; its giver has checked that it is."""
    left = size
    for chunk in file.chunks:
        left -= len(chunk)
        if left < 0:
            break
        yield chunk
    if left:
        message = f"{file.path}: the stream is not as long as it said, {size} bytes"
        raise AssertionError(message)
