"""The yardstick: what PostgreSQL takes for the rows that a run left behind, without any of the promises.

Bare copies of the tables: columns, types, primary keys and indexes as they are; no foreign keys, checks, triggers or
row-level security; nothing is read, computed or encoded. A row that the run wrote several times is written once.
"""

import time
from dataclasses import dataclass

from _server import Admin, Wrong

# What one request or message writes by itself is compared with this many subscriptions, a transaction each.
ROW_BY_ROW_MAX = 100

TABLES = """
select format('%I.%I', n.nspname, c.relname) as name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p') and not c.relispartition
   and n.nspname not like 'pg\\_%' and n.nspname not in ('information_schema', 'public', 'bare', 'written')
 order by 1"""


@dataclass(frozen=True, slots=True)
class Yardstick:
    """`set_based_s`: one insert-select a table, all in one transaction. `row_by_row_s`: one insert a row, one
    transaction a subscription, for each subscription. Both are for the whole batch."""

    rows: int
    tables: dict[str, int]
    set_based_s: float
    row_by_row_s: float


async def mark(admin: Admin) -> int:
    """Return what tells rows that are written from here on."""
    return int(await admin.fetchval("select pg_current_xact_id()::text"))


async def measure(admin: Admin, *, since: int, subscriptions: int) -> Yardstick:
    """Write what was written since the mark once more, bare, both ways."""
    tables = await _lay_out(admin, since)
    if not tables:
        raise Wrong("the run wrote nothing")
    try:
        set_based_s = await _set_based(admin, tables)
        await admin.execute(f"truncate {', '.join(f'bare.t{n}' for n in range(len(tables)))}")
        row_by_row_s = await _row_by_row(admin, tables, subscriptions)
    finally:
        await admin.execute("drop schema bare cascade; drop schema written cascade")
    return Yardstick(sum(tables.values()), tables, set_based_s, row_by_row_s)


async def _lay_out(admin: Admin, since: int) -> dict[str, int]:
    """Set what was written aside, table by table; make a bare table for each. Return the rows of each."""
    await admin.execute("create schema written; create schema bare")
    tables: dict[str, int] = {}
    for row in await admin.fetch(TABLES):
        name, n = row["name"], len(tables)
        status = await admin.execute(
            f"create unlogged table written.t{n} as select * from {name} where xmin::text::bigint > {since}"
        )
        if count := int(status.rsplit(" ", 1)[-1]):
            await admin.execute(f"create table bare.t{n} (like {name} including indexes)")
            tables[name] = count
        else:
            await admin.execute(f"drop table written.t{n}")
    return tables


async def _set_based(admin: Admin, tables: dict[str, int]) -> float:
    began = time.perf_counter()
    async with admin.transaction():
        for n in range(len(tables)):
            await admin.execute(f"insert into bare.t{n} select * from written.t{n}")
    return time.perf_counter() - began


async def _row_by_row(admin: Admin, tables: dict[str, int], subscriptions: int) -> float:
    sample = min(subscriptions, ROW_BY_ROW_MAX)
    inserts, rows = [], []
    for n, count in enumerate(tables.values()):
        found = await admin.fetch(f"select * from written.t{n} limit {-(-count * sample // subscriptions)}")
        places = ", ".join(f"${place}" for place in range(1, len(found[0]) + 1))
        inserts.append(await admin.prepare(f"insert into bare.t{n} values ({places})"))
        rows.append(found)
    began = time.perf_counter()
    for each in range(sample):
        async with admin.transaction():
            for insert, found in zip(inserts, rows, strict=True):
                for row in found[each::sample]:
                    await insert.fetch(*row)
    return (time.perf_counter() - began) * subscriptions / sample
