"""Brings the trees that a lock pins into the store, whatever source they have.

Downloads run side by side; every tree goes into one store transaction, so that a
batch costs one durability barrier and one commit. What arrives is checked before it
is stored: the archive against the lock's sha256 and size, then the parsed tree
against the lock's digest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spm.console import Progress
from spm.matching import check_same_skill, registries_of
from spm.shown import version_text
from spm.universe import read_source
from spm_spec.package import read_package
from spm_spec.skill import read_skill
from spm_spec.sources import RegistrySource

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from spm.project import Project
    from spm.reach import Reach
    from spm_registry.client import RegistryClient
    from spm_spec.digests import Digest
    from spm_spec.lock import LockEntry
    from spm_spec.tree import FileEntry
    from spm_store.store import Store


async def fetch_all(
    entries: Sequence[LockEntry],
    *,
    project: Project,
    reach: Reach,
    store: Store,
    damaged: Collection[Digest] = (),
) -> None:
    """Fetch and store every entry, or none; those ``damaged`` in the store are replaced.

    Raises:
        SpmError: a source is unreachable or sent something else; the store is unchanged.
    """
    with Progress("fetching", len(entries)) as progress, store.transaction() as transaction:

        def keep(entry: LockEntry, files: tuple[FileEntry, ...]) -> None:
            contents = {file.path: file.data for file in files}
            check_same_skill(entry, read_skill(contents, folder=entry.name).skill)
            transaction.add(
                files,
                name=entry.name,
                version=version_text(entry),
                expected=entry.tree,
                replace=entry.tree in damaged,
            )
            progress.step()

        for url, wanted in registries_of(entries).items():
            async with reach.client(url) as client:
                await _download_all(client, wanted, keep)
        for entry in entries:
            if not isinstance(entry.source, RegistrySource):
                found = await read_source(entry.source, project=project, reach=reach)
                keep(entry, found.files)


async def _download_all(
    client: RegistryClient,
    entries: Sequence[LockEntry],
    keep: Callable[[LockEntry, tuple[FileEntry, ...]], None],
) -> None:
    from asyncio import TaskGroup

    async def one(entry: LockEntry) -> None:
        sha256, size = entry.archive_sha256, entry.archive_size
        if sha256 is None or size is None:
            raise AssertionError("a registry entry without an archive passed the lock's reader")
        archive = await client.download_archive(sha256, size)
        keep(entry, read_package(archive, origin=f"{entry.name} {entry.version}"))

    try:
        async with TaskGroup() as group:
            for entry in entries:
                group.create_task(one(entry))
    except ExceptionGroup as failures:  # the first failure speaks for its siblings
        raise _first(failures) from None


def _first(failures: BaseExceptionGroup[Exception]) -> BaseException:
    error: BaseException = failures
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
