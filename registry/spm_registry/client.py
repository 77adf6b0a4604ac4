"""A client of one registry, which it does not trust.

Every answer is checked before anything is made of it, whether it came from the network
or from the cache. ``None`` means that the registry said 404 about the thing itself;
being refused, unreachable or lied to raises.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import quote, urlencode

from spm_registry.addresses import download_url, registry_url
from spm_registry.download import checked_archive, checked_size, package_path
from spm_registry.errors import InvalidStars, Offline, RegistryRefused, RegistryUnreachable
from spm_registry.transport import CONNECTIONS, Answer, Patience, Request, Transport
from spm_registry.wire import (
    API,
    DOCUMENT_BYTES,
    PAGE_DEFAULT,
    STARS_LIMIT,
    Document,
    ErrorDocument,
    Health,
    InvalidDocument,
    Rating,
    RatingRequest,
    RegistryLied,
    SkillDocument,
    SkillPage,
    TagPage,
    parse_document,
    printable,
)
from spm_spec.names import parse_skill_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from spm_registry.metadata_cache import MetadataCache
    from spm_registry.wire import ReleaseDocument
    from spm_spec.versions import Version

_DEFAULT_PATIENCE = Patience()
_MESSAGE_CHARACTERS = 2000
_OK, _NOT_MODIFIED, _NOT_FOUND = 200, 304, 404
_PUBLISHED = frozenset({200, 201})
_SERVER_FAILED = 500
_TOO_MANY, _REQUEST_TIMEOUT = 429, 408
_UNAUTHORISED, _UNAUTHORISED_HINT = 401, "put a token of this registry into SPM_TOKEN"

Model = TypeVar("Model", bound=Document)


class RegistryClient:
    """Questions to the registry at ``url``; an async context manager.

    ``cache`` keeps documents with their ETags; ``offline`` answers from it alone.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        cache: MetadataCache | None = None,
        offline: bool = False,
        patience: Patience = _DEFAULT_PATIENCE,
    ) -> None:
        """Connect to nothing yet.

        Raises:
            InvalidRegistryUrl: ``url`` is not an address of a registry.
        """
        self.url = registry_url(url)
        self._cache, self._offline = cache, offline
        self._transport = Transport(self.url, token=token, patience=patience)
        self._turns = asyncio.Semaphore(CONNECTIONS)

    async def __aenter__(self) -> Self:
        """Make the pool of connections."""
        await self._transport.__aenter__()
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Close the connections."""
        await self._transport.__aexit__(*failure)

    async def search(
        self,
        query: str = "",
        *,
        tags: Sequence[str] = (),
        sort: str | None = None,
        limit: int = PAGE_DEFAULT,
        offset: int = 0,
    ) -> SkillPage:
        """Return one page of skills; without ``query`` all of them, the newest first."""
        parameters = {"q": query, "tags": ",".join(tags), "sort": sort or ""}
        asked = {name: value for name, value in parameters.items() if value}
        asked |= {"limit": str(limit), "offset": str(offset)}
        return await self._document(SkillPage, f"{API}/skills?{urlencode(asked)}")

    async def tags(self) -> TagPage:
        """Return every tag with its number of skills."""
        return await self._document(TagPage, f"{API}/tags")

    async def health(self) -> Health:
        """Return what the registry says about itself; never from the cache."""
        answer = await self._answer(f"{API}/health", cached=False)
        return self._read(Health, answer.url, self._final(answer).body)

    async def skill(self, name: str) -> SkillDocument | None:
        """Return a skill with all its versions, or ``None`` if the registry has none."""
        path = f"{API}/skills/{parse_skill_name(name)}"
        document = await self._document_if_any(SkillDocument, path)
        if document is not None and document.name != name:
            raise RegistryLied(self.url + path, f"asked for {name}, got {document.name}")
        return document

    async def skills(self, names: Iterable[str]) -> Mapping[str, SkillDocument | None]:
        """Return many skills, asked for side by side; all or the first failure."""
        wanted = list(dict.fromkeys(names))
        tasks = [asyncio.ensure_future(self.skill(name)) for name in wanted]
        try:
            documents = await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
        return dict(zip(wanted, documents, strict=True))

    async def release(self, name: str, version: Version) -> SkillDocument | None:
        """Return a skill as seen at one version, or ``None`` if there is no such release."""
        path = f"{API}/skills/{parse_skill_name(name)}/{quote(str(version), safe='')}"
        document = await self._document_if_any(SkillDocument, path)
        if document is not None and (document.name, document.version) != (name, version):
            raise RegistryLied(
                self.url + path,
                f"asked for {name} {version}, got {document.name} {document.version}",
            )
        return document

    async def download(self, release: ReleaseDocument) -> bytes:
        """Return the archive of a release, its size and sha256 checked."""
        url = download_url(self.url, release.download_url)
        return await self._archive(url, release.archive_sha256, release.size)

    async def download_archive(self, sha256: str, size: int) -> bytes:
        """Return the archive that a lock pins, its size and sha256 checked."""
        return await self._archive(self.url + package_path(sha256), sha256, size)

    async def publish(self, archive: bytes) -> SkillDocument:
        """Publish an archive; return the skill as seen at the new version.

        Publishing the same bytes again succeeds, so a publish whose answer was lost may
        simply be repeated.

        Raises:
            RegistryRefused: no valid token, not the owner, not publishable, or already there.
        """
        answer = await self._change("POST", f"{API}/skills", archive, "application/octet-stream")
        return self._read(SkillDocument, answer.url, answer.body)

    async def rate(self, name: str, stars: int) -> Rating:
        """Set this account's rating of a skill; return the average of all.

        Raises:
            InvalidStars: ``stars`` is not 1 to 5.
        """
        if not 1 <= stars <= STARS_LIMIT:
            raise InvalidStars(stars)
        body = RatingRequest(stars=stars).to_json()
        path = f"{API}/skills/{parse_skill_name(name)}/rating"
        answer = await self._change("PUT", path, body, "application/json")
        return self._read(Rating, answer.url, answer.body)

    async def _change(self, method: str, path: str, body: bytes, content_type: str) -> Answer:
        url = self.url + path
        if self._offline:
            raise Offline(url)
        headers = {"Content-Type": content_type}
        request = Request(method, url, DOCUMENT_BYTES, headers, body, expected=len(body))
        answer = await self._transport.send(request)
        if answer.status not in _PUBLISHED:
            raise _failure(answer)
        return answer

    async def _document(self, model: type[Model], path: str) -> Model:
        answer = self._final(await self._answer(path))
        return self._read(model, answer.url, answer.body)

    async def _document_if_any(self, model: type[Model], path: str) -> Model | None:
        answer = await self._answer(path)
        if answer.status == _NOT_FOUND:
            _check_absence(answer)
            return None
        return self._read(model, answer.url, self._final(answer).body)

    async def _answer(self, path: str, *, cached: bool = True) -> Answer:
        """Ask for a document; a 304 is answered from the cache and looks like a 200."""
        url = self.url + path
        cache = self._cache if cached else None
        known = cache.get(url) if cache is not None else None
        if self._offline:
            if known is None:
                raise Offline(url)
            return Answer(_OK, url, {}, known[1])
        headers = {} if known is None else {"If-None-Match": known[0]}
        async with self._turns:
            answer = await self._transport.send(Request("GET", url, DOCUMENT_BYTES, headers))
        if answer.status == _NOT_MODIFIED and known is not None:
            return Answer(_OK, url, answer.headers, known[1])
        etag = answer.headers.get("ETag")
        if cache is not None and answer.status == _OK and etag is not None:
            cache.put(url, etag, answer.body)
        return answer

    async def _archive(self, url: str, sha256: str, size: int) -> bytes:
        if self._offline:
            raise Offline(url)
        async with self._turns:
            request = Request("GET", url, checked_size(size), expected=size)
            answer = await self._transport.send(request)
        return checked_archive(self._final(answer), sha256=sha256, size=size)

    @staticmethod
    def _final(answer: Answer) -> Answer:
        if answer.status != _OK:
            raise _failure(answer)
        return answer

    @staticmethod
    def _read(model: type[Model], url: str, body: bytes) -> Model:
        try:
            return parse_document(model, body, origin=url)
        except InvalidDocument as error:
            raise RegistryLied(url, "; ".join(error.problems[:3])) from error


def _error_document(answer: Answer) -> ErrorDocument | None:
    try:
        return parse_document(ErrorDocument, answer.body, origin=answer.url)
    except InvalidDocument:
        return None


def _check_absence(answer: Answer) -> None:
    """Believe a 404 only from something that speaks the protocol, not from any web server."""
    document = _error_document(answer)
    if document is None or document.error.kind != "not-found":
        raise RegistryUnreachable(
            answer.url, "404, but not as a registry says it", hint="check the registry's address"
        )


def _failure(answer: Answer) -> RegistryRefused | RegistryUnreachable | RegistryLied:
    """Return what a status that is not the wanted one means."""
    status = answer.status
    document = _error_document(answer)
    detail = None if document is None else document.error
    message = "" if detail is None else printable(detail.message, _MESSAGE_CHARACTERS)
    if status >= _SERVER_FAILED or status in {_TOO_MANY, _REQUEST_TIMEOUT}:
        return RegistryUnreachable(answer.url, f"{status} {message}".rstrip())
    if 400 <= status < _SERVER_FAILED:  # noqa: PLR2004  # the client errors of HTTP
        hint = _UNAUTHORISED_HINT if status == _UNAUTHORISED else None
        if hint is None and detail is not None and detail.hint is not None:
            hint = printable(detail.hint, _MESSAGE_CHARACTERS)
        problems = () if detail is None else detail.problems[:100]
        return RegistryRefused(
            answer.url,
            status,
            "refused" if detail is None else detail.kind,
            message,
            hint=hint,
            problems=tuple(printable(problem, _MESSAGE_CHARACTERS) for problem in problems),
        )
    return RegistryLied(answer.url, f"status {status} is no answer to this question")
