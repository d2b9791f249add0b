"""Running roles until somebody says stop, and then stopping well: what is in flight is finished, or left recoverable."""

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import uvicorn
import uvloop
from fastapi import FastAPI

from guilder.entrypoints.checking import refuse_unsafe
from guilder.entrypoints.wire import Wire
from guilder.platform import logging, tracing
from guilder.platform.config import Settings

Role = Callable[[asyncio.Event], Awaitable[None]]
T = TypeVar("T")

GRACE_S = 20
# New objects before the young are looked through, young rounds before the middle ones, and those before the old.
COLLECTED_AFTER = (50_000, 20, 50)
BACKLOG = 2048

_log = logging.get(__name__)


class Server(uvicorn.Server):
    """uvicorn without its own signal handlers: one place hears the signals, for every role of the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(process: Coroutine[Any, Any, T]) -> T:
    """Run what a process does for as long as it lasts. Its loop is written in C: Python's own takes a fifth of a request."""
    return uvloop.run(process)


def begin(settings: Settings) -> None:
    """Set up what every process has: logs, traces, and a collector of garbage that knows what stays.

    :raises BadSettings: in production, settings that anybody could walk into
    """
    refuse_unsafe(settings)
    logging.configure(level=settings.log_level, style=settings.log_style)
    tracing.configure(settings.otel_exporter_otlp_endpoint)
    spare_what_stays()


def step_back(niceness: int) -> None:
    """Let whatever else this machine runs, the API first, have a core before this process, by so much (0 to 19)."""
    os.nice(max(0, niceness - os.nice(0)))


def spare_what_stays() -> None:
    """Have the collector leave alone what is loaded by now, and come less often.

    A batch makes some hundred thousand objects and keeps them until its end: looked through again and again, with the
    whole house each time, they took a third of Python's time.
    """
    gc.freeze()
    gc.set_threshold(*COLLECTED_AFTER)


async def serve(app: FastAPI, settings: Settings, stop: asyncio.Event) -> None:
    """Serve HTTP until `stop`: then /ready says no, requests in flight are finished, and the port is closed."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=GRACE_S,
        loop="none",  # it runs already (`run`)
        http=Wire,
        ws="none",
    )
    server = Server(config)
    serving = asyncio.create_task(server.serve(), name="http")
    waiting = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    app.state.draining.begin()
    server.should_exit = True
    waiting.cancel()
    await serving


async def run_roles(*roles: Role) -> None:
    """Run roles side by side until SIGINT or SIGTERM; a role that fails stops the others, and is raised."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    tasks = [asyncio.ensure_future(role(stop)) for role in roles]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    tracing.shut_down()
    failed = [result for result in results if isinstance(result, BaseException)]
    if failed:
        _log.error("role_failed", reason=repr(failed[0]))
        raise failed[0]
    assert done
