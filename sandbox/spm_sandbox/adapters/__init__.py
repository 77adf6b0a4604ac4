"""Adapters: one skill in each framework's shape, and each framework's call as the skill's call.

Pure translation: no files, no network, no provider's library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spm_sandbox.adapters.detect import detect_framework, framework_named

if TYPE_CHECKING:
    from spm_sandbox.adapters.model import Adapter

__all__ = ["adapter_for", "detect_framework"]


def adapter_for(framework: str) -> Adapter:
    """Return the adapter of a framework: ``claude``, ``openai``, ``openai-chat`` or ``google``.

    Raises:
        UnknownFramework: it is none of these, nor another word for one.
    """
    name = framework_named(framework)
    if name == "claude":
        from spm_sandbox.adapters.claude import ClaudeAdapter

        return ClaudeAdapter()
    if name == "google":
        from spm_sandbox.adapters.google import GoogleAdapter

        return GoogleAdapter()
    from spm_sandbox.adapters.openai import OpenAIAdapter

    return OpenAIAdapter("chat" if name == "openai-chat" else "responses")
