"""Which framework is asking: what it says, else what it left in the environment, else its folders.

The tables are the documentation; ``spec/adapters.md`` prints them. The first
line that matches decides, and what was asked for by name always wins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spm_sandbox.adapters.model import UnknownFramework

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

FRAMEWORKS: Final = ("claude", "openai", "openai-chat", "google")
DEFAULT_FRAMEWORK: Final = "claude"
CHOICE_VARIABLE: Final = "SPM_FRAMEWORK"

# Other words people use, and the framework they mean.
ALIASES: Final[Mapping[str, str]] = {
    "anthropic": "claude",
    "claude-code": "claude",
    "codex": "openai",
    "openai-responses": "openai",
    "chat": "openai-chat",
    "gemini": "google",
    "gemini-cli": "google",
    "vertex": "google",
}

# A variable an agent sets for the commands it runs, and its framework. Only
# variables that mean "I am running you": a key such as OPENAI_API_KEY says
# nothing about who asks.
VARIABLES: Final = (
    ("CLAUDECODE", "claude"),
    ("CLAUDE_CODE_ENTRYPOINT", "claude"),
    ("CODEX_THREAD_ID", "openai"),
    ("CODEX_SANDBOX", "openai"),
    ("CODEX_SANDBOX_NETWORK_DISABLED", "openai"),
    ("GEMINI_CLI", "google"),
)

# A folder an agent keeps in a project, and its framework.
FOLDERS: Final = (
    (".claude", "claude"),
    (".codex", "openai"),
    (".gemini", "google"),
    (".roundtable", "claude"),
)


def detect_framework(
    requested: str | None, environment: Mapping[str, str], folders: Collection[str]
) -> str:
    """Return the framework to speak.

    ``requested`` is an argument the user gave, ``folders`` the names of the
    folders in the project. An empty variable counts as not set.

    Raises:
        UnknownFramework: the argument or ``SPM_FRAMEWORK`` names none.
    """
    if requested is not None:
        return framework_named(requested, "the framework")
    if chosen := environment.get(CHOICE_VARIABLE):
        return framework_named(chosen, f"the variable {CHOICE_VARIABLE}")
    for variable, framework in VARIABLES:
        if environment.get(variable):
            return framework
    for folder, framework in FOLDERS:
        if folder in folders:
            return framework
    return DEFAULT_FRAMEWORK


def framework_named(text: str, what: str = "the framework") -> str:
    """Return the framework that ``text`` names, whatever its case, by its own name or another.

    Raises:
        UnknownFramework: it names none.
    """
    word = text.strip().lower()
    name = ALIASES.get(word, word)
    if name not in FRAMEWORKS:
        raise UnknownFramework(
            f"{what} `{text[:64]}` is not known", hint=f"known are {', '.join(FRAMEWORKS)}"
        )
    return name
