"""Where on this host the paths of a grant are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from spm_sandbox.errors import UngrantablePath

if TYPE_CHECKING:
    from spm_spec.policy import Policy


def real_paths(policy: Policy, project: Path | None) -> dict[str, str]:
    """Map each granted path to the real path it means.

    A path of the project or the home must not pass a symbolic link below it: a skill
    that may write there could have planted the link. An absolute path is followed.

    Raises:
        UngrantablePath: it does not exist, passes a link, or there is no project.
    """
    return {path: _real(path, project) for path in (*policy.read, *policy.write)}


def _real(path: str, project: Path | None) -> str:
    if path.startswith("/"):
        start, below = Path("/"), path
    elif path.startswith("~/"):
        start, below = Path.home(), path.removeprefix("~/")
    elif project is not None:
        start, below = project, path
    else:
        raise UngrantablePath(path, "is relative, and there is no project to take it from")
    meant = start.resolve() / below
    real = meant.resolve()
    if not real.exists():
        raise UngrantablePath(path, "does not exist")
    if start != Path("/") and real != meant:
        raise UngrantablePath(path, "is or passes a symbolic link")
    return str(real)
