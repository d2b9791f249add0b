"""A receiver of webhooks on this machine: it keeps what it is sent, and answers as it is told to, well or badly."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def said(self) -> Any:
        return json.loads(self.body)


def answering(status: int, body: bytes = b"ok", **headers: str) -> Answer:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{lines}\r\n".encode()

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head + body)

    return answer


def pouring(piece: bytes, *, times: int = 10**9, every_s: float = 0, head: bytes = b"") -> Answer:
    """Begin well, and go on and on."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head or b"HTTP/1.1 200 OK\r\ncontent-length: 10737418240\r\n\r\n")
        for _ in range(times):
            writer.write(piece)
            await writer.drain()
            if every_s:
                await asyncio.sleep(every_s)

    return answer


async def hanging_up(writer: asyncio.StreamWriter) -> None:
    writer.close()


@dataclass
class Receiver:
    """`answers` are by path, the last of a list again and again; anything else is answered 200."""

    port: int = 0
    got: list[Received] = field(default_factory=list)
    connections: int = 0
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event | None = None
    poured: int = 0

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def says(self, *answers: Answer, path: str = "/hook") -> None:
        self.answers[path] = list(answers)

    def at(self, path: str = "/hook") -> list[Received]:
        return [each for each in self.got if each.path == path]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
            }
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            got = Received(first.split(" ")[1], headers, body)
            self.got.append(got)
            self.arrived.set()
            if self.gate is not None:
                await self.gate.wait()
            waiting = self.answers.get(got.path, [])
            answer = (waiting.pop(0) if len(waiting) > 1 else waiting[0]) if waiting else answering(200)
            await answer(writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
