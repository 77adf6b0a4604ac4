"""What one run of spm may reach: its folders, registries, token, network and clock."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from spm.places import Places, places_from
from spm_spec.errors import UserMistake

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from spm_registry.client import RegistryClient
    from spm_spec.manifest import Manifest
    from spm_store.durable import Durability
    from spm_store.store import Store


TOKEN_CHARACTERS = 4096


class NoRegistry(UserMistake):
    """A skill is wanted by name and nothing says which registry has it."""

    def __init__(self, what: str) -> None:
        """Name what was wanted."""
        super().__init__(
            f"no registry is configured to look for {what}",
            hint="set `default` under [registries] in skills.toml, or pass --registry URL",
        )


def _checked_token(token: str | None) -> str | None:
    """A token that can stand in a header; the message never shows it."""
    if not token:
        return None
    if len(token) > TOKEN_CHARACTERS or not all("!" <= each <= "~" for each in token):
        raise UserMistake(
            f"the token is not 1 to {TOKEN_CHARACTERS} printable characters without spaces",
            hint="look for a line break or a quotation mark in SPM_TOKEN",
        )
    return token


def _now() -> datetime:
    return datetime.now(tz=UTC)


@dataclass(frozen=True, slots=True)
class Reach:
    """Everything outside the project that a command may touch, as arguments."""

    places: Places
    environment: Mapping[str, str]
    registry: str | None = None
    """A registry that stands in for the project's default one."""
    token: str | None = None
    offline: bool = False
    now: Callable[[], datetime] = _now

    @staticmethod
    def of(
        environment: Mapping[str, str] | None = None,
        *,
        registry: str | None = None,
        token: str | None = None,
        offline: bool = False,
    ) -> Reach:
        """The reach that the environment and a few options describe.

        `SPM_REGISTRY` names a registry, `SPM_TOKEN` a token, `SPM_OFFLINE=1` forbids
        connections; options win.
        """
        variables = os.environ if environment is None else environment
        return Reach(
            places=places_from(variables),
            environment=variables,
            registry=registry or variables.get("SPM_REGISTRY") or None,
            token=_checked_token(token or variables.get("SPM_TOKEN")),
            offline=offline or variables.get("SPM_OFFLINE") == "1",
        )

    def limited(self, *, registry: str | None, offline: bool) -> Reach:
        """The same for one call, with another registry or with no connection allowed."""
        return replace(self, registry=registry or self.registry, offline=offline or self.offline)

    def store(self) -> Store:
        """The store, opened for writing, over those that are only read."""
        from spm_store.store import Store

        places = self.places
        return Store.open(places.store, lower=places.lower_stores, durability=self._durability())

    def _durability(self) -> Durability:
        asked = self.environment.get("SPM_DURABILITY", "batch")
        match asked:
            case "batch" | "strict" | "none":
                return asked
            case _:
                raise UserMistake(
                    f"SPM_DURABILITY: `{asked}` is no durability", hint="one of batch, strict, none"
                )

    def client(self, url: str) -> RegistryClient:
        """A client of the registry at ``url``, not yet connected."""
        from spm_registry.client import RegistryClient
        from spm_registry.metadata_cache import FolderMetadataCache

        return RegistryClient(
            url,
            token=self.token,
            cache=FolderMetadataCache(self.places.metadata),
            offline=self.offline,
        )

    def registry_for(self, name: str, manifest: Manifest | None, chosen: str | None = None) -> str:
        """The one registry that ``name`` is bound to.

        ``chosen`` is the registry its requirement names; otherwise the first
        pattern in the manifest that matches, otherwise the default.

        Raises:
            NoRegistry: none of these exists.
        """
        if manifest is not None:
            url = manifest.registry_of(name, chosen)
            if url is not None and (chosen is not None or self.registry is None):
                return url
        if self.registry is not None:
            return self.registry
        raise NoRegistry(f"`{name}`")

    def default_registry(self, manifest: Manifest | None) -> str:
        """The registry that questions without a name go to."""
        url = self.registry or (manifest.default_registry if manifest is not None else None)
        if not url:
            raise NoRegistry("skills")
        return url
