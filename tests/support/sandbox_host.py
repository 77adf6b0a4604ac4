"""Skips what needs a sandbox on a host that cannot give one; CI refuses such a skip."""

from __future__ import annotations

from functools import cache

import pytest

from spm_sandbox.probe import HostReport, probe_host

_probe = cache(probe_host)


def require_sandbox() -> None:
    """Skip, with what the host lacks and what would provide it."""
    report: HostReport = _probe()
    if report.tier == "none":
        lacks = "; ".join(
            f"{one.layer} (errno {one.errno}): {one.remedy}" for one in report.missing
        )
        pytest.skip(f"this host has no sandbox: {lacks}")
