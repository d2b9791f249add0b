"""`guilder serve`: the API alone."""

import asyncio

from guilder.entrypoints import answering, serving
from guilder.entrypoints.cli.access import settings_with_database
from guilder.entrypoints.house import open_house
from guilder.entrypoints.listening import refuse_taken_port
from guilder.entrypoints.paying import connect_named_gateways
from guilder.entrypoints.roles import Role
from guilder.entrypoints.trusting import trust_named_issuers
from guilder.platform.config import Settings


def serve() -> None:
    """Serve the API alone, on HOST and PORT. Needs DATABASE_URL, or a `guilder up` of the same data folder.

    Any number may run side by side. Example: DATABASE_URL=postgresql://… PORT=8000 guilder serve
    """
    settings = settings_with_database()
    refuse_taken_port(settings)
    serving.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    serving.begin(settings)
    async with open_house(settings, role=Role.SERVE) as house:
        app = answering.api(house)

        async def http(stop: asyncio.Event) -> None:
            await trust_named_issuers(house)
            await connect_named_gateways(house)
            await serving.serve(app, settings, stop)

        await serving.run_roles(http)
