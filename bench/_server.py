"""What every script stands on: a durable PostgreSQL of its own, and a place for what was measured."""

import json
import os
import platform
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from guilder.entrypoints import serving
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
            admin_url = server.admin_url("guilder")
            admin = await asyncpg.connect(admin_url)
            try:
                yield Server(found.owner_url, found.app_url, found.doctor_url, admin_url, admin)
            finally:
                await admin.close()
        finally:
            server.stop()


def refusing_what_is_wrong(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a script, and return what it exits with: 1 where its run was not right, and no figure is shown."""
    try:
        return serving.run(main())
    except Wrong as wrong:
        print(f"No figures: the run was not right. {wrong}", file=sys.stderr)
        return 1


async def one_row(admin: Admin, sql: str, *values: object) -> asyncpg.Record:
    """Return the row of a query that always has one."""
    row = await admin.fetchrow(sql, *values)
    assert row is not None, sql
    return row


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
        "processor": _said("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "kernel": platform.release(),
        "load": os.getloadavg(),
        "python": platform.python_version(),
        "postgresql": await admin.fetchval("show server_version"),
        "fsync": await admin.fetchval("show fsync"),
    }


def _said(path: str, name: str) -> str | None:
    """Return what a file of the kernel's says after a name, if it is there and says it."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)
