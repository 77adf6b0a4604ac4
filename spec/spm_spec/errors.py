"""Every refusal spm can give, as four families that say whose fault it is.

The families decide the exit code and whether trying again can help::

    SpmError
    ├── UserMistake          what was typed or written is wrong; fix it
    ├── EnvironmentFailure   the network, the disk or the machine said no; may pass by itself
    ├── HostileDataError     bytes that lie; never retried, never caught broadly
    └── AnswerIsNo           a question was answered with no (a check, a verify, a frozen lock)

A mistake of ours is an ``AssertionError`` and none of these. Messages are lower
case, without a full stop, and say what, then the value, then the limit; ``hint``
is set only when it will probably help.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_DONE = 0
EXIT_NO = 1
EXIT_USAGE = 2
EXIT_MISTAKE = 3
EXIT_NO_SOLUTION = 4
EXIT_ENVIRONMENT = 5
EXIT_HOSTILE = 6
EXIT_SANDBOX = 7
EXIT_TOOL_FAILED = 8
EXIT_BUG = 70
EXIT_INTERRUPTED = 130


class SpmError(Exception):
    """The root of everything spm raises on purpose."""

    exit_code: ClassVar[int] = EXIT_NO
    kind: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        """Keep ``message`` and, if it will probably help, one ``hint``."""
        super().__init__(message)
        self.hint = hint

    @property
    def message(self) -> str:
        """The text without the hint."""
        return str(self.args[0])


class UserMistake(SpmError):
    """What a person typed or wrote cannot be meant."""

    exit_code = EXIT_MISTAKE
    kind = "mistake"


class EnvironmentFailure(SpmError):
    """The network, the disk or the machine refused; trying again may help."""

    exit_code = EXIT_ENVIRONMENT
    kind = "environment"


class HostileDataError(SpmError):
    """Bytes that are not what they claim to be, or that no honest tool writes."""

    exit_code = EXIT_HOSTILE
    kind = "hostile-data"


class AnswerIsNo(SpmError):
    """A question was asked and the answer is no."""

    exit_code = EXIT_NO
    kind = "no"
