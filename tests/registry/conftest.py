from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.registry_server import RunningRegistry, running_registry

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@pytest.fixture
def registry(tmp_path: Path) -> Generator[RunningRegistry]:
    with running_registry(tmp_path) as running:
        yield running
