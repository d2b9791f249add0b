"""Processes that serve, and one client that asks them: many connections, requests made beforehand, answers only counted."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import uvloop
from _server import Wrong

STARTED_S = 60.0
TICKS = os.sysconf("SC_CLK_TCK")
HEAD_END = b"\r\n\r\n"


def a_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def processes(command: Sequence[str], env: Mapping[str, str], count: int) -> Iterator[dict[int, int]]:
    """Run `count` of a program that serves on PORT; yield their process ids by port, once they answer."""
    running: dict[int, subprocess.Popen[bytes]] = {}
    try:
        for _ in range(count):
            port = a_port()
            running[port] = subprocess.Popen(
                [sys.executable, *command], env={**os.environ, **env, "PORT": str(port)}, stdout=sys.stderr.fileno()
            )
        for port, each in running.items():
            _wait_for(port, each)
        yield {port: each.pid for port, each in running.items()}
    finally:
        for each in running.values():
            each.terminate()
        for each in running.values():
            each.wait()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + STARTED_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise Wrong(f"a server ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise Wrong("a server did not start")


def cpu_s(pid: int) -> float:
    """Return the processor time of a process so far; of one that is gone, nothing."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def backends_cpu_s(backend: int) -> dict[int, float]:
    """Return the processor time of every process of a server, by process id; `backend` is one of its own."""
    server = _parent(backend)
    found = (int(stat.parent.name) for stat in Path("/proc").glob("[0-9]*/stat"))
    return {pid: cpu_s(pid) for pid in found if _parent(pid) == server}


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def request(method: str, path: str, *, body: bytes = b"", key: str = "", more: str = "") -> bytes:
    """Write a whole request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
    if key:
        head += f"Authorization: Bearer {key}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{more}\r\n".encode() + body


class Line(asyncio.Protocol):
    """One connection: what is asked on it is answered before the next is asked."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    async def ask(self, whole: bytes) -> tuple[int, bytes]:
        """Return the status and the body."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(whole)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(HEAD_END)
        if end < 0 or self._answer is None:
            return
        head = self._buffer[:end].lower()
        at = head.find(b"content-length: ")
        size = int(head[at + 16 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < end + 4 + size:
            return
        body, self._buffer = self._buffer[end + 4 : end + 4 + size], self._buffer[end + 4 + size :]
        self._answer.set_result((int(head[9:12]), body))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Wrong("the connection was closed"))


async def lines(ports: Sequence[int], count: int) -> list[Line]:
    """Open connections, spread over the servers."""
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(Line, "127.0.0.1", ports[n % len(ports)]))[1] for n in range(count)]


async def ask_all(open_lines: Sequence[Line], requests: Sequence[bytes], *, status: int = 200) -> list[float]:
    """Ask everything, as fast as it is answered; return how long each took.

    :raises Wrong: an answer has another status
    """
    left, took = iter(requests), []

    async def on(line: Line) -> None:
        for each in left:
            began = time.perf_counter()
            got, body = await line.ask(each)
            took.append(time.perf_counter() - began)
            if got != status:
                raise Wrong(f"answered {got}: {body[:300]!r}")

    await asyncio.gather(*(on(each) for each in open_lines))
    return took


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def run(main: Coroutine[Any, Any, None]) -> None:
    uvloop.run(main)
