"""The yardstick of a billing run: the same rows, written set-based to the same tables, with all that guards them.

Foreign keys, checks, triggers, indexes and row-level security are in place, and the rows are written by the role that
the product uses; nothing is read, computed or encoded. What the run inserted is inserted by one statement a table, and
what it changed is changed by one, all in one transaction. Before that the run is undone, so that both start alike.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from _bare import TABLES, mark
from _server import Admin, Wrong, one_row

from guilder.kernel.ids import TenantId
from guilder.platform.db.database import Database

COLUMNS = """
select a.attname::text as name from pg_attribute a
 where a.attrelid = $1::text::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum"""
_KEY = """
select a.attname::text as name from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
 where i.indrelid = $1::text::regclass and i.indisprimary"""
# Where rows are changed: what they were is kept before a run.
CHANGED = ("subscriptions.subscriptions", "invoicing.series")
# What triggers write by themselves.
TRIGGERED = frozenset({"invoicing.states", "subscriptions.history", "subscriptions.states", "payments.states"})
# A foreign key is below what names it; an invoice takes lines only before it is final, as its triggers have it.
FIRST = ("invoicing.lines", "invoicing.invoices", "ledger.entries")
# What a row says of the transaction that writes it.
OWN = frozenset({"made_in"})


@dataclass(frozen=True, slots=True)
class Before:
    """What tells a run's rows from older ones."""

    since: int


@dataclass(frozen=True, slots=True)
class Same:
    """What the same rows took: seconds on the wall, bytes of WAL, and how many there are by table."""

    seconds: float
    wal_bytes: int
    tables: Mapping[str, int]


async def before(admin: Admin) -> Before:
    """Note how things are, so that a run can be told from it, undone, and done again."""
    await admin.execute("drop schema if exists before cascade; drop schema if exists written cascade")
    await admin.execute("create schema before; create schema written")
    for n, name in enumerate(CHANGED):
        await admin.execute(f"create unlogged table before.t{n} as select * from {name}")
    await admin.execute("grant usage on schema written to guilder_app")
    return Before(await mark(admin))


async def again(admin: Admin, database: Database, tenant_id: TenantId, since: Before) -> Same:
    """Undo what was written since, and write it again."""
    written = await laid_aside(admin, since)
    if not written:
        raise Wrong("the run wrote nothing")
    statements = [await _statement(admin, name, n) for name, n in written.items() if name not in TRIGGERED]
    await undo(admin, written)
    await admin.execute("grant select on all tables in schema written to guilder_app")
    wal = await admin.fetchval("select pg_current_wal_insert_lsn()::text")
    began = time.perf_counter()
    async with database.transaction({tenant_id}, actor="bench") as tx:
        for statement in statements:
            await tx.execute(statement)
    seconds = time.perf_counter() - began
    bytes_ = await admin.fetchval("select (pg_current_wal_insert_lsn() - $1::text::pg_lsn)::bigint", wal)
    counts = {name: await admin.fetchval(f"select count(*) from written.t{n}") for name, n in written.items()}
    await forget(admin)
    return Same(seconds, bytes_, counts)


async def forget(admin: Admin) -> None:
    """Take away what was noted and laid aside."""
    await admin.execute("drop schema before cascade; drop schema written cascade")


async def laid_aside(admin: Admin, since: Before) -> dict[str, int]:
    """Set what was written aside, table by table; return the number of each one's copy."""
    written: dict[str, int] = {}
    names = [row["name"] for row in await admin.fetch(TABLES)]
    for n, name in enumerate(
        sorted(names, key=lambda each: (each not in FIRST, FIRST.index(each) if each in FIRST else 0))
    ):
        status = await admin.execute(
            f"create unlogged table written.t{n} as select * from {name} where xmin::text::bigint > {since.since}"
        )
        if int(status.rsplit(" ", 1)[-1]):
            written[name] = n
        else:
            await admin.execute(f"drop table written.t{n}")
    return written


async def _statement(admin: Admin, name: str, n: int) -> str:
    columns = [row["name"] for row in await admin.fetch(COLUMNS, name) if row["name"] not in OWN]
    if name not in CHANGED:
        names = ", ".join(columns)
        return f"insert into {name} ({names}) overriding system value select {names} from written.t{n}"
    key = [row["name"] for row in await admin.fetch(_KEY, name)]
    place = CHANGED.index(name)
    join = " and ".join(f"b.{each} = w.{each}" for each in key)
    differ = ", ".join(f"bool_or(to_jsonb(b.{each}) is distinct from to_jsonb(w.{each})) as {each}" for each in columns)
    row = await one_row(admin, f"select {differ} from before.t{place} b join written.t{n} w on {join}")
    changed = [each for each in columns if row[each]]
    sets = ", ".join(f"{each} = w.{each}" for each in changed)
    return f"update {name} s set {sets} from written.t{n} w where " + " and ".join(
        f"s.{each} = w.{each}" for each in key
    )


async def undo(admin: Admin, written: Mapping[str, int]) -> None:
    """Take the run's rows away and give the changed ones back what they were, without anything that guards them."""
    await admin.execute("set session_replication_role = replica")
    for name, n in written.items():
        key = [row["name"] for row in await admin.fetch(_KEY, name)]
        same = " and ".join(f"s.{each} = w.{each}" for each in key)
        await admin.execute(f"delete from {name} s using written.t{n} w where {same}")
        if name in CHANGED:
            columns = ", ".join(row["name"] for row in await admin.fetch(COLUMNS, name))
            place = CHANGED.index(name)
            same = " and ".join(f"b.{each} = w.{each}" for each in key)
            await admin.execute(
                f"insert into {name} ({columns}) select {columns} from before.t{place} b"
                f" where exists (select from written.t{n} w where {same})"
            )
    await admin.execute("set session_replication_role = origin")
    for name in written:
        await admin.execute(f"vacuum analyze {name}")
