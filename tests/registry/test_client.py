"""What the client asks, believes, remembers and tries again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from spm_registry.addresses import InvalidRegistryUrl, registry_url
from spm_registry.client import RegistryClient
from spm_registry.download import InvalidArchiveSize
from spm_registry.errors import InvalidStars, Offline, RegistryRefused, RegistryUnreachable
from spm_registry.metadata_cache import FolderMetadataCache
from spm_spec.versions import Version
from tests.support.raw_http import lying_server, reply
from tests.support.registry_server import TEST_PATIENCE
from tests.support.skill_archives import skill_archive

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path
    from typing import TypeVar

    from tests.support.registry_server import RunningRegistry

    Result = TypeVar("Result")


def ask(
    url: str,
    question: Callable[[RegistryClient], Awaitable[Result]],
    *,
    cache: FolderMetadataCache | None = None,
    offline: bool = False,
) -> Result:
    async def run() -> Result:
        async with RegistryClient(
            url, cache=cache, offline=offline, patience=TEST_PATIENCE
        ) as client:
            return await question(client)

    return asyncio.run(run())


def test_a_published_skill_comes_back_byte_for_byte(registry: RunningRegistry) -> None:
    archive = skill_archive("alpha")
    registry.publish(archive)

    document = registry.ask(lambda client: client.skill("alpha"))

    assert document is not None
    release = document.versions[0]
    assert registry.ask(lambda client: client.download(release)) == archive
    assert (
        registry.ask(lambda client: client.download_archive(release.archive_sha256, release.size))
        == archive
    )


def test_absent_skills_and_releases_are_none(registry: RunningRegistry) -> None:
    registry.publish(skill_archive("alpha"))

    found = registry.ask(lambda client: client.skills(["alpha", "beta", "alpha"]))

    assert [(name, document is not None) for name, document in found.items()] == [
        ("alpha", True),
        ("beta", False),
    ]
    version = Version.parse("9.0.0")
    assert registry.ask(lambda client: client.release("alpha", version)) is None


def test_a_refused_publish_says_what_the_registry_said(registry: RunningRegistry) -> None:
    registry.publish(skill_archive("alpha"))

    with pytest.raises(RegistryRefused) as caught:
        registry.publish(skill_archive("alpha", description="Other bytes."))

    assert caught.value.message == (
        f"{registry.url}/api/v1/skills: 409 version-exists: alpha 1.0.0 is already published"
        " with other contents; a version never changes"
    )
    assert caught.value.hint == "publish it under a new version"


def test_a_document_known_already_is_answered_from_the_cache(
    registry: RunningRegistry, tmp_path: Path
) -> None:
    registry.publish(skill_archive("alpha"))
    cache = FolderMetadataCache(tmp_path / "cache")
    first = ask(registry.url, lambda client: client.skill("alpha"), cache=cache)

    again = ask(registry.url, lambda client: client.skill("alpha"), cache=cache)
    offline = ask(registry.url, lambda client: client.skill("alpha"), cache=cache, offline=True)

    assert first is not None
    assert again == first
    assert offline == first


def test_a_changed_document_replaces_the_one_in_the_cache(
    registry: RunningRegistry, tmp_path: Path
) -> None:
    cache = FolderMetadataCache(tmp_path / "cache")
    registry.publish(skill_archive("alpha"))
    ask(registry.url, lambda client: client.skill("alpha"), cache=cache)
    registry.publish(skill_archive("alpha", "1.1.0"))

    document = ask(registry.url, lambda client: client.skill("alpha"), cache=cache)

    assert document is not None
    assert str(document.version) == "1.1.0"


def test_offline_asks_nobody(tmp_path: Path) -> None:
    cache = FolderMetadataCache(tmp_path / "cache")
    with lying_server(lambda _path, _headers: reply()) as server:
        with pytest.raises(Offline) as caught:
            ask(server.url, lambda client: client.skill("alpha"), cache=cache, offline=True)
        with pytest.raises(Offline):
            ask(server.url, lambda client: client.download_archive("0" * 64, 1), offline=True)
        with pytest.raises(Offline):
            ask(server.url, lambda client: client.publish(b"x"), offline=True)

    assert server.seen == []
    assert caught.value.message == (
        f"{server.url}/api/v1/skills/alpha: not in the cache, and spm is offline"
    )


def test_a_damaged_cache_file_is_asked_for_again(registry: RunningRegistry, tmp_path: Path) -> None:
    registry.publish(skill_archive("alpha"))
    cache = FolderMetadataCache(tmp_path / "cache")
    first = ask(registry.url, lambda client: client.skill("alpha"), cache=cache)
    (file,) = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    file.write_bytes(file.read_bytes()[:-7])

    assert ask(registry.url, lambda client: client.skill("alpha"), cache=cache) == first


def test_a_get_is_tried_again_after_a_failure_that_passes(registry: RunningRegistry) -> None:
    registry.publish(skill_archive("alpha"))
    good = registry.ask(lambda client: client.tags()).to_json()
    answers = [reply(status="503 Busy", headers={"Retry-After": "0"}), [], reply(good)]

    with lying_server(lambda _path, _headers: answers.pop(0)) as server:
        page = ask(server.url, lambda client: client.tags())

    assert page.tags == ()
    assert len(server.seen) == 3


def test_a_publish_is_never_tried_again() -> None:
    with lying_server(lambda _path, _headers: reply(status="503 Busy")) as server:
        with pytest.raises(RegistryUnreachable, match="503"):
            ask(server.url, lambda client: client.publish(b"archive"))

        assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("401 Unauthorized", RegistryRefused),
        ("403 Forbidden", RegistryRefused),
        ("500 Oops", RegistryUnreachable),
        ("503 Busy", RegistryUnreachable),
        ("429 Slow down", RegistryUnreachable),
        ("404 Not Found", RegistryUnreachable),
    ],
)
def test_only_the_registrys_own_404_means_absent(status: str, expected: type[Exception]) -> None:
    """A proxy's 404 page, a login wall or an outage must not look like a missing skill."""

    def answer(_path: str, _headers: Mapping[str, str]) -> list[bytes]:
        return reply(b"<html>no</html>", status=status)

    with lying_server(answer) as server, pytest.raises(expected):
        ask(server.url, lambda client: client.skill("alpha"))


