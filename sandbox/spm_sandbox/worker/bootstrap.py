"""The first code in the sandbox: confine, attest, then serve one call.

Descriptors: 3 brings requests, 4 takes responses (spec/sandbox.md section 5).
"""

from __future__ import annotations

import os

from spm_sandbox.worker import codec, confinement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REQUESTS, RESPONSES = 3, 4
_LENGTH = 4


def main(no_processes: str | None) -> None:
    """Serve one call and end the process without running anyone's exit handlers."""
    for descriptor in (REQUESTS, RESPONSES):
        os.set_inheritable(descriptor, False)  # noqa: FBT003
    if no_processes is not None:
        confinement.forbid_processes(no_processes)
    send(codec.pack({"attestation": confinement.observed()}))
    request = receive()
    send(_response(request["id"], _serve(request["call"]), request["longest"]))
    os._exit(0)


def _response(identifier: int, answer: dict[str, Any], longest: int) -> bytes:
    try:
        data = codec.pack({"id": identifier, **answer})
    except codec.Unsendable as error:
        refused = {"kind": "result", "message": f"the tool returned {error}"}
        return codec.pack({"id": identifier, "error": refused})
    if len(data) <= longest:
        return data
    message = f"the result is {len(data)} bytes long, more than {longest}"
    refused = {"kind": "result", "limit": "output_bytes", "message": message}
    return codec.pack({"id": identifier, "error": refused})


def _serve(call: dict[str, Any]) -> dict[str, Any]:
    if call["kind"] == "python":
        from spm_sandbox.worker import python_tool

        return python_tool.run(call)
    if call["kind"] == "program":
        from spm_sandbox.worker import program

        return program.run(call)
    return {"result": None}  # a probe: what it wanted to know is the attestation


def send(data: bytes) -> None:
    """Write one frame."""
    view = memoryview(len(data).to_bytes(_LENGTH, "big") + data)
    while view:
        view = view[os.write(RESPONSES, view) :]


def receive() -> dict[str, Any]:
    """Read one frame."""
    length = int.from_bytes(_exactly(_LENGTH), "big")
    message: dict[str, Any] = codec.unpack(_exactly(length))
    return message


def _exactly(count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        part = os.read(REQUESTS, count - len(data))
        if not part:
            os._exit(1)
        data += part
    return bytes(data)
