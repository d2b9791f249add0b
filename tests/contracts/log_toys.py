"""A toy room that counts: each thing's count is raised under its lock and announced, so the order heard can be checked."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from guilder.kernel.event import Event, Message
from guilder.kernel.ids import TenantId
from guilder.platform.bus import outbox
from guilder.platform.bus.consumer import Consumer
from guilder.platform.bus.reactions import AfterDeath, Reaction, Reactions, Start
from guilder.platform.bus.retry import RetryPolicy
from guilder.platform.bus.sequencer import Sequencer
from guilder.platform.bus.transport import Transport
from guilder.platform.clock import HandClock
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from tests.rooms.platform.ground import NOW, Clocks, a_tenant, some_ids

SCHEMA = """
select platform.open_room('toy');
create table toy.things (tenant_id uuid not null, id uuid not null, n int not null, primary key (tenant_id, id));
create table toy.heard (
    seq bigserial, tenant_id uuid not null, group_name text not null, event_id uuid not null, thing_id uuid not null,
    n int not null, told_at timestamptz not null
);
grant usage on sequence toy.heard_seq_seq to guilder_app;
select platform.protect('toy.things');
select platform.protect('toy.heard');
"""
EMPTY = """
truncate platform.log, platform.log_heads, platform.log_extents, platform.log_groups, platform.log_cursors,
         platform.log_parked, toy.things, toy.heard;
update platform.log_epoch set epoch = 1
"""
WAIT = timedelta(seconds=10)
RETRIES = RetryPolicy(waits=(WAIT, WAIT), jitter=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted(Event):
    name: ClassVar = "toy.counted"
    topic: ClassVar = "toy.events"
    key: ClassVar = "thing_id"

    thing_id: UUID
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recounted(Event):
    """Like Counted, under another name: it shares topic, key and count."""

    name: ClassVar = "toy.recounted"
    topic: ClassVar = "toy.events"
    key: ClassVar = "thing_id"

    thing_id: UUID
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Event):
    name: ClassVar = "toy.asked"
    topic: ClassVar = "toy.{gateway}.requests"
    key: ClassVar = "thing_id"

    thing_id: UUID
    gateway: str
    n: int = 0


Fault = Callable[[Message[Any]], None]


async def write_down(tx: Tx, group: str, messages: Sequence[Message[Any]], now: datetime) -> None:
    await tx.execute(
        """insert into toy.heard (tenant_id, group_name, event_id, thing_id, n, told_at)
           select t, $1, e, k, n, $6 from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::int[])
             with ordinality as f (t, e, k, n, nth) order by nth""",
        group,
        [message.event.tenant_id for message in messages],
        [message.id for message in messages],
        [message.event.thing_id for message in messages],
        [message.event.n for message in messages],
        now,
    )


@dataclass
class World:
    database: Database
    admin: Any
    transport: Transport
    clocks: Clocks = field(default_factory=Clocks)
    clock: HandClock = field(default_factory=lambda: HandClock(NOW))
    tenant: TenantId = field(default_factory=a_tenant)
    fault: Fault | None = None
    calls: list[tuple[str, int]] = field(default_factory=list)

    def hearing(self, group: str, event: type[Event] = Counted, **about: Any) -> Reaction:
        """A reaction that writes down what it hears, after `fault` has had its say."""

        async def on_event(tx: Tx, messages: Sequence[Message[Any]], *, now: datetime) -> None:
            assert {message.event.tenant_id for message in messages} <= tx.tenants
            assert len(tx.tenants) == 1 or not tx.tenants & set(self.clocks.own), "a sandbox's batch is its own"
            assert set(await tx.fetchval("select platform.tenants()")) == tx.tenants
            self.calls.append((group, len(messages)))
            await write_down(tx, group, messages, now)
            for message in messages:
                if self.fault is not None:
                    self.fault(message)

        return Reaction(group, event, on_event, **about)

    def consumer(self, *reactions: Reaction, starts: dict[str, Start] | None = None, **settings: Any) -> Consumer:
        return Consumer(
            self.database,
            Reactions(reactions or [self.hearing("listeners")], starts=starts),
            self.clocks,
            self.clock,
            transport=self.transport,
            **{"retry": RETRIES, **settings},
        )

    async def sequence(self) -> int:
        return await Sequencer(self.database, transport=self.transport).drain()

    async def count(
        self,
        thing: UUID,
        times: int = 1,
        *,
        tenant: TenantId | None = None,
        event: type[Any] = Counted,
        before_commit: Callable[[], Any] | None = None,
    ) -> None:
        tenant_id = tenant or self.tenant
        async with self.database.transaction({tenant_id}, actor="test") as tx:
            for _ in range(times):
                n = await tx.fetchval(
                    """insert into toy.things as t values ($1, $2, 1)
                       on conflict (tenant_id, id) do update set n = t.n + 1 returning n""",
                    tenant_id,
                    thing,
                )
                outbox.announce(tx, [event(tenant_id=tenant_id, thing_id=thing, n=n)], now=NOW)
            if before_commit is not None:
                # The row's number in the log is drawn; whatever happens now, happens between that and the commit.
                await tx.run_hooks()
                await before_commit()

    async def heard(self, group: str = "listeners") -> dict[UUID, list[int]]:
        """What a group heard of each thing, in the order of its hearing."""
        rows = await self.admin.fetch("select thing_id, n from toy.heard where group_name = $1 order by seq", group)
        found: dict[UUID, list[int]] = defaultdict(list)
        for row in rows:
            found[row["thing_id"]].append(row["n"])
        return dict(found)

    async def count_each(self, things: Iterable[UUID]) -> None:
        """Count each of these once, by a transaction each."""
        for thing in things:
            await self.count(thing)

    async def counts(self) -> dict[UUID, list[int]]:
        """What everybody must have heard: of each thing 1, 2, 3 … n."""
        return {row["id"]: list(range(1, row["n"] + 1)) for row in await self.admin.fetch("select * from toy.things")}

    async def parked(self) -> list[Any]:
        return await self.admin.fetch("select * from platform.log_parked order by position")

    async def write_for_a_while(self, writers: int = 12, each: int = 40, things: int = 8) -> None:
        """Let writers compete for a few things, each holding its transaction open for a moment of its own length."""
        shared = some_ids(things)

        async def late() -> None:
            await asyncio.sleep(random.choice([0, 0, 0.001, 0.005, 0.03]))

        async def write(writer: int) -> None:
            for _ in range(each):
                await self.count(random.choice(shared), before_commit=late)

        await asyncio.gather(*(write(number) for number in range(writers)))


def fails_for(*things: UUID, only: int | None = None) -> Fault:
    def fault(message: Message[Any]) -> None:
        if message.event.thing_id in things and only in {None, message.event.n}:
            raise ValueError(f"cannot hear {message.event.n}")

    return fault


__all__ = ["AfterDeath", "Asked", "Counted", "Recounted", "World", "fails_for"]
