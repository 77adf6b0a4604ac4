"""Lists, search, tags, documents, downloads: what anyone may ask."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.raw_http import Reply, send
from tests.support.registry_server import running_registry
from tests.support.skill_archives import skill_archive

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.registry_server import RunningRegistry


def names(registry: RunningRegistry, path: str) -> list[str]:
    return [skill["name"] for skill in send(registry.url, path).json()["skills"]]


@pytest.fixture
def library(registry: RunningRegistry) -> RunningRegistry:
    for name, description, tags in (
        ("csv-summary", "Summarises tables of numbers.", ["data", "csv"]),
        ("pdf-reader", "Reads text and tables out of documents.", ["documents"]),
        ("table-maker", "Draws a chart for a report.", ["data"]),
        ("cafe-finder", "Finds a café nearby.", []),
    ):
        registry.publish(skill_archive(name, description=description, tags=tags))
    return registry


def test_search_ranks_names_before_tags_before_descriptions(library: RunningRegistry) -> None:
    found = names(library, "/api/v1/search?q=table")

    assert found[0] == "table-maker"
    assert sorted(found) == ["csv-summary", "pdf-reader", "table-maker"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("csv", ["csv-summary"]),
        ("read+text", ["pdf-reader"]),
        ("summ", ["csv-summary"]),
        ("CAFE", ["cafe-finder"]),
        ("csv-summary", ["csv-summary"]),
        ("pdf+nowhere", ["pdf-reader"]),
        ("nowhere", []),
        ("", []),
    ],
)
def test_search_finds(library: RunningRegistry, query: str, expected: list[str]) -> None:
    assert names(library, f"/api/v1/search?q={query}") == expected


@pytest.mark.parametrize("parameter", ["search", "q"])
def test_a_list_can_be_searched(library: RunningRegistry, parameter: str) -> None:
    found = names(library, f"/api/v1/skills?{parameter}=table&tags=data&limit=1")

    assert found == ["table-maker"]


def test_lists_filter_by_all_tags_and_page_in_a_stable_order(library: RunningRegistry) -> None:
    assert names(library, "/api/v1/skills?sort=name") == [
        "cafe-finder",
        "csv-summary",
        "pdf-reader",
        "table-maker",
    ]
    assert names(library, "/api/v1/skills?sort=name&limit=2&offset=1") == [
        "csv-summary",
        "pdf-reader",
    ]
    assert names(library, "/api/v1/skills?tags=data&sort=name") == ["csv-summary", "table-maker"]
    assert names(library, "/api/v1/skills?tags=data,csv") == ["csv-summary"]
    page = send(library.url, "/api/v1/skills?tags=data&limit=1").json()
    assert (page["total"], page["limit"], page["offset"]) == (2, 1, 0)


def test_lists_sort_by_rating_and_downloads(library: RunningRegistry) -> None:
    library.ask(lambda client: client.rate("pdf-reader", 5))
    library.ask(lambda client: client.rate("csv-summary", 3))

    assert names(library, "/api/v1/skills?sort=rating")[:2] == ["pdf-reader", "csv-summary"]


def test_a_rating_counts_once_for_each_account(library: RunningRegistry) -> None:
    def rate(token: str, stars: int) -> Reply:
        return send(
            library.url,
            "/api/v1/skills/pdf-reader/rating",
            method="PUT",
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
            body=b'{"stars": %d}' % stars,
        )

    rate(library.token, 1)
    rate(library.token, 4)
    reply = rate(library.token_of("bob"), 4)

    assert (reply.status, reply.json()) == (200, {"rating": 4.0, "ratings": 2})
    assert send(library.url, "/api/v1/skills/pdf-reader").json()["rating"] == 4.0


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=0", "limit: `0` is not a number from 1 to 100"),
        ("limit=101", "limit: `101` is not a number from 1 to 100"),
        ("limit=x", "limit: `x` is not a number from 1 to 100"),
        ("offset=-1", "offset: `-1` is not a number from 0 to 1000000"),
        ("sort=best", "sort: `best` is not one of recent, downloads, rating, name, relevance"),
    ],
)
def test_lists_refuse_parameters_by_name(
    registry: RunningRegistry, query: str, message: str
) -> None:
    assert send(registry.url, f"/api/v1/skills?{query}").error == (400, "bad-query", message)


def test_search_needs_a_question(registry: RunningRegistry) -> None:
    assert send(registry.url, "/api/v1/search").error == (400, "bad-query", "q is missing")


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/skills",
        "/api/v1/skills/pdf-reader",
        "/api/v1/skills/pdf-reader/1.0.0",
        "/api/v1/search?q=pdf",
        "/api/v1/tags",
        "/api/v1/health",
    ],
)
def test_every_document_has_a_strong_etag_and_answers_304(
    library: RunningRegistry, path: str
) -> None:
    first = send(library.url, path)
    etag = first.headers["ETag"]

    again = send(library.url, path, headers={"If-None-Match": f'"other", {etag}'})
    stale = send(library.url, path, headers={"If-None-Match": '"other"'})
    head = send(library.url, path, method="HEAD")

    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", etag)
    assert (stale.status, stale.body) == (200, first.body)
    assert (head.status, head.body, head.headers["ETag"]) == (200, b"", etag)
    assert etag.startswith('"')
    assert first.headers["Cache-Control"] == "no-cache"
    assert first.headers["X-Content-Type-Options"] == "nosniff"


def test_a_download_is_immutable_resumable_and_counted(registry: RunningRegistry) -> None:
    archive = skill_archive("alpha", extra={"data.bin": bytes(range(256)) * 40})
    sha256 = hashlib.sha256(archive).hexdigest()
    registry.publish(archive)
    path = f"/packages/{sha256}.spm"

    whole = send(registry.url, path)
    rest = send(registry.url, path, headers={"Range": "bytes=10-"})
    known = send(registry.url, path, headers={"If-None-Match": f'"{sha256}"'})

    assert (whole.status, whole.body) == (200, archive)
    assert whole.headers["ETag"] == f'"{sha256}"'
    assert whole.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert (rest.status, rest.body) == (206, archive[10:])
    assert rest.headers["Content-Range"] == f"bytes 10-{len(archive) - 1}/{len(archive)}"
    assert (known.status, known.body) == (304, b"")
    assert counted(registry, "alpha") == 1


def counted(registry: RunningRegistry, name: str) -> int:
    """Ask until the counter was written, which happens about once a second."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        downloads: int = send(registry.url, f"/api/v1/skills/{name}").json()["downloads"]
        if downloads:
            return downloads
    return 0