def test_a_registry_that_is_down_is_unreachable(registry: RunningRegistry) -> None:
    with lying_server(lambda _path, _headers: []) as server:
        url = server.url

    with pytest.raises(RegistryUnreachable) as caught:
        ask(url, lambda client: client.skill("alpha"))
    assert caught.value.message.startswith(f"{url}/api/v1/skills/alpha: ")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "skills.example.org",
        "ftp://skills.example.org",
        "file:///etc/passwd",
        "https://user:secret@skills.example.org",
        "https://skills.example.org/?q=1",
        "https://skills.example.org/#x",
        "https://skills.example.org:99999",
        "https://skills.example.org\\@evil.example",
        "https://skills example.org",
    ],
)
def test_an_address_of_a_registry_is_plain(text: str) -> None:
    with pytest.raises(InvalidRegistryUrl, match="is not the address of a registry"):
        registry_url(text)


def test_an_address_of_a_registry_loses_its_last_slash() -> None:
    assert registry_url("https://skills.example.org/team/") == "https://skills.example.org/team"


def test_what_cannot_be_meant_is_refused_before_asking() -> None:
    with lying_server(lambda _path, _headers: reply()) as server:
        with pytest.raises(InvalidStars, match="6 stars: a rating has 1 to 5"):
            ask(server.url, lambda client: client.rate("alpha", 6))
        with pytest.raises(InvalidArchiveSize, match="an archive of 0 bytes, limit 67108864"):
            ask(server.url, lambda client: client.download_archive("0" * 64, 0))

    assert server.seen == []


def test_a_missing_token_is_explained_in_terms_of_spm(registry: RunningRegistry) -> None:
    with pytest.raises(RegistryRefused) as caught:
        ask(registry.url, lambda client: client.publish(skill_archive("alpha")))

    assert (caught.value.status, caught.value.hint) == (
        401,
        "put a token of this registry into SPM_TOKEN",
    )
