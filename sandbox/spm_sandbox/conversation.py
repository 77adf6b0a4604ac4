"""One call as the host sees it: bytes in, bytes out, no input or output of its own.

The order is fixed: the worker attests, the host asks, the worker answers, silence.
Whatever else arrives is a violation, and the first one ends the conversation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from spm_sandbox import wire
from spm_sandbox.attestation import Expected, difference
from spm_sandbox.errors import ProtocolViolation

if TYPE_CHECKING:
    from collections.abc import Mapping

_ATTESTATION_LONGEST = 8192
_TEXTS = {"kind", "message", "type", "limit"}
_RESPONSE_OVERHEAD = 64  # bytes around a result: the map, its keys and the id


@dataclass(frozen=True, slots=True)
class Failure:
    """The worker's account of what went wrong; every text is still a stranger's."""

    kind: str
    message: str
    type: str = ""
    traceback: tuple[str, ...] = ()
    limit: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A result, or a failure in its place."""

    value: Any = None
    failure: Failure | None = None


class Conversation:
    """The state of one call."""

    def __init__(
        self, call: Mapping[str, object], *, identifier: int, expected: Expected, longest: int
    ) -> None:
        """Prepare ``call``; a response may be at most ``longest`` bytes."""
        self.answer: Answer | None = None
        self.attested = False
        self._identifier = identifier
        self._expected = expected
        self._longest = min(longest + _RESPONSE_OVERHEAD, wire.MAXIMUM_FRAME)
        self._frames = wire.Frames(_ATTESTATION_LONGEST)
        request = {"id": identifier, "call": call, "longest": self._longest}
        self._request = wire.frame(wire.encode(request))

    @property
    def request_length(self) -> int:
        """The bytes of the request's frame."""
        return len(self._request)

    def receive(self, data: bytes) -> bytes:
        """Take what the worker wrote; return what to write to it.

        Raises:
            ProtocolViolation: the worker broke a rule; kill it.
        """
        if self.answer is not None:
            raise ProtocolViolation("bytes after the response")
        self._frames.feed(data)
        content = self._frames.next()
        if content is None:
            return b""
        if self._frames.has_rest:
            raise ProtocolViolation(
                "bytes after the response" if self.attested else "a response before the request"
            )
        if self.attested:
            self.answer = self._read_response(wire.decode(content))
            return b""
        self._check_attestation(wire.decode(content))
        return self._request

    def _check_attestation(self, message: Any) -> None:
        if _keys(message) != {"attestation"}:
            raise ProtocolViolation("the first frame is not an attestation")
        wrong = difference(message["attestation"], self._expected)
        if wrong:
            raise ProtocolViolation(f"the worker is not confined as ordered: {wrong}")
        self.attested = True
        self._frames = wire.Frames(self._longest)

    def _read_response(self, message: Any) -> Answer:
        if not isinstance(message, dict):
            raise ProtocolViolation("a response that is not a map")
        response = cast("dict[str, Any]", message)
        identifier = response.get("id")
        if type(identifier) is not int or identifier != self._identifier:
            raise ProtocolViolation("a response to another request")
        if set(response) == {"id", "result"}:
            return Answer(value=response["result"])
        if set(response) == {"id", "error"}:
            return Answer(failure=_read_failure(response["error"]))
        raise ProtocolViolation("a response of another shape")


def _read_failure(error: Any) -> Failure:
    fields = cast("dict[str, Any]", error) if isinstance(error, dict) else {}
    lines = fields.get("traceback", [])
    texts = {name: value for name, value in fields.items() if name != "traceback"}
    if not isinstance(lines, list) or not {"kind", "message"} <= set(texts) <= _TEXTS:
        raise ProtocolViolation("an error of another shape")
    traceback = cast("list[object]", lines)
    if not all(isinstance(text, str) for text in (*texts.values(), *traceback)):
        raise ProtocolViolation("an error of another shape")
    return Failure(**texts, traceback=tuple(str(line) for line in traceback))


def _keys(message: Any) -> set[str]:
    return set(cast("dict[str, Any]", message)) if isinstance(message, dict) else set()
