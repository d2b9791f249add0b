"""What a process of a role runs on."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from guilder.entrypoints import serving
from guilder.entrypoints.cli import access, answering, running
from guilder.platform.config import Settings


def test_the_loop_of_a_process_is_the_one_in_c() -> None:
    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    assert isinstance(serving.run(loop()), uvloop.Loop)


@pytest.mark.parametrize("role", [answering.serve, running.schedule, lambda: running.work(only_calls=False)])
def test_every_role_runs_on_it(role: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def run(process: Coroutine[Any, Any, None]) -> None:
        ran.append(process.__name__)
        process.close()

    monkeypatch.setattr(access, "reachable", lambda _: Settings(_env_file=None, port=0))
    monkeypatch.setattr(answering, "refuse_taken_port", lambda _: None)
    monkeypatch.setattr(serving, "run", run)
    role()
    assert ran in (["_serve"], ["_schedule"], ["_work"])


def test_who_answers_no_requests_loads_no_routes() -> None:
    loaded = (
        "import sys, guilder.entrypoints.cli.relaying, guilder.entrypoints.cli.running; "
        "sys.exit('guilder.wiring.routers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", loaded], check=False).returncode == 0


@pytest.mark.parametrize(("started_at", "asked", "stands_at"), [(0, 5, 5), (3, 5, 5), (8, 5, 8), (0, 0, 0)])
def test_whoever_works_stands_back_for_whoever_serves(started_at: int, asked: int, stands_at: int) -> None:
    said = f"import os; from guilder.entrypoints import serving; os.nice({started_at}); serving.step_back({asked}); print(os.nice(0))"
    found = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert int(found.stdout) == max(os.nice(0) + started_at, stands_at)
