"""spm: installs, locks, verifies and runs agent skills.

``from spm import SkillManager`` is the way in for programs; the command ``spm`` is
the way in for people. Nothing is imported here until it is asked for, because
the hot commands may not pay for what they do not use.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers know the name; importing typing would double the start-up
if TYPE_CHECKING:
    from spm.loaded import LoadedSkill
    from spm.manager import SkillManager

__version__ = "0.1.0"
__all__ = ["LoadedSkill", "SkillManager", "__version__"]

_HOMES = {"SkillManager": "spm.manager", "LoadedSkill": "spm.loaded"}


def __getattr__(name: str) -> object:
    """Import a public name on first use."""
    home = _HOMES.get(name)
    if home is None:
        message = f"module 'spm' has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    return getattr(import_module(home), name)
