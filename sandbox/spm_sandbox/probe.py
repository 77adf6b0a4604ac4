"""Which tier this host gives, found by doing: one empty sandbox through the whole launcher."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from spm_sandbox.attestation import Expected
from spm_sandbox.conversation import Conversation
from spm_sandbox.errors import LimitExceeded, ProtocolViolation, SandboxUnavailable, ToolFailed
from spm_sandbox.exchange import exchange
from spm_sandbox.host import host_namespaces
from spm_sandbox.interpreter import this_interpreter
from spm_sandbox.launching import Zygote
from spm_sandbox.plan import plan_for
from spm_sandbox.verdict import raise_for_failure
from spm_spec.policy import Policy

_WALL_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Missing:
    """A layer this host does not give: which, at what stage, the kernel's answer, the remedy."""

    layer: str
    stage: str
    errno: int
    remedy: str


@dataclass(frozen=True, slots=True)
class HostReport:
    """The best tier of this host, and what is missing for a better one."""

    tier: Literal["strong", "landlock", "none"]
    missing: tuple[Missing, ...]


_LAYER_OF_STAGE = {
    "namespaces": "namespaces",
    "identity maps": "namespaces",
    "host name": "namespaces",
    "file system": "mounts",
    "landlock": "Landlock",
    "system calls": "seccomp",
}


def probe_host() -> HostReport:
    """Try once; takes the time of a call and leaves nothing behind."""
    try:
        _try_strong()
    except SandboxUnavailable as error:
        layer = _LAYER_OF_STAGE.get(error.stage, error.stage)
        return HostReport("none", (Missing(layer, error.stage, error.errno, error.remedy),))
    except (ProtocolViolation, LimitExceeded, ToolFailed) as error:
        return HostReport("none", (Missing("worker", str(error), 0, ""),))
    return HostReport("strong", ())


def _try_strong() -> None:
    policy = Policy()
    plan = plan_for(policy, "python", tree="/usr", interpreter=this_interpreter())
    conversation = Conversation(
        {"kind": "nothing"},
        identifier=1,
        expected=Expected(host_namespaces(), plan.filters),
        longest=plan.output_bytes,
    )
    zygote = Zygote()
    try:
        channels = zygote.launch(plan.confinement)
        try:
            went = exchange(
                channels,
                conversation,
                deadline=time.monotonic() + _WALL_SECONDS,
                output_bytes=plan.output_bytes,
            )
        finally:
            channels.close()
        raise_for_failure("probe", conversation, went, policy.limits, _WALL_SECONDS)
    finally:
        zygote.close()
