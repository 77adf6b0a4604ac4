"""What publishing makes, refuses, and leaves alone."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from spm_registry.errors import RegistryRefused
from spm_spec.package import read_package, write_package
from spm_spec.tree import FileEntry, build_tree
from spm_spec.versions import Version
from tests.support.raw_http import Reply, send
from tests.support.skill_archives import skill_archive

if TYPE_CHECKING:
    from tests.support.registry_server import RunningRegistry

OCTETS = {"Content-Type": "application/octet-stream"}


def post(registry: RunningRegistry, archive: bytes, token: str | None = None) -> Reply:
    headers = OCTETS | {"Authorization": f"Bearer {token or registry.token}"}
    return send(registry.url, "/api/v1/skills", method="POST", headers=headers, body=archive)


def test_publish_answers_with_every_field_of_the_public_api(registry: RunningRegistry) -> None:
    archive = skill_archive(
        "csv-summary", tags=["data", "csv"], dependencies={"tables": "^1.0", "python": ">=3.11"}
    )
    sha256 = hashlib.sha256(archive).hexdigest()

    reply = post(registry, archive)

    document = reply.json()
    moment = document["createdAt"]
    tree = build_tree(read_package(archive, origin="test")).digest
    shared = {
        "version": "1.0.0",
        "dependencies": {"tables": "^1.0", "python": ">=3.11"},
        "checksum": f"sha256:{sha256}",
        "downloadUrl": f"{registry.url}/packages/{sha256}.spm",
        "createdAt": moment,
    }
    assert reply.status == 201
    assert reply.headers["Location"] == "/api/v1/skills/csv-summary/1.0.0"
    assert document == shared | {
        "name": "csv-summary",
        "description": "Does something useful and small.",
        "author": "Ada Example",
        "tags": ["data", "csv"],
        "downloads": 0,
        "rating": None,
        "updatedAt": moment,
        "homepage": "https://csv-summary.example.org",
        "versions": [
            shared | {"tree": str(tree), "size": len(archive), "yanked": False, "permissions": {}}
        ],
    }


def test_publish_of_the_same_bytes_again_answers_200_and_changes_nothing(
    registry: RunningRegistry,
) -> None:
    archive = skill_archive("alpha")
    first = post(registry, archive)

    again = post(registry, archive)

    assert (first.status, again.status) == (201, 200)
    assert again.json() == first.json()
    assert registry.ask(lambda client: client.health()).releases == 1


@pytest.mark.parametrize("version", ["1.0.0", "1.0.0+other"])
def test_publish_never_replaces_a_version(registry: RunningRegistry, version: str) -> None:
    """Versions that differ in build metadata alone are the same version."""
    post(registry, skill_archive("alpha"))
    before = send(registry.url, "/api/v1/skills/alpha").body

    reply = post(registry, skill_archive("alpha", version, description="Other bytes."))

    assert reply.error == (
        409,
        "version-exists",
        f"alpha {version} is already published with other contents; a version never changes",
    )
    assert send(registry.url, "/api/v1/skills/alpha").body == before


def test_publish_is_for_the_owner_of_a_name_alone(registry: RunningRegistry) -> None:
    post(registry, skill_archive("alpha"))
    before = send(registry.url, "/api/v1/skills/alpha").body

    reply = post(registry, skill_archive("alpha", "1.0.1"), registry.token_of("mallory"))

    assert reply.error == (403, "name-taken", "`alpha` belongs to another account")
    assert send(registry.url, "/api/v1/skills/alpha").body == before


def test_the_newest_finished_version_speaks_for_the_skill(registry: RunningRegistry) -> None:
    for version in ("2.0.0-rc.1", "1.0.0", "1.10.0", "1.9.0"):
        archive = skill_archive("alpha", version, description=f"This is {version}.", tags=[version])
        assert post(registry, archive).status == 201

    document = registry.ask(lambda client: client.skill("alpha"))

    assert document is not None
    assert (str(document.version), document.description) == ("1.10.0", "This is 1.10.0.")
    versions = [str(entry.version) for entry in document.versions]
    assert versions == ["2.0.0-rc.1", "1.10.0", "1.9.0", "1.0.0"]
    page = registry.ask(lambda client: client.tags())
    assert [(tag.name, tag.count) for tag in page.tags] == [("1.10.0", 1)]
    older = registry.ask(lambda client: client.release("alpha", Version.parse("1.9.0")))
    assert older is not None
    assert (older.description, len(older.versions)) == ("This is 1.9.0.", 1)


def test_publishes_of_one_version_at_once_make_one_release(registry: RunningRegistry) -> None:
    archives = [skill_archive("alpha", description=f"Number {number}.") for number in range(6)]

    with ThreadPoolExecutor(6) as pool:
        replies = [pool.submit(post, registry, archive) for archive in archives]

    assert sorted(reply.result().status for reply in replies) == [201, 409, 409, 409, 409, 409]
    assert registry.ask(lambda client: client.health()).releases == 1


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (None, "this needs a token"),
        ("wrong", "the token is not one of a registry"),
        ("spm_" + "A" * 43, "the token is unknown or revoked"),
    ],
)
def test_publish_without_a_good_token_is_401(
    registry: RunningRegistry, token: str | None, message: str
) -> None:
    headers = OCTETS | ({} if token is None else {"Authorization": f"Bearer {token}"})

    reply = send(
        registry.url, "/api/v1/skills", method="POST", headers=headers, body=skill_archive("alpha")
    )

    assert reply.error == (401, "unauthorised", message)
    assert reply.headers["WWW-Authenticate"].startswith('Bearer realm="spm"')
    assert registry.ask(lambda client: client.skill("alpha")) is None


def test_publish_refuses_what_is_no_archive_with_the_reason(registry: RunningRegistry) -> None:
    reply = post(registry, b"not an archive at all")

    status, kind, _ = reply.error
    assert (status, kind) == (422, "bad-package")
    assert list(registry.data.glob("objects/??/*")) == []


def test_publish_lists_every_problem_of_a_skill(registry: RunningRegistry) -> None:
    archive = write_package([FileEntry("SKILL.md", b"---\nname: Bad Name\n---\nbody\n")])

    with pytest.raises(RegistryRefused) as caught:
        registry.ask(lambda client: client.publish(archive))

    assert (caught.value.status, caught.value.reason) == (422, "not-publishable")
    assert len(caught.value.problems) >= 2
    assert all(problem.startswith("SKILL.md:") for problem in caught.value.problems)


def test_publish_needs_a_version_in_the_package(registry: RunningRegistry) -> None:
    text = b"---\nname: alpha\ndescription: Does something useful and small.\n---\nbody\n"
    archive = write_package([FileEntry("SKILL.md", text)])

    reply = post(registry, archive)

    assert reply.status == 422
    assert "version" in " ".join(reply.json()["error"]["problems"])


def test_publish_refuses_names_of_host_packages(registry: RunningRegistry) -> None:
    text = b"---\nname: python\ndescription: Does something useful and small.\n---\nbody\n"
    yaml = b"version: 1.0.0\n"
    archive = write_package([FileEntry("SKILL.md", text), FileEntry("skill.yaml", yaml)])

    reply = post(registry, archive)

    assert reply.status == 422
    assert registry.ask(lambda client: client.health()).skills == 0


def test_publish_takes_the_archive_itself_and_nothing_else(registry: RunningRegistry) -> None:
    headers = {"Authorization": f"Bearer {registry.token}", "Content-Type": "multipart/form-data"}

    reply = send(
        registry.url, "/api/v1/skills", method="POST", headers=headers, body=skill_archive("alpha")
    )

    assert reply.status == 415
    assert reply.headers["Accept"] == "application/octet-stream"
