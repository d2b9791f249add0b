"""Kafka in the house: the workers' transport, and the role that carries the log out and others' records in."""

import asyncio
from dataclasses import dataclass

from guilder.platform.bus import store
from guilder.platform.bus.kafka.connection import Connection, connection
from guilder.platform.bus.kafka.intake import Intake
from guilder.platform.bus.kafka.relay import Relay
from guilder.platform.bus.kafka.sender import Sender
from guilder.platform.bus.kafka.topics import Topics
from guilder.platform.bus.kafka.transport import KafkaTransport
from guilder.platform.bus.kafka.watching import Watch
from guilder.platform.clock import Clock
from guilder.platform.config import Settings
from guilder.platform.db.clocks import TenantClocks
from guilder.platform.db.database import Database
from guilder.wiring import intake, topics

# A topic of dead letters is for people, and has no order to keep.
DEAD_PARTITIONS = 1


def transport(settings: Settings, database: Database, clock: Clock) -> KafkaTransport:
    return KafkaTransport(database, _brokers(settings), clock)


def carrier(settings: Settings, database: Database, clocks: TenantClocks, clock: Clock) -> "Carrier":
    return Carrier(settings, _brokers(settings), database, clocks, clock)


def watch(settings: Settings) -> Watch:
    return Watch(_brokers(settings))


def _brokers(settings: Settings) -> Connection:
    found = connection(settings)
    assert found is not None, "asked for with KAFKA_BOOTSTRAP_SERVERS only"
    return found


@dataclass(frozen=True, slots=True)
class Carrier:
    """Carries the log to Kafka, and takes in what others publish there. Any number may run."""

    settings: Settings
    connection: Connection
    database: Database
    clocks: TenantClocks
    clock: Clock

    async def run(self, stop: asyncio.Event) -> None:
        async with self.database.transaction(actor="relay") as tx:
            partitions = await store.partitions(tx)
        relay = Relay(self.database, self._sender(partitions), self.clock)
        taking = Intake(
            self.connection,
            self._sender(DEAD_PARTITIONS),
            intake.charges(self.database, self.clocks),
            name=topics.CHARGES,
            dead=topics.REFUSED,
        )
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(relay.run(stop), name="relay")
                group.create_task(taking.run(stop), name="intake")
        finally:
            await relay.close()
            await taking.close()

    def _sender(self, partitions: int) -> Sender:
        days = self.settings.log_retention_days
        return Sender(self.connection, Topics(self.connection, partitions=partitions, days_kept=days))
