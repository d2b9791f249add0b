"""A toy room with subscriptions that renew every day, reminders that follow them, and clocks for its sandboxes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from guilder.kernel import ids
from guilder.kernel.ids import Ref, TenantId
from guilder.platform.clock import HandClock, WallClock
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from guilder.platform.jobs.machine import TimeMachine
from guilder.platform.jobs.sandboxes import Hands, RestCheck
from guilder.platform.jobs.scheduler import Scheduler
from guilder.platform.jobs.timetable import Job, Timetable
from tests.rooms.platform.ground import NOW, a_tenant

DAY = timedelta(days=1)

SCHEMA = """
select platform.open_room('toy');
create table toy.subscriptions (tenant_id uuid not null, id uuid not null, due_at timestamptz, primary key (tenant_id, id));
create table toy.bills (
    tenant_id uuid not null, subscription_id uuid not null, dated timestamptz not null, made_at timestamptz not null,
    n bigint generated always as identity, primary key (tenant_id, subscription_id, dated)
);
create table toy.reminders (tenant_id uuid not null, id uuid not null, due_at timestamptz, primary key (tenant_id, id));
create table toy.sandboxes (tenant_id uuid primary key, now_at timestamptz not null, target_at timestamptz, halted text);
create table toy.waiting (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id));
do $$ declare t text; begin
    foreach t in array array['subscriptions', 'bills', 'reminders', 'sandboxes', 'waiting'] loop
        perform platform.protect(('toy.' || t)::regclass);
    end loop;
end $$;
create function toy.due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select s.tenant_id, s.id, s.due_at from toy.subscriptions s
     where s.due_at <= p_now and (s.tenant_id = p_tenant
           or (p_tenant is null and not exists (select from toy.sandboxes b where b.tenant_id = s.tenant_id)))
     order by s.due_at limit p_limit $$;
create function toy.reminders_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select r.tenant_id, r.id, r.due_at from toy.reminders r
     where r.due_at <= p_now and (r.tenant_id = p_tenant
           or (p_tenant is null and not exists (select from toy.sandboxes b where b.tenant_id = r.tenant_id)))
     order by r.due_at limit p_limit $$;
create function toy.count_waiting(p_tenant uuid) returns bigint
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select count(*) from toy.waiting where tenant_id = p_tenant $$;
create table toy.tenants (tenant_id uuid primary key);
grant select on toy.tenants to guilder_app;
create function toy.tenants(p_after uuid, p_limit int) returns table (tenant_id uuid)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select t.tenant_id from toy.tenants t where p_after is null or t.tenant_id > p_after
     order by t.tenant_id limit p_limit $$;
