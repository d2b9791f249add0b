"""The open house: database, ports and every role that one process may play, put together from the settings."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from ipaddress import ip_network

from pydantic import SecretStr

from guilder.domain.identity import service as identity
from guilder.entrypoints import relaying
from guilder.entrypoints.roles import READING, Budget, Role, budget_of, is_answering, warn_of_shortage
from guilder.entrypoints.sharing import Sharing, open_sharing
from guilder.entrypoints.storing import WRITES_FILES, refuse_unusable_files
from guilder.entrypoints.watching import Watcher
from guilder.platform import metrics
from guilder.platform.bus.consumer import Consumer
from guilder.platform.bus.retry import RetryPolicy
from guilder.platform.bus.sequencer import Sequencer
from guilder.platform.clock import Clock, WallClock
from guilder.platform.config import Settings
from guilder.platform.db import masters
from guilder.platform.db.database import Database
from guilder.platform.db.migrate import lacking as lacking_migrations
from guilder.platform.db.replica import Replica
from guilder.platform.db.vault import Vault
from guilder.platform.http.settings import Allowance, HttpSettings
from guilder.platform.http.shedding import Ceilings
from guilder.platform.jobs.agreement import Agreement
from guilder.platform.jobs.machine import TimeMachine
from guilder.platform.jobs.sandboxes import RestCheck
from guilder.platform.jobs.scheduler import Scheduler
from guilder.platform.outside.breaker import BreakerLimits
from guilder.platform.outside.runner import Runner
from guilder.wiring.performers import AHEAD, CEILINGS, WINDOWS, performers
from guilder.wiring.ports import Ports, key_source, open_ports
from guilder.wiring.reactions import REACTIONS
from guilder.wiring.timetable import TENANTS, timetable

_SOON = (timedelta(seconds=0.2), timedelta(seconds=1), timedelta(seconds=5))


@dataclass(frozen=True, slots=True)
class House:
    """Everything that a role needs. One process may play one role, or all of them."""

    settings: Settings
    database: Database
    ports: Ports
    clock: Clock
    clocks: identity.Clocks
    replica: Replica | None = None
    sharing: Sharing = field(default_factory=Sharing)
    brokers: Mapping[str, relaying.Trouble] = field(default_factory=dict)

    @property
    def troubles(self) -> Mapping[str, relaying.Trouble]:
        """Say what is missed, and not needed: it is told, and this process is ready all the same."""
        replica = {"replica": self.replica.trouble} if self.replica else {}
        return {**self.sharing.troubles, **self.brokers, **replica}

    def worker(self, *, groups: Collection[str] | None = None, hears: bool = True, calls: bool = True) -> "Worker":
        """Return who hears the log, only these groups if any are named, and calls the outside; or one of the two."""
        runner = Runner(
            self.database,
            performers(self.ports, self.settings, self.clock),
            self.clocks,
            clock=self.clock,
            windows=WINDOWS,
            ahead=AHEAD,
            ceilings=CEILINGS,
            breaker_limits=self._breakers(),
        )
        return Worker(
            consumer=Consumer(
                self.database,
                REACTIONS,
                self.clocks,
                self.clock,
                retry=self._retry(),
                meter=metrics,
                only=groups,
                transport=relaying.transport(self.settings, self.database, self.clock),
            ),
            sequencer=Sequencer(self.database),
            runner=runner,
            hears=hears,
            calls=calls,
        )

    def carrier(self) -> relaying.Carries | None:
        """Return the relay to Kafka, and the intake; None without Kafka."""
        return relaying.carrier(self.settings, self.database, self.clocks, self.clock)

    def scheduler(self) -> "Timekeeper":
        table = timetable(self.settings, self.clock, self.ports.files)
        return Timekeeper(
            scheduler=Scheduler(
                self.database,
                table,
                clock=self.clock,
                tenants=TENANTS,
                gives_way=partial(is_answering, self.database) if self.settings.work_niceness else None,
                is_off=Agreement(self.database, self.clock).is_off,
            ),
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
            watcher=Watcher(self.database, self.settings, table.jobs, self.clock),
        )

    def _retry(self) -> RetryPolicy:
        # A sandbox does not come to rest while a message is being tried again: a developer is told sooner.
        return RetryPolicy() if self.settings.is_production else RetryPolicy(waits=_SOON)

    def _breakers(self) -> BreakerLimits:
        # Breakers wait on the wall's time, and a sandbox's clock waits for its calls: there an outage of days is seconds.
        return BreakerLimits() if self.settings.is_production else BreakerLimits(open_max_s=5.0)

    async def migrations_missing(self) -> str | None:
        async with self.database.aside.acquire() as connection, connection.transaction(readonly=True):
            missing = await lacking_migrations(connection)
        return f"{len(missing)} to be applied: guilder migrate" if missing else None


@dataclass(frozen=True, slots=True)
class Worker:
    """Hears the log and calls the outside."""

    consumer: Consumer
    sequencer: Sequencer
    runner: Runner
    hears: bool = True
    calls: bool = True

    async def run(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            if self.hears:
                group.create_task(self.sequencer.run(stop), name="sequencer")
                group.create_task(self.consumer.run(stop), name="consumer")
            if self.calls:
                group.create_task(self.runner.run(stop), name="runner")


@dataclass(frozen=True, slots=True)
class Timekeeper:
    """Does what the clock asks, of live tenants and of sandboxes."""

    scheduler: Scheduler
    machine: TimeMachine
    watcher: Watcher

    async def run(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.scheduler.run(stop), name="scheduler")
            group.create_task(self.machine.run(stop), name="time machine")
            group.create_task(self.watcher.run(stop), name="watcher")


@asynccontextmanager
async def open_house(settings: Settings, *, clock: Clock | None = None, role: Role = Role.UP) -> AsyncIterator[House]:
    """Connect, and hold the house open; everything is closed behind it.

    :raises DatabaseGone: PostgreSQL cannot be reached
    """
    assert settings.database_url is not None, "found, or started, before the house is opened"
    source = key_source(settings)
    ports = open_ports(settings, await masters.opened(source))
    if role in WRITES_FILES:
        await refuse_unusable_files(ports.files, settings.files_url)
    budget = budget_of(settings, role)
    database = await Database.connect(
        settings.database_url.get_secret_value(),
        direct_url=_reveal(settings.database_direct_url),
        size_max=budget.pool_max,
        vault=Vault(ports.keys),
        name=budget.name,
        statements_kept=settings.database_statements_kept,
    )
    wall = clock or WallClock()
    keeping = asyncio.create_task(masters.keep_fresh(ports.keys, source), name="master keys")
    try:
        await warn_of_shortage(database)
        async with (
            open_sharing(settings, keys=ports.keys, clock=wall, database=database, role=role) as sharing,
            _replica_of(settings, database, wall, budget) as replica,
            _brokers_of(settings, role) as brokers,
        ):
            yield House(settings, database, ports, wall, identity.Clocks(wall), replica, sharing, brokers)
    finally:
        keeping.cancel()
        for gateway in ports.gateways.values():
            await gateway.close()
        await database.close()


@asynccontextmanager
async def _brokers_of(settings: Settings, role: Role) -> AsyncIterator[Mapping[str, relaying.Trouble]]:
    if role is Role.COMMAND:
        yield {}  # it is soon over, and nobody asks it
        return
    async with relaying.watched(settings) as troubles:
        yield troubles


@asynccontextmanager
async def _replica_of(
    settings: Settings, database: Database, clock: Clock, budget: Budget
) -> AsyncIterator[Replica | None]:
    """Look after a replica for as long as the house is open, where one is named and somebody here reads."""
    url = _reveal(settings.database_replica_url)
    if url is None or budget.role not in READING:
        yield None
        return
    replica = await Replica.connect(
        url,
        database,
        monotonic=clock.monotonic,
        size_max=budget.pool_max,
        lag_max_s=settings.database_replica_lag_max_s,
        name=budget.name,
    )
    stop = asyncio.Event()
    looking = asyncio.create_task(replica.run(stop), name="replica")
    try:
        yield replica
    finally:
        stop.set()
        await looking
        await replica.close()


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
        per_tenant=Allowance(settings.rate_limit_tenant_per_minute),
        ceilings=Ceilings(
            api=settings.requests_max,
            per_caller=settings.requests_per_caller_max,
            per_tenant=settings.requests_max - settings.requests_max // 8,
            webhooks=settings.requests_webhooks_max,
            waiting=settings.requests_waiting_max,
        ),
        step_up_s=settings.step_up_s,
    )


def _reveal(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
