"""Whether Kafka is part of the house. Nothing of it is loaded where KAFKA_BOOTSTRAP_SERVERS is unset."""

import asyncio
from importlib import import_module
from typing import Any, Protocol

from guilder.platform.bus.transport import Transport
from guilder.platform.clock import Clock
from guilder.platform.config import Settings
from guilder.platform.db.clocks import TenantClocks
from guilder.platform.db.database import Database


class Carries(Protocol):
    async def run(self, stop: asyncio.Event) -> None: ...


def transport(settings: Settings, database: Database, clock: Clock) -> Transport | None:
    """Return how workers hear of the log over Kafka; None: PostgreSQL itself carries it."""
    return _kafka().transport(settings, database, clock) if settings.kafka_bootstrap_servers else None


def carrier(settings: Settings, database: Database, clocks: TenantClocks, clock: Clock) -> Carries | None:
    """Return the relay and the intake; None: there is nothing to carry."""
    return _kafka().carrier(settings, database, clocks, clock) if settings.kafka_bootstrap_servers else None


def _kafka() -> Any:
    # Its client is a library of its own, which takes a while to load.
    return import_module("guilder.entrypoints.carrying")
