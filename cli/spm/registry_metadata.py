"""`.cache/registry-metadata.json`: what the registries said when the lock was last made.

The documents themselves are in the user's cache; a project keeps when it last asked,
and the entity tag of each answer, so that a person or a tool can see how old its
view of a registry is without asking again. See spec/installed.md section 3.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from spm.project import replace_text
from spm_registry.metadata_cache import FolderMetadataCache
from spm_registry.wire import API
from spm_spec.sources import RegistrySource

if TYPE_CHECKING:
    from pathlib import Path

    from spm.project import Project
    from spm.reach import Reach
    from spm_spec.lock import Lock


def metadata_path(project: Project) -> Path:
    """Where the record of a project stands."""
    return project.skills_folder / ".cache" / "registry-metadata.json"


def record_answers(project: Project, lock: Lock, reach: Reach) -> None:
    """Write when the registries of ``lock`` were asked, and what their answers are called."""
    cache = FolderMetadataCache(reach.places.metadata)
    etags: dict[str, str] = {}
    for entry in lock.entries:
        if isinstance(entry.source, RegistrySource):
            url = f"{entry.source.url}{API}/skills/{entry.name}"
            answer = cache.get(url)
            if answer is not None:
                etags[url] = answer[0]
    document = {"lastSyncTime": reach.now().strftime("%Y-%m-%dT%H:%M:%SZ"), "etags": etags}
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False)
    replace_text(metadata_path(project), text + "\n")