def test_download_addresses_start_with_the_public_address(tmp_path: Path) -> None:
    with running_registry(tmp_path, public_url="https://skills.example.org") as registry:
        archive = skill_archive("alpha")
        headers = {
            "Authorization": f"Bearer {registry.token}",
            "Content-Type": "application/octet-stream",
        }
        send(registry.url, "/api/v1/skills", method="POST", headers=headers, body=archive)

        reply = send(registry.url, "/api/v1/skills/alpha", headers={"Host": "evil.example"})

    sha256 = hashlib.sha256(archive).hexdigest()
    expected = f"https://skills.example.org/packages/{sha256}.spm"
    assert reply.json()["downloadUrl"] == expected
    assert reply.json()["versions"][0]["downloadUrl"] == expected


def test_unknown_things_are_404_in_the_error_shape(registry: RunningRegistry) -> None:
    registry.publish(skill_archive("alpha"))

    assert send(registry.url, "/api/v1/skills/beta").json() == {
        "error": {
            "kind": "not-found",
            "message": "there is no skill `beta`",
            "hint": None,
            "problems": [],
        }
    }
    assert send(registry.url, "/api/v1/skills/alpha/9.9.9").error == (
        404,
        "not-found",
        "there is no alpha 9.9.9",
    )
    assert send(registry.url, "/nowhere").status == 404
    assert send(registry.url, "/api/v1/tags", method="DELETE").status == 405
