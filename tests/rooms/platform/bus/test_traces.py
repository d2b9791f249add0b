"""What is announced goes on with the trace of what it follows from, though hundreds of traces are heard in one batch."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from guilder.kernel.event import Message
from guilder.platform.bus import outbox
from guilder.platform.bus.reactions import Reaction
from guilder.platform.db.tx import Tx
from guilder.platform.outside import intents
from guilder.platform.outside.intents import NewIntent
from tests.contracts.log_toys import Counted, World
from tests.rooms.platform.ground import NOW, some_ids


def a_trace(number: int) -> str:
    return f"00-{number:032x}-{number:016x}-01"


async def announce(world: World, things: Sequence[UUID], traces: Sequence[str | None]) -> None:
    for thing, trace in zip(things, traces, strict=True):
        async with world.database.transaction({world.tenant}, actor="test", traceparent=trace) as tx:
            outbox.announce(tx, [Counted(tenant_id=world.tenant, thing_id=thing, n=1)], now=NOW)


def following(world: World) -> Reaction:
    """What is heard once is announced again and called for, in one go for all messages of the batch."""

    async def on_counted(tx: Tx, messages: Sequence[Message[Any]], *, now: datetime) -> None:
        heard = [message.event for message in messages if message.event.n == 1]
        again = [Counted(tenant_id=event.tenant_id, thing_id=event.thing_id, n=2) for event in heard]
        outbox.announce(tx, again, now=now)
        wanted = [
            NewIntent(tenant_id=e.tenant_id, kind="toy", destination="toy", subject_id=e.thing_id, key=e.thing_id)
            for e in heard
        ]
        await intents.intend(tx, intents=wanted, now=now)

    return Reaction("followers", Counted, on_counted)


async def carried(world: World, things: Sequence[UUID]) -> tuple[dict[UUID, str | None], dict[UUID, str | None]]:
    said = await world.admin.fetch("select key, traceparent from platform.log where (payload->>'n')::int = 2")
    of_ours = "select subject_id, traceparent from platform.intents where subject_id = any ($1)"
    called = await world.admin.fetch(of_ours, things)
    return {row[0]: row[1] for row in said}, {row[0]: row[1] for row in called}


async def test_each_goes_on_with_its_own_trace_out_of_a_batch_of_many(world: World) -> None:
    things = some_ids(40)
    traces = [a_trace(n) if n % 4 else None for n in range(1, 41)]
    await announce(world, things, traces)
    await world.consumer(following(world)).drain()
    said, called = await carried(world, things)
    assert said == called == dict(zip(things, traces, strict=True))


async def test_a_call_stays_in_the_trace_that_first_asked_for_it(world: World) -> None:
    (thing,) = some_ids(1)
    for trace in (a_trace(1), a_trace(2)):
        async with world.database.transaction({world.tenant}, actor="test", traceparent=trace) as tx:
            wanted = NewIntent(tenant_id=world.tenant, kind="toy", destination="toy", subject_id=thing)
            await intents.intend(tx, intents=[wanted], now=NOW, revive=True)
            await tx.execute("update platform.intents set state = 'done'")
    _, called = await carried(world, [thing])
    assert called == {thing: a_trace(1)}
