"""A registry and a program for each test that tells a whole story."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.program import Program
from tests.support.registry_server import RunningRegistry, running_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RunningRegistry]:
    """A real registry on a free loopback port, gone after the test."""
    with running_registry(tmp_path / "registry") as running:
        yield running


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The program with a store and a cache of its own."""
    return Program.below(tmp_path)
