"""The answer to COMMIT is lost: nobody knows what became of it, until the client asks again with its key."""

from collections.abc import AsyncIterator

import pytest

from tests.support.database import DatabaseUrls, new_database
from tests.support.edge import Toy, a_key, serve_toy
from tests.support.wired import Wire, wired


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
