"""Where the platform keeps a user's data and caches, as text, without heavy imports.

On Linux the rules are the XDG Base Directory Specification's; elsewhere platformdirs
knows them.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # type checkers know the name; see spm/__init__.py
if TYPE_CHECKING:
    from collections.abc import Mapping

STORE = "store/v1"
"""The store below the data folder, of the layout version this spm writes."""


def data_folder(environment: Mapping[str, str]) -> str:
    """What must survive: `SPM_DATA`, or the user's data folder."""
    return _chosen(environment, "SPM_DATA") or _platform(
        environment, "XDG_DATA_HOME", ".local/share", "user_data_dir"
    )


def cache_folder(environment: Mapping[str, str]) -> str:
    """What can be made again: `SPM_CACHE`, or the user's cache folder."""
    return _chosen(environment, "SPM_CACHE") or _platform(
        environment, "XDG_CACHE_HOME", ".cache", "user_cache_dir"
    )


def store_folder(environment: Mapping[str, str]) -> str:
    """The store that is written: the first of `SPM_STORE_PATH`, or the one below `SPM_DATA`."""
    layers = environment.get("SPM_STORE_PATH")
    if not layers:
        return f"{data_folder(environment)}/{STORE}"
    first = layers.partition(":")[0]
    if not first.startswith("/"):
        from spm_spec.errors import UserMistake

        raise UserMistake(
            f"SPM_STORE_PATH: `{first}` is not an absolute path",
            hint="name the store to write, then those to read: `/home/me/store:/team/store`",
        )
    return first


def _chosen(environment: Mapping[str, str], name: str) -> str | None:
    text = environment.get(name)
    if not text:
        return None
    path = os.path.expanduser(text)
    if not os.path.isabs(path):
        from spm_spec.errors import UserMistake

        raise UserMistake(
            f"{name}: `{text}` is not an absolute path",
            hint=f"set {name} to a path that starts with `/`",
        )
    return path


def _platform(environment: Mapping[str, str], variable: str, default: str, function: str) -> str:
    if not sys.platform.startswith("linux"):
        import platformdirs

        return str(getattr(platformdirs, function)("spm", appauthor=False))
    folder = environment.get(variable, "")
    if not folder.startswith("/"):
        folder = os.path.expanduser(f"~/{default}")
    return f"{folder}/spm"
