"""A wire between an application and PostgreSQL that is cut where it hurts: just before a commit, and just after it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class Wire:
    """Stands between the application and PostgreSQL, and cuts where it is told to."""

    def __init__(self) -> None:
        self.cut_before_commit = False
        self.cut_after_commit = False
        self.cuts = 0

    async def carry(self, client: asyncio.StreamReader, back: asyncio.StreamWriter, host: str, port: int) -> None:
        server, forth = await asyncio.open_connection(host, port)
        is_cut = asyncio.Event()
        ways = [
            asyncio.create_task(self._forth(client, forth, server, is_cut)),
            asyncio.create_task(pump(server, back, is_cut)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for writer in (back, forth):
            writer.close()
        await asyncio.gather(*ways, return_exceptions=True)

    async def _forth(
        self,
        client: asyncio.StreamReader,
        forth: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        is_cut: asyncio.Event,
    ) -> None:
        while data := await client.read(65_536):
            if data.startswith(b"Q") and b"COMMIT" in data:
                if self.cut_before_commit:
                    self.cuts += 1
                    return
                if self.cut_after_commit:
                    self.cuts += 1
                    is_cut.set()
                    forth.write(data)
                    await forth.drain()
                    await asyncio.sleep(0.3)  # the server has committed; its answer goes nowhere
                    return
            forth.write(data)
            await forth.drain()


async def pump(server: asyncio.StreamReader, back: asyncio.StreamWriter, is_cut: asyncio.Event) -> None:
    while data := await server.read(65_536):
        if is_cut.is_set():
            await asyncio.Event().wait()
        back.write(data)
        await back.drain()


@asynccontextmanager
async def wired(url: str) -> AsyncIterator[tuple[Wire, str]]:
    parts, wire = urlsplit(url), Wire()
    host, port = parts.hostname or "127.0.0.1", parts.port or 5432
    running: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        with suppress(ConnectionError, asyncio.CancelledError):
            await wire.carry(reader, writer, host, port)

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    here = listener.sockets[0].getsockname()[1]
    login = parts.netloc.rpartition("@")[0]
    try:
        yield wire, parts._replace(netloc=f"{login}@127.0.0.1:{here}").geturl()
    finally:
        listener.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
