"""Who serves and who asks, as processes of their own: the API as it is served, a bare endpoint beside it, and a client
that keeps its connections and asks again as soon as it is answered.

    python bench/_asking.py bare <port>         a bare Starlette endpoint (env: DATABASE_URL, STATEMENT)
    python bench/_asking.py house <port>        the API, as `guilder` serves it (env: as the product's)
    python bench/_asking.py ask                 reads what to ask from stdin, writes what came of it to the file named there
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from uuid import UUID

import asyncpg
import uvicorn
import uvloop
from _server import Wrong
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from guilder.entrypoints import answering
from guilder.entrypoints.house import open_house
from guilder.entrypoints.roles import Role
from guilder.entrypoints.serving import BACKLOG, begin, serve
from guilder.entrypoints.wire import Wire
from guilder.platform.config import Settings

CONNECTIONS = 16
POOL = 20
START_S = 60
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking for a while."""

    per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_us: float
    """Of the process that serves, for each answer."""


@dataclass(frozen=True, slots=True)
class Serving:
    port: int
    pid: int

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


@asynccontextmanager
async def serving(what: str, environment: Mapping[str, str]) -> AsyncIterator[Serving]:
    """Serve it by a process of its own until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {name: said for name, said in os.environ.items() if not name.endswith("_URL")}
    process = subprocess.Popen(
        [sys.executable, __file__, what, str(port)], env={**kept, **environment}, stdout=subprocess.DEVNULL
    )
    try:
        await _answers(process, port)
        yield Serving(port, process.pid)
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)


async def _answers(process: "subprocess.Popen[bytes]", port: int) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return
    raise Wrong(f"the server did not start (ended with {process.poll()})")


def request(method: str, path: str, *, key: str | None = None, body: Any = None, **headers: str) -> str:
    """Write a request."""
    sent = "" if body is None else json.dumps(body)
    said = {"Host": "localhost", "User-Agent": "bench", "Accept": "*/*"}
    said |= {name.replace("_", "-"): value for name, value in headers.items()}
    said |= {"Authorization": f"Bearer {key}"} if key else {}
    said |= {"Content-Type": "application/json", "Content-Length": str(len(sent))} if sent else {}
    head = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n{sent}"


async def ask(
    server: Serving, requests: Sequence[str], *, seconds: float, connections: int = CONNECTIONS, once: bool = False
) -> Asked:
    """Ask these in turn over so many connections, each as soon as the one before is answered; `once`: each of them once.

    :raises Wrong: an answer was no 2xx
    """
    began = server.cpu_s()
    process = await asyncio.create_subprocess_exec(sys.executable, __file__, "ask", stdin=subprocess.PIPE)
    wanted = {"port": server.port, "requests": list(requests), "seconds": seconds, "connections": connections}
    with tempfile.NamedTemporaryFile() as told_in:
        await process.communicate(json.dumps({**wanted, "once": once, "tell": told_in.name}).encode())
        if process.returncode:
            raise Wrong("the client failed")
        told = json.loads(told_in.read())
    if told["wrong"]:
        raise Wrong(f"answered: {told['wrong']}")
    took = [each * 1_000 for each in told["took"]]
    cuts = quantiles(took, n=100)
    cpu_us = (server.cpu_s() - began) / len(took) * 1e6
    return Asked(len(took) / told["seconds"], median(took), cuts[94], cuts[98], cpu_us)


class _Client(asyncio.Protocol):
    """One connection: asks, waits for the whole answer, asks again."""

    def __init__(self, requests: Iterator[bytes], until: float, took: list[float], wrong: list[str]) -> None:
        self._requests, self._until, self._took, self._wrong = requests, until, took, wrong
        self._buffer, self._began = b"", 0.0
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        at = self._buffer.lower().find(b"content-length:", 0, end)
        length = int(self._buffer[at + 15 : self._buffer.find(b"\r\n", at)])
        if len(self._buffer) < end + 4 + length:
            return
        self._took.append(time.perf_counter() - self._began)
        if not self._buffer.startswith(b"HTTP/1.1 2"):
            self._wrong.append(self._buffer.decode(errors="replace")[:400] + self._buffer.decode()[end:][:600])
            self._until = 0
        self._buffer = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._until:
            self._wrong.append(f"the connection was closed: {exc}")
        self.closed.set_result(None)

    def _send(self) -> None:
        self._began = time.perf_counter()
        following = next(self._requests, None) if self._began < self._until else None
        if following is None:
            self._until = 0
            self._transport.close()
        else:
            self._transport.write(following)


async def _ask(wanted: dict[str, Any]) -> dict[str, Any]:
    each = [text.encode() for text in wanted["requests"]]
    took: list[float] = []
    wrong: list[str] = []
    asked, began = iter(each) if wanted["once"] else cycle(each), time.perf_counter()
    until = began + wanted["seconds"]
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: _Client(asked, until, took, wrong), "127.0.0.1", wanted["port"])
        for _ in range(wanted["connections"])
    ]
    await asyncio.gather(*(client.closed for _, client in made))
    return {"took": took, "wrong": wrong[:1], "seconds": time.perf_counter() - began}


# A bare endpoint: what anybody would write in an afternoon, without any promise.


class Thing(BaseModel):
    customer: str
    plan: str


def bare_read(pool: "list[asyncpg.Pool[Any]]") -> Any:
    tenant_id = UUID(os.environ["TENANT"])
    statement = os.environ["STATEMENT"]

    async def read(request: Request) -> JSONResponse:
        row = await pool[0].fetchrow(statement, tenant_id, request.path_params["name"])
        assert row is not None, request.url
        return JSONResponse(dict(row))

    return Starlette(routes=[Route("/bare/{name}", read)])


def bare_insert(pool: "list[asyncpg.Pool[Any]]") -> Any:
    app = FastAPI()
    statement = os.environ["STATEMENT"]

    @app.post("/bare", status_code=201)
    async def insert(thing: Thing) -> dict[str, Any]:
        return {"id": await pool[0].fetchval(statement, thing.customer, thing.plan)}

    return app


async def _serve_bare(port: int) -> None:
    pools: list[asyncpg.Pool[Any]] = []
    app = {"read": bare_read, "insert": bare_insert}[os.environ["KIND"]](pools)
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=POOL) as pool:
        pools.append(pool)
        # As the API is served.
        config = uvicorn.Config(
            app,
            host="127.0.0.1",
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            http=Wire,
            ws="none",
        )
        await uvicorn.Server(config).serve()


async def _serve_house(port: int) -> None:
    settings = Settings(_env_file=None, host="127.0.0.1", port=port)
    begin(settings)
    async with open_house(settings, role=Role.SERVE) as house:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(15, stop.set)
        await serve(answering.api(house), settings, stop)


def main() -> None:
    if sys.argv[1] == "ask":
        wanted = json.load(sys.stdin)
        Path(wanted["tell"]).write_text(json.dumps(uvloop.run(_ask(wanted))))
        return
    run = {"bare": _serve_bare, "house": _serve_house}[sys.argv[1]]
    uvloop.run(run(int(sys.argv[2])))


if __name__ == "__main__":
    main()
