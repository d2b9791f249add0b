"""What a process without the API tells of itself: /health, /ready and /metrics, on METRICS_PORT."""

import asyncio

import uvicorn

from guilder.entrypoints.house import House, http_settings
from guilder.entrypoints.serving import Role, Server
from guilder.platform import metrics
from guilder.platform.http.telltale import telltale


def roles(house: House) -> list[Role]:
    """Return what is to run beside a worker, a scheduler or a relay: nothing, unless METRICS_PORT is set."""
    port = house.settings.metrics_port
    if port is None:
        return []
    app = telltale(
        checks={"migrations": house.migrations_missing},
        troubles=house.troubles,
        metrics=metrics.render,
        settings=http_settings(house.settings),
    )
    config = uvicorn.Config(
        app, host=house.settings.host, port=port, log_config=None, access_log=False, server_header=False, ws="none"
    )

    async def tell(stop: asyncio.Event) -> None:
        server = Server(config)
        serving = asyncio.create_task(server.serve(), name="telltale")
        waiting = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        waiting.cancel()
        await serving

    return [tell]
