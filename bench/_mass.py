"""A tenant of any size from a real one: what its customers left behind in the tables is copied with new ids, by SQL.

The copies are rows that real ones could be: every id in every column (and in every text and JSON) that is a customer's own
ends in the number of its copy, so that what belongs together stays together; what all customers share (the plan, the
account) stays shared. Triggers and foreign keys are off meanwhile: the doctor says afterwards whether all of it is right.
Copies are invoiced by an issuer of their own, whose numbers are without a gap, too; they fall due long after. What is
sealed (names, addresses) is copied sealed under keys that open none of it: nobody opens what lies still. The log and its
calls, and the audit, which are chains by time and not by customer, are not copied.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from _quiet import quiet
from _server import Admin

from guilder.kernel.ids import TenantId

APART = "400 days"
"""How long after the real ones the copies fall due."""
COPIES_AT_ONCE = 20
LEFT_OUT = ("audit.", "platform.log", "platform.intents", "platform.job", "platform.idempotency_keys", "webhooks.")
# An id as it stands in a text: with or without dashes, and what of it becomes the number of the copy.
ID = "([0-9a-f]{8}-?[0-9a-f]{4}-?7[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{4})[0-9a-f]{8}"
_TABLES = """
select format('%I.%I', n.nspname, c.relname) as name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p') and not c.relispartition and n.nspname not like 'pg\\_%'
   and n.nspname not in ('information_schema', 'public', 'mass')
   and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)
 order by 1"""
_COLUMNS = """
select a.attname::text as name, format_type(a.atttypid, a.atttypmod) as type,
       a.attidentity <> '' or coalesce(pg_get_expr(d.adbin, d.adrelid), '') like 'nextval%' as is_numbered
  from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
 where a.attrelid = $1::text::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum"""
# Of each id that is a customer's own the end gives way to a mark, once; in a copy its number takes the mark's place.
_FUNCTIONS = """
create function mass.marked(said text) returns text immutable language sql as
$$ select regexp_replace(said, '(?!{shared}){id}', E'\\\\1\\001', 'g') $$"""
_MARK = "E'\\001'"


@dataclass(frozen=True, slots=True)
class Seed:
    """A tenant whose every customer left the same behind, laid aside to be copied: rows by table, and the columns of each."""

    tenant_id: TenantId
    tables: Mapping[str, "Aside"]


@dataclass(frozen=True, slots=True)
class Aside:
    """A table that was laid aside as `mass.t<n>`."""

    n: int
    columns: Sequence[tuple[str, str]]
    """Of each its name, and what stands in a copy."""
    numbered_by: str | None
    """The column that the table numbers itself by: copies are made in its order, for what came last is what counts."""


async def lay_aside(admin: Admin, tenant_id: TenantId, *, customers: int) -> Seed:
    """Note every table that has at least a row a customer: what has fewer is shared by all of them."""
    await admin.execute("drop schema if exists mass cascade; create schema mass")
    shared: set[UUID] = {tenant_id}
    names: list[str] = []
    for row in await admin.fetch(_TABLES):
        name = row["name"]
        count = await admin.fetchval(f"select count(*) from {name} where tenant_id = $1", tenant_id)
        if name.startswith(LEFT_OUT):
            continue
        if count >= customers:
            names.append(name)
        elif count:
            shared |= await _ids(admin, name, tenant_id)
    either = "|".join("-?".join(str(each).split("-")[:3]) for each in sorted(shared))
    await admin.execute(_FUNCTIONS.format(shared=either, id=ID))
    return Seed(tenant_id, {name: await _aside(admin, name, n, tenant_id) for n, name in enumerate(names)})


async def _ids(admin: Admin, name: str, tenant_id: TenantId) -> set[UUID]:
    columns = [row["name"] for row in await admin.fetch(_COLUMNS, name) if row["type"] == "uuid"]
    rows = await admin.fetch(f"select {', '.join(columns)} from {name} where tenant_id = $1", tenant_id)
    return {value for row in rows for value in row.values() if value is not None}


async def _aside(admin: Admin, name: str, n: int, tenant_id: TenantId) -> Aside:
    """Lay a table aside, but for the rows that belong to no customer."""
    found = await admin.fetch(_COLUMNS, name)
    columns = [(row["name"], row["type"]) for row in found if not row["is_numbered"]]
    numbered_by = next((row["name"] for row in found if row["is_numbered"]), None)
    marked = {
        column: kind
        for column, kind in columns
        if kind in ("uuid", "text", "jsonb", "uuid[]", "text[]")
        and await admin.fetchval(f"select exists (select from {name} where {column}::text ~ '{ID}')")
    }
    values = ", ".join(f"mass.marked({c}::text) as {c}" if c in marked else c for c, _ in columns)
    values += f", {numbered_by}" if numbered_by else ""
    await admin.execute(
        f"create unlogged table mass.t{n} as select {values} from {name} where tenant_id = '{tenant_id}'"
    )
    own = " and ".join(f"({each} is null or strpos({each}, {_MARK}) = 0)" for each in marked)
    await admin.execute(f"delete from mass.t{n} where {own}")
    return Aside(n, [(c, _OWN.get((name, c)) or _copied(c, marked.get(c))) for c, _ in columns], numbered_by)


def _copied(column: str, kind: str | None) -> str:
    if column == "organization_id":
        return "s.organization_id || '-' || k"
    return f"replace(s.{column}, {_MARK}, end_of_k)::{kind}" if kind else f"s.{column}"


# What a copy has of its own beside ids.
_OWN = {
    ("subscriptions.subscriptions", "next_due_at"): f"s.next_due_at + interval '{APART}'",
    ("invoicing.invoices", "issuer_id"): "mass.issuer()",
    ("invoicing.invoices", "sequence"): "(s.sequence - 1) * mass.copies() + k",
    ("invoicing.invoices", "number"): (
        "regexp_replace(s.number, '[0-9]+$', '') || ((s.sequence - 1) * mass.copies() + k)"
    ),
}


async def grow(admin: Admin, seed: Seed, *, copies: int) -> None:
    """Copy every customer of the seed so many times; it can be done once in a database."""
    await _an_issuer(admin, seed.tenant_id, copies)
    await admin.execute("set session_replication_role = replica; set synchronous_commit = off")
    for name, aside in seed.tables.items():
        columns, values = (", ".join(each) for each in zip(*aside.columns, strict=True))
        order = f" order by s.{aside.numbered_by}" if aside.numbered_by else ""
        for first in range(1, copies + 1, COPIES_AT_ONCE):
            last = min(first + COPIES_AT_ONCE - 1, copies)
            with quiet(alone=False):
                await admin.execute(
                    f"insert into {name} ({columns}) select {values} from mass.t{aside.n} s cross join"
                    f" (select k, lpad(to_hex(k), 8, '0') as end_of_k from generate_series({first}, {last}) k) of_k{order}"
                )
        with quiet(alone=False):
            await admin.execute(f"vacuum analyze {name}")
    await admin.execute("reset session_replication_role; reset synchronous_commit")
    await admin.execute("drop schema mass cascade")
    await admin.execute("checkpoint")


async def _an_issuer(admin: Admin, tenant_id: TenantId, copies: int) -> None:
    """Copy the issuer, and give the copy the numbers that the invoices of all copies will have taken."""
    columns = [row["name"] for row in await admin.fetch(_COLUMNS, "identity.issuers")]
    own = {"id": "gen_random_uuid()", "is_default": "false"}
    issuer = await admin.fetchval(
        f"insert into identity.issuers ({', '.join(columns)})"
        f" select {', '.join(own.get(each, each) for each in columns)} from identity.issuers"
        " where tenant_id = $1 and is_default returning id",
        tenant_id,
    )
    await admin.execute(
        f"""create function mass.issuer() returns uuid immutable language sql as $$ select '{issuer}'::uuid $$;
            create function mass.copies() returns bigint immutable language sql as $$ select {copies}::bigint $$"""
    )
    columns = [row["name"] for row in await admin.fetch(_COLUMNS, "invoicing.series")]
    own = {"issuer_id": "mass.issuer()", "next": f"(next - 1) * {copies} + 1"}
    await admin.execute(
        f"insert into invoicing.series ({', '.join(columns)})"
        f" select {', '.join(own.get(each, each) for each in columns)} from invoicing.series where tenant_id = $1",
        tenant_id,
    )
