"""The open house: database, ports and every role that one process may play, put together from the settings."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network

from fastapi import FastAPI
from pydantic import SecretStr

from guilder.domain.identity import service as identity
from guilder.entrypoints import mailbox
from guilder.platform import metrics
from guilder.platform.bus import groups
from guilder.platform.bus.consumer import Consumer
from guilder.platform.bus.retry import RetryPolicy
from guilder.platform.bus.sequencer import Sequencer
from guilder.platform.clock import Clock, WallClock
from guilder.platform.config import Settings
from guilder.platform.db import masters
from guilder.platform.db.database import Database
from guilder.platform.db.migrate import pending as pending_migrations
from guilder.platform.db.vault import Vault
from guilder.platform.http import app as http
from guilder.platform.http.access import AccessTable
from guilder.platform.http.router import Router
from guilder.platform.http.settings import Allowance, HttpSettings
from guilder.platform.jobs.machine import TimeMachine
from guilder.platform.jobs.sandboxes import RestCheck
from guilder.platform.jobs.scheduler import Scheduler
from guilder.platform.outside.breaker import BreakerLimits
from guilder.platform.outside.runner import Runner
from guilder.wiring import access, published
from guilder.wiring.performers import CEILINGS, WINDOWS, performers
from guilder.wiring.ports import Ports, authentication, key_source, open_ports
from guilder.wiring.reactions import REACTIONS
from guilder.wiring.routers import ROUTERS
from guilder.wiring.timetable import timetable

LAG_MAX = 100_000
_SOON = (timedelta(seconds=0.2), timedelta(seconds=1), timedelta(seconds=5))


@dataclass(frozen=True, slots=True)
class House:
    """Everything that a role needs. One process may play one role, or all of them."""

    settings: Settings
    database: Database
    ports: Ports
    clock: Clock
    clocks: identity.Clocks

    def app(self) -> FastAPI:
        """Return the API as it is served."""
        app = http.build(
            routers=self._routers(),
            access=self._access(),
            authenticate=authentication(self.settings, self.database, self.clock),
            clocks=self.clocks,
            database=self.database,
            keys=self.ports.keys,
            settings=http_settings(self.settings),
            ready_checks=self._ready_checks(),
            metrics=metrics.render,
            observe=metrics.request_answered,
            clock=self.clock,
        )
        app.state.files = self.ports.files
        app.state.gateways = self.ports.gateways
        app.state.keys = self.ports.keys
        app.state.clock = self.clock
        app.state.allows_loopback = not self.settings.is_production
        return app

    def worker(self) -> "Worker":
        return Worker(
            consumer=Consumer(self.database, REACTIONS, self.clocks, self.clock, retry=self._retry(), meter=metrics),
            sequencer=Sequencer(self.database),
            runner=Runner(
                self.database,
                performers(self.ports, self.settings, self.clock),
                self.clocks,
                clock=self.clock,
                windows=WINDOWS,
                ceilings=CEILINGS,
                breaker_limits=self._breakers(),
            ),
        )

    def scheduler(self) -> "Timekeeper":
        table = timetable(self.settings, self.clock, self.ports.files)
        return Timekeeper(
            scheduler=Scheduler(self.database, table, clock=self.clock),
            machine=TimeMachine(
                self.database,
                table,
                identity.Sandboxes(),
                rest=[
                    RestCheck("log", "platform.log_pending"),
                    RestCheck("outside calls", "platform.intents_pending"),
                ],
                clock=self.clock,
            ),
        )

    def _routers(self) -> tuple[Router, ...]:
        published_here = published.router(base_url=self.settings.base_url)
        return (*ROUTERS, published_here, mailbox.router(is_production=self.settings.is_production))

    def _access(self) -> AccessTable:
        # The mailbox, which shows what would have been sent, is nowhere in production.
        return access.table().without("/mailbox") if self.settings.is_production else access.table()

    def _retry(self) -> RetryPolicy:
        # A sandbox does not come to rest while a message is being tried again: a developer is told sooner.
        return RetryPolicy() if self.settings.is_production else RetryPolicy(waits=_SOON)

    def _breakers(self) -> BreakerLimits:
        # Breakers wait on the wall's time, and a sandbox's clock waits for its calls: there an outage of days is seconds.
        return BreakerLimits() if self.settings.is_production else BreakerLimits(open_max_s=5.0)

    def _ready_checks(self) -> Mapping[str, Callable[[], Awaitable[str | None]]]:
        return {"migrations": self._migrations_missing, "queue": self._queue_lags}

    async def _migrations_missing(self) -> str | None:
        async with self.database.pool.acquire() as connection:
            missing = await pending_migrations(connection)
        return f"{len(missing)} to be applied: guilder migrate" if missing else None

    async def _queue_lags(self) -> str | None:
        async with self.database.transaction(actor="ready") as tx:
            lags = await groups.lag(tx)
        worst = max(lags, key=lambda lag: lag.behind, default=None)
        return f"{worst.group} is {worst.behind} messages behind" if worst and worst.behind > LAG_MAX else None


@dataclass(frozen=True, slots=True)
class Worker:
    """Hears the log and calls the outside."""

    consumer: Consumer
    sequencer: Sequencer
    runner: Runner

    async def run(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.sequencer.run(stop), name="sequencer")
            group.create_task(self.consumer.run(stop), name="consumer")
            group.create_task(self.runner.run(stop), name="runner")


@dataclass(frozen=True, slots=True)
class Timekeeper:
    """Does what the clock asks, of live tenants and of sandboxes."""

    scheduler: Scheduler
    machine: TimeMachine

    async def run(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.scheduler.run(stop), name="scheduler")
            group.create_task(self.machine.run(stop), name="time machine")


@asynccontextmanager
async def open_house(settings: Settings, *, clock: Clock | None = None) -> AsyncIterator[House]:
    """Connect, and hold the house open; everything is closed behind it.

    :raises DatabaseGone: PostgreSQL cannot be reached
    """
    assert settings.database_url is not None, "found, or started, before the house is opened"
    source = key_source(settings)
    ports = open_ports(settings, await masters.opened(source))
    database = await Database.connect(
        settings.database_url.get_secret_value(),
        direct_url=_reveal(settings.database_direct_url),
        size_max=settings.database_pool_max,
        vault=Vault(ports.keys),
    )
    wall = clock or WallClock()
    keeping = asyncio.create_task(masters.keep_fresh(ports.keys, source), name="master keys")
    try:
        yield House(settings, database, ports, wall, identity.Clocks(wall))
    finally:
        keeping.cancel()
        for gateway in ports.gateways.values():
            await gateway.close()
        await database.close()


def http_settings(settings: Settings) -> HttpSettings:
    return HttpSettings(
        public_url=settings.base_url,
        is_production=settings.is_production,
        cors_origins=frozenset(settings.cors_origin),
        trusted_proxies=tuple(ip_network(each, strict=False) for each in settings.trusted_proxies),
        metrics_token=_reveal(settings.metrics_token),
        per_principal=Allowance(settings.rate_limit_per_minute),
        per_address=Allowance(settings.rate_limit_anonymous_per_minute),
        per_failed_login=Allowance(settings.rate_limit_failed_logins_per_minute),
        step_up_s=settings.step_up_s,
    )


def _reveal(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
