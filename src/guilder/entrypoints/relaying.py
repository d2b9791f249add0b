"""Whether Kafka is part of the house. Nothing of it is loaded where KAFKA_BOOTSTRAP_SERVERS is unset."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import Any, Protocol

from guilder.platform.bus.transport import Transport
from guilder.platform.clock import Clock
from guilder.platform.config import Settings
from guilder.platform.db.clocks import TenantClocks
from guilder.platform.db.database import Database

# Says what is missed, and not needed; None while nothing is.
Trouble = Callable[[], str | None]


class Carries(Protocol):
    async def run(self, stop: asyncio.Event) -> None: ...


def transport(settings: Settings, database: Database, clock: Clock) -> Transport | None:
    """Return how workers hear of the log over Kafka; None: PostgreSQL itself carries it."""
    return _kafka().transport(settings, database, clock) if settings.kafka_bootstrap_servers else None


def carrier(settings: Settings, database: Database, clocks: TenantClocks, clock: Clock) -> Carries | None:
    """Return the relay and the intake; None: there is nothing to carry."""
    return _kafka().carrier(settings, database, clocks, clock) if settings.kafka_bootstrap_servers else None


@asynccontextmanager
async def watched(settings: Settings) -> AsyncIterator[Mapping[str, Trouble]]:
    """Look after the brokers for as long as the house is open; give what says of them that they are missed."""
    if not settings.kafka_bootstrap_servers:
        yield {}
        return
    watch, stop = _kafka().watch(settings), asyncio.Event()
    looking = asyncio.create_task(watch.run(stop), name="brokers")
    try:
        yield {"kafka": watch.trouble}
    finally:
        stop.set()
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking


async def trouble_with_brokers(settings: Settings) -> str | None:
    """Ask the brokers once; None: they answer, or there are none."""
    found: str | None = await _kafka().watch(settings).look() if settings.kafka_bootstrap_servers else None
    return found


def _kafka() -> Any:
    # Its client is a library of its own, which takes a while to load.
    return import_module("guilder.entrypoints.carrying")
