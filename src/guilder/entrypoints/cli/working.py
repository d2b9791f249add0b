"""A house with its worker and scheduler, for a command whose result is the work of others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx

from guilder.entrypoints import serving
from guilder.entrypoints.house import House, open_house
from guilder.entrypoints.provider import running_provider
from guilder.platform.config import Settings

LOOK_TIMEOUT_S = 2.0


@asynccontextmanager
async def busy_house(settings: Settings, *, runs_elsewhere: bool) -> AsyncIterator[House]:
    """Open the house; where no other process runs, play every role here meanwhile, the provider's too."""
    serving.begin(settings.model_copy(update={"log_level": "WARNING"}))
    async with AsyncExitStack() as stack:
        if not runs_elsewhere and not settings.is_production and not await _answers(settings):
            await stack.enter_async_context(running_provider(settings))
        house = await stack.enter_async_context(open_house(settings))
        if not runs_elsewhere:
            await stack.enter_async_context(_busy(house))
        yield house


@asynccontextmanager
async def _busy(house: House) -> AsyncIterator[None]:
    stop = asyncio.Event()
    worker = house.worker()
    await worker.consumer.register()
    roles = [asyncio.create_task(run(stop)) for run in (worker.run, house.scheduler().run)]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*roles)


async def _answers(settings: Settings) -> bool:
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=LOOK_TIMEOUT_S) as client:
            return (await client.get(f"{settings.simulated_url}/health")).is_success
    except httpx.HTTPError:
        return False
