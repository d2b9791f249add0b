"""What every script stands on: a durable PostgreSQL of its own, and a place for what was measured."""

import json
import os
import platform
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from guilder.platform.db.embedded import EmbeddedPostgres
from guilder.platform.db.migrate import migrate

RESULTS = Path(__file__).parent / "results"

Admin = asyncpg.Connection


class Wrong(Exception):
    """What was measured was not done right: a figure of it would say nothing."""


@dataclass(frozen=True, slots=True)
class Server:
    owner_url: str
    app_url: str
    doctor_url: str
    admin_url: str
    admin: Admin


@asynccontextmanager
async def a_server() -> AsyncIterator[Server]:
    """Start a migrated server (fsync on), and take it down again with all that is in it."""
    with tempfile.TemporaryDirectory(prefix="guilder-bench-") as folder:
        Path(folder).chmod(0o711)  # the server may run as somebody else
        server = EmbeddedPostgres(Path(folder) / "postgres")
        found = server.start()
        try:
            await migrate(found.owner_url, report=lambda _: None)
            admin = await asyncpg.connect(server.admin_url("guilder"))
            try:
                yield Server(found.owner_url, found.app_url, found.doctor_url, server.admin_url("guilder"), admin)
            finally:
                await admin.close()
        finally:
            server.stop()


async def write_down(script: str, admin: Admin, figures: Mapping[str, Any]) -> Path:
    """Keep the figures of a run beside the scripts, with what they were measured on."""
    began = datetime.now(UTC)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{script}-{began:%Y%m%dT%H%M%S}.json"
    said = {"script": script, "at": began.isoformat(), "machine": await machine(admin), **figures}
    path.write_text(json.dumps(said, indent=1) + "\n")
    return path


async def machine(admin: Admin) -> dict[str, Any]:
    """Say what was measured on."""
    return {
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "python": platform.python_version(),
        "postgresql": await admin.fetchval("show server_version"),
        "fsync": await admin.fetchval("show fsync"),
    }
