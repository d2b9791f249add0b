"""`guilder relay`: carry the log to Kafka, and take in what others publish there."""

import asyncio
from typing import Annotated

import typer

from guilder.entrypoints import serving, telling
from guilder.entrypoints.cli.access import refuse_unmigrated, settings_with_database
from guilder.entrypoints.cli.speaking import Trouble, out
from guilder.entrypoints.house import open_house
from guilder.entrypoints.roles import Role
from guilder.platform.bus import groups
from guilder.platform.bus.kafka import store as rows
from guilder.platform.config import Settings
from guilder.platform.db.tx import Tx

ACTOR = "relay"


def relay(
    again: Annotated[
        str | None,
        typer.Option("--again", metavar="TOPIC", help="Send a topic again (% is all), as far as the log still has it."),
    ] = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Kafka is gone for good: the log need not wait for the relay any more.")
    ] = False,
) -> None:
    """Carry the log to Kafka, and take in what other systems publish there. Needs DATABASE_URL and KAFKA_BOOTSTRAP_SERVERS.

    Any number may run side by side; each partition is carried by one of them. With an option it does that, and ends.
    Examples: guilder relay · guilder relay --again invoices.events
    """
    settings = settings_with_database()
    if forget or again is not None:
        out.print(asyncio.run(_change(settings, again)))
        return
    if settings.kafka_bootstrap_servers is None:
        raise Trouble(
            "there is nothing to relay: without KAFKA_BOOTSTRAP_SERVERS the log is carried by PostgreSQL itself, and "
            "workers hear it there"
        )
    serving.run(_relay(settings))


async def _relay(settings: Settings) -> None:
    serving.begin(settings)
    async with open_house(settings, role=Role.RELAY) as house:
        await refuse_unmigrated(house.database)
        carrier = house.carrier()
        assert carrier is not None
        await serving.run_roles(carrier.run, *telling.roles(house))


async def _change(settings: Settings, again: str | None) -> str:
    async def work(tx: Tx) -> str:
        if again is None:
            await groups.forget(tx, group=groups.RELAY)
            return "The log waits for no relay any more."
        rewound = await rows.rewind(tx, groups.RELAY, again)
        return f"{rewound} partitions are sent again from where the log begins; readers know each event by its id."

    async with open_house(settings, role=Role.COMMAND) as house:
        return await house.database.run(work, actor=ACTOR)
