"""The billing run beside one transaction a subscription through an ORM, as billing systems of this kind renew.

    python bench/orm.py [due] [rounds]        (1000 and 3)

A cohort falls due at once and is billed by the real job in this process, on a durable PostgreSQL. Then what it wrote is
undone, and every subscription is renewed once more by itself, one after the other on one connection: a session of
SQLAlchemy's loads the subscription under a lock, its customer, plan, payment method, and the series, adds what a
renewal leaves behind as mapped objects (lines, invoice, entry, postings, what was billed, payment, events), changes the
subscription and the series, and commits. Same tables, keys, checks, triggers and row-level security, same role, same
rows: they are held against the run's, value by value, before the next step goes on from them.

What the ORM is spared: it computes nothing. Prices, taxes, explanations, seals and payloads are the run's own, read
beforehand, so a system that works them out takes longer; nor does it find what is due. Neither writes down what its
batch did (`platform.job_batches`). What it is not spared is asyncpg beneath SQLAlchemy (its greenlets), and that
nothing runs beside it: processes beside each other share the cost of waiting for the disk, but not that of the ORM.
Figures are medians. None is shown unless the run was right: it goes its whole way, and counts, books, numbers and the
doctor are held against it.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

from _bare import mark
from _check import check_cohort, check_house
from _cohort import House, a_house
from _same import CHANGED, COLUMNS, OWN, TRIGGERED, before, forget, laid_aside, undo
from _server import Admin, Server, Wrong, a_server, refusing_what_is_wrong, write_down
from _table import row
from journey import do_job
from sqlalchemy import MetaData, String, Table, event, insert, literal_column, select, text
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine
from sqlalchemy.orm import registry
from workers import SUBSCRIBED_BEFORE, a_subscribed_cohort

from guilder.kernel.ids import TenantId
from guilder.platform.db.database import APP_ROLE, SAID
from guilder.platform.db.tx import tenants_setting

DUE, ROUNDS, WARM = 1_000, 3, 20
TARGET = 30
SUBSCRIPTIONS, SERIES = CHANGED
CUSTOMERS, PLANS, METHODS = "customers.customers", "catalog.plans", "payments.methods"
LINES, INVOICES = "invoicing.lines", "invoicing.invoices"
ENTRIES, POSTINGS, LOG = "ledger.entries", "ledger.postings", "platform.log"
# What a renewal adds, in the order in which it does: a line may come before its invoice, and not after.
ADDED = {
    LINES: "invoice_id",
    INVOICES: "id",
    ENTRIES: "source_id",
    POSTINGS: "entry_id",
    "invoicing.billed_items": "invoice_id",
    "payments.payments": "invoice_id",
    LOG: "key",
}
"""By which column its rows are found: the invoice's id, the entry's, or (the log's) the customer's."""
OF_THE_BATCH = frozenset({"platform.job_batches"})

# SQLAlchemy does not know it: what a row says of the transaction that writes it is the database's own to say.
ischema_names.setdefault("xid8", String)

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Renewal:
    """What the run left behind of one subscription."""

    subscription: Values
    added: Mapping[str, Sequence[Values]]


class Mapped:
    """The tables as they are, a class each."""

    def __init__(self, server: Server) -> None:
        url = make_url(server.app_url).set(drivername="postgresql+asyncpg")
        self.engine = create_async_engine(url, pool_size=1)
        self.statements = 0
        event.listen(self.engine.sync_engine, "before_cursor_execute", self._count)
        self._tables: dict[str, Table] = {}
        self._classes: dict[str, type[Any]] = {}

    async def reflect(self) -> None:
        metadata, mapper = MetaData(), registry()
        async with self.engine.connect() as connection:
            await connection.run_sync(_reflect, metadata)
        for name, table in metadata.tables.items():
            self._tables[name] = table
            self._classes[name] = type(name.title().replace(".", ""), (), {})
            mapper.map_imperatively(self._classes[name], table)

    def _count(self, *_: Any) -> None:
        self.statements += 1

    def of(self, name: str) -> type[Any]:
        return self._classes[name]

    async def written(self, name: str, n: int, tenant_id: TenantId) -> list[Values]:
        """Return what was laid aside of a table."""
        columns = [literal_column(each.name, each.type) for each in self._tables[name].columns if each.name not in OWN]
        async with self.engine.connect() as connection:
            await _begin(connection, tenant_id)
            rows = await connection.execute(select(*columns).select_from(text(f"written.t{n}")))
            return [dict(each) for each in rows.mappings()]

    async def renew(self, renewal: Renewal) -> None:
        """Renew one subscription, in a transaction of its own."""
        tenant_id = renewal.subscription["tenant_id"]
        async with AsyncSession(self.engine) as session, session.begin():
            await _begin(await session.connection(), tenant_id)
            subscription = await session.get_one(
                self.of(SUBSCRIPTIONS), (tenant_id, renewal.subscription["id"]), with_for_update=True
            )
            await session.get_one(self.of(CUSTOMERS), (tenant_id, subscription.customer_id))
            await session.get_one(self.of(PLANS), (tenant_id, subscription.plan_id))
            await session.get_one(self.of(METHODS), (tenant_id, subscription.payment_method_id))
            for name, rows in renewal.added.items():
                await self._add(session, name, rows)
            for name, value in renewal.subscription.items():
                if getattr(subscription, name) != value:
                    setattr(subscription, name, value)

    async def _add(self, session: AsyncSession, name: str, rows: Sequence[Values]) -> None:
        if name == POSTINGS:
            # A trigger judges an entry by the one statement that brings its postings.
            await session.execute(insert(self.of(name)).values([dict(each) for each in rows]))
            return
        if name == INVOICES:
            [invoice] = rows
            key = (invoice["tenant_id"], invoice["issuer_id"])
            series = await session.get_one(self.of(SERIES), key, with_for_update=True)
            if series.next != invoice["sequence"]:
                raise Wrong(f"the series is at {series.next}, and not at {invoice['sequence']}")
            series.next += 1
        session.add_all([self._object(name, each) for each in rows])
        await session.flush()

    def _object(self, name: str, values: Values) -> Any:
        made = self.of(name)()
        for column, value in values.items():
            setattr(made, column, value)
        return made


def _reflect(connection: Any, metadata: MetaData) -> None:
    for name in (*ADDED, SUBSCRIPTIONS, SERIES, CUSTOMERS, PLANS, METHODS):
        schema, _, table = name.partition(".")
        Table(table, metadata, schema=schema, autoload_with=connection)


async def _begin(connection: AsyncConnection, tenant_id: TenantId) -> None:
    """Say who acts and whose rows are seen, as every transaction of the product begins."""
    await connection.exec_driver_sql(f"select {SAID}", (APP_ROLE, tenants_setting([tenant_id]), "bench", ""))


def renewals(written: Mapping[str, Sequence[Values]]) -> list[Renewal]:
    """Sort a run's rows by subscription, in the order of their invoices' numbers.

    :raises Wrong: a row is nobody's
    """
    by_key: dict[tuple[str, Any], list[Values]] = {}
    for name, column in ADDED.items():
        for each in written[name]:
            by_key.setdefault((name, each[column]), []).append(each)
    subscriptions = {each["customer_id"]: each for each in written[SUBSCRIPTIONS]}
    found = []
    for invoice in sorted(written[INVOICES], key=lambda each: each["sequence"]):
        [entry] = by_key[ENTRIES, invoice["id"]]
        keys = dict.fromkeys(ADDED, invoice["id"]) | {POSTINGS: entry["id"], LOG: invoice["customer_id"]}
        added = {name: by_key.pop((name, keys[name])) for name in ADDED}
        found.append(Renewal(subscriptions[invoice["customer_id"]], added))
    if by_key or len(found) != len(subscriptions):
        raise Wrong(f"rows of no renewal: {list(by_key)[:3]}")
    return found


async def by_orm(server: Server, mapped: Mapped, tenant_id: TenantId, written: Mapping[str, int]) -> dict[str, float]:
    """Undo what was written, and renew one by one; return what `run_one` says of it."""
    names = [*ADDED, SUBSCRIPTIONS]
    due = renewals({name: await mapped.written(name, written[name], tenant_id) for name in names})
    await undo(server.admin, written)
    since = await mark(server.admin)
    began, cpu, statements = time.perf_counter(), time.process_time(), mapped.statements
    for each in due:
        await mapped.renew(each)
    seconds, python_s = time.perf_counter() - began, time.process_time() - cpu
    await hold(server.admin, written, since=since)
    return {
        "orm_ms": seconds * 1_000 / len(due),
        "orm_python_ms": python_s * 1_000 / len(due),
        "orm_statements": (mapped.statements - statements) / len(due),
    }


async def hold(admin: Admin, written: Mapping[str, int], *, since: int) -> None:
    """Hold what was written since against what was laid aside: every value, but those that the database makes.

    :raises Wrong: says of which table a row is missing, too many, or another
    """
    for name, n in written.items():
        new = f"from {name} where xmin::text::bigint > {since}"
        found = await admin.fetchval(f"select count(*) {new}")
        wanted = await admin.fetchval(f"select count(*) from written.t{n}")
        if found != wanted:
            raise Wrong(f"{name}: {found} rows by the ORM, and not {wanted}")
        if name in TRIGGERED:
            continue
        columns = ", ".join(each["name"] for each in await admin.fetch(COLUMNS, name) if each["name"] not in OWN)
        other = await admin.fetchval(
            f"select count(*) from (select {columns} {new} except select {columns} from written.t{n}) as o"
        )
        if other:
            raise Wrong(f"{name}: {other} rows by the ORM are others")


async def run_one(house: House, server: Server, mapped: Mapped, *, due: int, began: datetime) -> dict[str, Any]:
    cohort, due_at = await a_subscribed_cohort(house, size=due, at=began)
    house.clock.instant = due_at
    await server.admin.execute("vacuum analyze")
    start = await before(server.admin)
    wall, cpu = time.perf_counter(), time.process_time()
    await do_job(house, "invoicing.bill_due")
    seconds, python_s = time.perf_counter() - wall, time.process_time() - cpu
    laid = await laid_aside(server.admin, start)
    written = {name: n for name, n in laid.items() if name not in OF_THE_BATCH}
    if missing := {*ADDED, *CHANGED} - {*written}:
        raise Wrong(f"the run wrote nothing to {missing}")
    if unknown := {*written} - {*ADDED, *CHANGED, *TRIGGERED}:
        raise Wrong(f"the run wrote to {unknown}, and the ORM does not")
    await server.admin.execute("grant select on all tables in schema written to guilder_app")
    one_by_one = await by_orm(server, mapped, cohort.tenant_id, written)
    await forget(server.admin)
    await house.settle()
    await do_job(house, "invoicing.recognize_due")
    await house.settle()
    await check_cohort(house, cohort, server.admin)
    ms = seconds * 1_000 / due
    return {"ms": ms, "python_ms": python_s * 1_000 / due, **one_by_one, "times": one_by_one["orm_ms"] / ms}


async def run(server: Server, *, due: int, rounds: int) -> None:
    began = datetime.now(UTC) - SUBSCRIBED_BEFORE
    house = await a_house(server, now=began)
    mapped = Mapped(server)
    seen: list[dict[str, Any]] = []
    try:
        await mapped.reflect()
        await run_one(house, server, mapped, due=WARM, began=began)
        for each in range(rounds):
            print(f"  {due:,} due, round {each + 1}", file=sys.stderr, flush=True)
            seen.append(await run_one(house, server, mapped, due=due, began=began))
        checks = await check_house(house, server)
    finally:
        await mapped.engine.dispose()
        await house.database.close()
    of = {name: median(each[name] for each in seen) for name in seen[0]}
    figures = {"due": due, "per_s": round(1_000 / of["ms"]), "orm_per_s": round(1_000 / of["orm_ms"])}
    figures |= {name: value for name, value in of.items() if name != "times"}
    what = "billing run, beside one transaction a subscription through an ORM"
    said = {"due": due, "rounds": seen, "rows": [row(what, of["times"], TARGET, unit="times", figures=figures)]}
    path = await write_down("orm", server.admin, said)
    print(f"{due:,} due, medians of {rounds} rounds; milliseconds each, of them this process's processor")
    print(f"billing run               {of['ms']:8.3f}{of['python_ms']:8.3f}{figures['per_s']:8,}/s")
    print(f"one by one through an ORM {of['orm_ms']:8.3f}{of['orm_python_ms']:8.3f}{figures['orm_per_s']:8,}/s")
    print(f"{of['orm_statements']:.0f} statements each, without begin and commit: {of['times']:.1f} times")
    print(f"right: the same rows; counts, books, numbers, {checks} checks of the doctor's")
    print(f"written to {path.relative_to(path.parent.parent.parent)}")


async def main() -> int:
    due = int(sys.argv[1]) if len(sys.argv) > 1 else DUE
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    async with a_server() as server:
        await run(server, due=due, rounds=rounds)
    return 0


if __name__ == "__main__":
    sys.exit(refusing_what_is_wrong(main))
