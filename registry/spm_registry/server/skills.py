"""The reading endpoints: one skill, one version, lists, search, tags, health."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spm_registry.backends.documents import complete
from spm_registry.server.errors import Refusal
from spm_registry.server.queries import page_query
from spm_registry.server.responses import document_response, with_origin
from spm_registry.server.services import DATABASE, DOCUMENTS
from spm_registry.wire import Health, TagCount, TagPage
from spm_spec.errors import SpmError
from spm_spec.names import is_skill_name
from spm_spec.versions import Version

if TYPE_CHECKING:
    from aiohttp import web

    from spm_registry.backends.database import Query


async def skill(request: web.Request) -> web.Response:
    """``GET /api/v1/skills/{name}``: the skill with all its versions."""
    name = _name(request)
    stored = await request.app[DOCUMENTS].skill(name)
    if stored is None:
        raise _no_skill(name)
    return document_response(request, with_origin(request, complete(stored)))


async def release(request: web.Request) -> web.Response:
    """``GET /api/v1/skills/{name}/{version}``: the skill as seen at one version."""
    name = _name(request)
    try:
        version = Version.parse(request.match_info["version"])
    except SpmError as error:
        raise Refusal(400, "bad-version", error.message, hint=error.hint) from error
    stored = await request.app[DATABASE].release(name, str(version))
    if stored is None:
        raise Refusal(404, "not-found", f"there is no {name} {version}")
    return document_response(request, with_origin(request, complete(stored)))


async def listing(request: web.Request) -> web.Response:
    """``GET /api/v1/skills``: one page, the newest first unless there is a query."""
    return await _page(request, page_query(request.query))


async def search(request: web.Request) -> web.Response:
    """``GET /api/v1/search?q=``: one page, the best first."""
    if "q" not in request.query:
        raise Refusal(400, "bad-query", "q is missing", hint="add ?q= and what to look for")
    query = page_query(request.query)
    if not query.words:
        nothing = f'{{"skills":[],"total":0,"limit":{query.limit},"offset":{query.offset}}}'
        return document_response(request, nothing)
    return await _page(request, query)


async def tags(request: web.Request) -> web.Response:
    """``GET /api/v1/tags``: every tag in use with its number of skills."""
    rows = await request.app[DATABASE].tags()
    page = TagPage(tags=tuple(TagCount(name=name, count=count) for name, count in rows))
    return document_response(request, page.to_json().decode())


async def health(request: web.Request) -> web.Response:
    """``GET /api/v1/health``: whether the database answers, and how much is in it."""
    skills, releases = await request.app[DATABASE].count()
    text = Health(status="ok", skills=skills, releases=releases).to_json().decode()
    return document_response(request, text)


async def _page(request: web.Request, query: Query) -> web.Response:
    found = await request.app[DATABASE].find(query)
    skills = ",".join(map(complete, found.skills))
    numbers = f'"total":{found.total},"limit":{query.limit},"offset":{query.offset}'
    return document_response(request, with_origin(request, f'{{"skills":[{skills}],{numbers}}}'))


def _name(request: web.Request) -> str:
    name = request.match_info["name"]
    if not is_skill_name(name):
        raise _no_skill(name)
    return name


def _no_skill(name: str) -> Refusal:
    return Refusal(404, "not-found", f"there is no skill `{name[:80]}`")
