"""What the handlers share, as typed keys of the application."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from spm_registry.backends.database import Database
from spm_registry.backends.objects import Objects
from spm_registry.server.counting import DownloadCounter
from spm_registry.server.documents import Documents
from spm_registry.server.limits import Limits
from spm_registry.server.patience import IdleConnections

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

DATABASE = web.AppKey("database", Database)
OBJECTS = web.AppKey("objects", Objects)
LIMITS = web.AppKey("limits", Limits)
DOCUMENTS = web.AppKey("documents", Documents)
IDLE = web.AppKey("idle", IdleConnections)
COUNTER = web.AppKey("counter", DownloadCounter)
PUBLISHING = web.AppKey("publishing", asyncio.Semaphore)
NOW: web.AppKey[Callable[[], datetime]] = web.AppKey("now")
