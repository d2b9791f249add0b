"""The simulated payment provider as a process of its own beside this one, for laptops and tests."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from guilder.kernel.errors import Foreseen
from guilder.platform import logging
from guilder.platform.config import Settings
from guilder.platform.db.embedded.process import die_with_parent

START_TIMEOUT_S = 20
STOP_TIMEOUT_S = 10
POLL_S = 0.05
RESTART_PAUSE_S = 1

_log = logging.get(__name__)


class ProviderCannotStart(Foreseen):
    """The simulated provider does not answer."""


@asynccontextmanager
async def running_provider(settings: Settings) -> AsyncIterator[None]:
    """Run the provider, and start it again if it falls.

    :raises ProviderCannotStart: its port is taken
    """
    stop = asyncio.Event()
    keeping = asyncio.create_task(_keep(settings, stop), name="simulated provider")
    try:
        await _until_it_answers(settings, keeping)
        yield
    finally:
        stop.set()
        await keeping


async def _keep(settings: Settings, stop: asyncio.Event) -> None:
    while not stop.is_set():
        process = await _start(settings)
        ended = asyncio.create_task(process.wait())
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait({ended, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if stop.is_set():
            await _end(process)
            return
        _log.warning("provider_fell", code=process.returncode)
        if process.returncode == os.EX_USAGE:
            raise ProviderCannotStart
        await asyncio.sleep(RESTART_PAUSE_S)


async def _start(settings: Settings) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simulated_provider",
        "--host",
        "127.0.0.1",
        "--port",
        str(settings.provider_port),
        "--data",
        str((settings.guilder_data / "provider").resolve()),
        # Ctrl-C is for this process, which then ends that one.
        start_new_session=True,
        # However this process ends, that one does not stay behind with its port.
        preexec_fn=die_with_parent(os.getpid()),
        stdout=asyncio.subprocess.DEVNULL,
    )


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _until_it_answers(settings: Settings, keeping: asyncio.Task[None]) -> None:
    url = f"http://127.0.0.1:{settings.provider_port}/health"
    async with httpx.AsyncClient(trust_env=False) as client:
        for _ in range(int(START_TIMEOUT_S / POLL_S)):
            if keeping.done():
                break
            try:
                if (await client.get(url)).is_success:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(POLL_S)
    raise ProviderCannotStart(
        f"the simulated payment provider does not answer on port {settings.provider_port}; "
        "if something else uses that port, set PROVIDER_PORT to a free one"
    )
