"""The answer to COMMIT is lost: nobody knows what became of it, until the client asks again with its key."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest

from tests.support.database import DatabaseUrls, new_database
from tests.support.edge import Toy, a_key, serve_toy


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


@pytest.fixture(scope="module")
async def setup(cluster: DatabaseUrls, worker_id: str) -> AsyncIterator[tuple[Toy, Wire]]:
    async with (
        new_database(cluster, f"edge_wire_{worker_id}") as urls,
        wired(urls.app) as (wire, url),
        serve_toy(urls, database_url=url) as toy,
    ):
        yield toy, wire


@pytest.mark.shows("fault F3", "ASVS 16.5.3")
@pytest.mark.parametrize(("way", "was_committed"), [("cut_after_commit", 1), ("cut_before_commit", 0)])
async def test_it_is_503_and_asking_again_with_the_key_does_it_once(
    setup: tuple[Toy, Wire], way: str, was_committed: int
):
    toy, wire = setup
    headers, name = {**a_key(), "Idempotency-Key": way}, f"wire {way}"
    wire.cuts = 0
    setattr(wire, way, True)
    lost = await toy.client.post("/api/toys", json={"name": name}, headers=headers)
    setattr(wire, way, False)
    assert wire.cuts
    assert (lost.status_code, lost.json()["code"]) == (503, "database_unavailable")
    assert int(lost.headers["retry-after"]) >= 1
    assert await toy.count(name) == was_committed
    assert toy.doings.later.count(name) == 0
    again = await toy.client.post("/api/toys", json={"name": name}, headers=headers)
    assert again.status_code == 201
    assert ("idempotent-replayed" in again.headers) == bool(was_committed)
    assert await toy.count(name) == 1


@pytest.mark.shows("ASVS 16.5.3", "fault D10")
async def test_a_database_that_is_gone_is_503_and_not_ready(setup: tuple[Toy, Wire]):
    toy, _ = setup
    await toy.admin.execute(f"alter database {toy.urls.name} connection limit 0")
    await toy.admin.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()",
        toy.urls.name,
    )
    answers = [await toy.client.get(path, headers=a_key()) for path in ("/api/toys", "/ready", "/health")]
    await toy.admin.execute(f"alter database {toy.urls.name} connection limit -1")
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert (await toy.client.get("/api/toys", headers=a_key())).status_code == 200