create function toy.all_sandboxes() returns table (tenant_id uuid, has_target boolean)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select tenant_id, target_at is not null from toy.sandboxes $$;
"""


@dataclass
class Room:
    """Its two jobs, and a record of how they were called."""

    poisoned: set[UUID] = field(default_factory=set)
    stubborn: set[UUID] = field(default_factory=set)
    runs: list[int] = field(default_factory=list)
    story: list[tuple[str, datetime]] = field(default_factory=list)

    @property
    def timetable(self) -> Timetable:
        return Timetable(
            [
                Job(name="toy.bill_due", find="toy.due", run=self.bill, batch_max=50, every_s=0.05, is_shared=True),
                Job(name="toy.remind", find="toy.reminders_due", run=self.remind, every_s=0.05),
            ]
        )

    async def bill(self, tx: Tx, refs: Sequence[Ref], /, *, now: datetime) -> int:
        """Bill every day that is due up to now, each dated by when it fell due."""
        rows = await _locked(tx, "toy.subscriptions", refs, now)
        self.runs.append(len(rows))
        done = 0
        for row in rows:
            if row["id"] in self.poisoned:
                raise RuntimeError("this one cannot be billed")
            due_at = row["due_at"]
            while due_at <= now and row["id"] not in self.stubborn:
                await tx.execute(
                    "insert into toy.bills values ($1, $2, $3, $4)", row["tenant_id"], row["id"], due_at, now
                )
                self.story.append(("bill", due_at))
                due_at += DAY
            await tx.execute("update toy.subscriptions set due_at = $2 where id = $1", row["id"], due_at)
            done += 1
        return done

    async def remind(self, tx: Tx, refs: Sequence[Ref], /, *, now: datetime) -> int:
        rows = await _locked(tx, "toy.reminders", refs, now)
        for row in rows:
            self.story.append(("remind", row["due_at"]))
            await tx.execute("update toy.reminders set due_at = null where id = $1", row["id"])
        return len(rows)


async def _locked(tx: Tx, table: str, refs: Sequence[Ref], now: datetime) -> list[Any]:
    return await tx.fetch(
        f"select * from {table} where id = any ($1) and due_at <= $2 order by due_at, id for update skip locked",
        [ref.id for ref in refs],
        now,
    )


class ToyClocks:
    async def sandboxes(self, tx: Tx) -> list[tuple[TenantId, bool]]:
        return [(TenantId(row[0]), row[1]) for row in await tx.fetch("select * from toy.all_sandboxes()")]

    async def times(self, tx: Tx, tenants: Sequence[TenantId]) -> dict[TenantId, datetime]:
        rows = await tx.fetch("select tenant_id, now_at from toy.sandboxes where tenant_id = any ($1)", tenants)
        return {TenantId(row[0]): row[1] for row in rows}

    async def lock(self, tx: Tx, tenant_id: TenantId) -> Hands | None:
        sql = "select now_at, target_at from toy.sandboxes where tenant_id = $1 for no key update skip locked"
        row = await tx.fetchrow(sql, tenant_id)
        return Hands(*row) if row else None

    async def move(self, tx: Tx, tenant_id: TenantId, *, now: datetime, arrived: bool) -> None:
        await tx.execute(
            "update toy.sandboxes set now_at = $2, target_at = case when $3 then null else target_at end "
            "where tenant_id = $1",
            tenant_id,
            now,
            arrived,
        )

    async def halt(self, tx: Tx, tenant_id: TenantId, *, reason: str) -> None:
        await tx.execute(
            "update toy.sandboxes set target_at = null, halted = $2 where tenant_id = $1", tenant_id, reason
        )


@dataclass
class World:
    database: Database
    admin: Any
    room: Room = field(default_factory=Room)
    clock: HandClock = field(default_factory=lambda: HandClock(NOW))
    tenant: TenantId = field(default_factory=a_tenant)

    def scheduler(self, **settings: Any) -> Scheduler:
        return Scheduler(self.database, self.room.timetable, clock=self.clock, tenants="toy.tenants", **settings)

    def machine(self, **settings: Any) -> TimeMachine:
        rest = [RestCheck("waiting", "toy.count_waiting")]
        return TimeMachine(self.database, self.room.timetable, ToyClocks(), rest=rest, clock=WallClock(), **settings)

    @property
    def billing(self) -> Job:
        return self.room.timetable.jobs[0]

    async def subscribe(self, count: int = 1, *, due_at: datetime = NOW, tenant: TenantId | None = None) -> list[UUID]:
        return await self._put("toy.subscriptions", count, due_at, tenant)

    async def remind(self, count: int = 1, *, due_at: datetime = NOW, tenant: TenantId | None = None) -> list[UUID]:
        return await self._put("toy.reminders", count, due_at, tenant)

    async def _put(self, table: str, count: int, due_at: datetime, tenant: TenantId | None) -> list[UUID]:
        made = ids.new_many(NOW, count)
        rows = [(tenant or self.tenant, each, due_at) for each in made]
        await self.admin.execute("insert into toy.tenants values ($1) on conflict do nothing", rows[0][0])
        await self.admin.executemany(f"insert into {table} values ($1, $2, $3)", rows)
        return made

    async def sandbox(self, *, now: datetime = NOW, target: datetime | None = None) -> TenantId:
        tenant = a_tenant()
        await self.admin.execute("insert into toy.sandboxes values ($1, $2, $3)", tenant, now, target)
        return tenant

    async def billed(self, tenant: TenantId) -> int:
        """Return how many bills a tenant has."""
        return await self.admin.fetchval("select count(*) from toy.bills where tenant_id = $1", tenant)

    async def bills(self) -> list[tuple[UUID, datetime]]:
        rows = await self.admin.fetch("select subscription_id, dated from toy.bills order by subscription_id, dated")
        return [tuple(row) for row in rows]
