"""How invoices stand, and where their documents lie."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from uuid import UUID

from guilder.domain.invoicing.model import Balance, Invoice, InvoiceKind, Status
from guilder.domain.invoicing.rules.giving_back import Charged
from guilder.domain.invoicing.rules.undoing import CutOff
from guilder.domain.invoicing.store.rows import NAMED, SELECT, TAKEN_BACK, split, whole
from guilder.domain.payments.model import GivenBack
from guilder.kernel import ids
from guilder.kernel.ids import Ref, TenantId
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Row, Tx


async def lock(tx: Tx, refs: Sequence[Ref], *, with_parties: bool = True) -> list[Invoice]:
    rows = await tx.fetch(f"{SELECT} where {NAMED} order by tenant_id, id for update", *split(refs))
    return await whole(tx, rows, with_parties=with_parties)


async def get(tx: Tx, refs: Sequence[Ref]) -> list[Invoice]:
    return await whole(tx, await tx.fetch(f"{SELECT} where {NAMED}", *split(refs)))


async def balances(tx: Tx, refs: Sequence[Ref]) -> dict[Ref, Balance]:
    rows = await tx.fetch(
        f"""select tenant_id, id, kind, currency, total_minor, paid_minor, credited_minor, credit_applied_minor, is_sent
              from invoicing.invoices where {NAMED}""",
        *split(refs),
    )
    return {Ref(TenantId(row["tenant_id"]), row["id"]): _balance(row) for row in rows}


async def credited_whole(tx: Tx, refs: Sequence[Ref]) -> set[Ref]:
    """Return those of which credit notes took all, and some of it while it was owed."""
    rows = await tx.fetch(
        """select i.tenant_id, i.id from invoicing.invoices i
            where (i.tenant_id, i.id) in (select * from unnest($1::uuid[], $2::uuid[]))
              and i.total_minor > 0 and i.credited_minor > 0
              and i.total_minor <= greatest(i.credited_minor, (
                  select -sum(n.total_minor) from invoicing.invoices n
                   where n.tenant_id = i.tenant_id and n.corrects_invoice_id = i.id
                     and n.kind = 'credit_note' and n.status <> 'void'))""",
        *split(refs),
    )
    return {Ref(TenantId(row["tenant_id"]), row["id"]) for row in rows}


async def cut_off(tx: Tx, refs: Sequence[Ref]) -> dict[Ref, CutOff]:
    """Return since when time that these invoices charge was given back, and is: by an end, a pause or a change."""
    rows = await tx.fetch(
        f"""select distinct on (l.tenant_id, l.invoice_id) l.tenant_id, l.invoice_id, c.period_start as since,
                  (c.explanation #>> '{{share,0}}')::numeric as numerator,
                  (c.explanation #>> '{{share,1}}')::numeric as denominator
           from invoicing.lines l
           join invoicing.lines c
               on c.tenant_id = l.tenant_id and c.credits_line_id = l.id and c.kind = 'proration_credit'
           join invoicing.invoices i on i.tenant_id = c.tenant_id and i.id = c.invoice_id and i.status <> 'void'
           {TAKEN_BACK.format(credit="c")}
           where (l.tenant_id, l.invoice_id) in (select * from unnest($1::uuid[], $2::uuid[]))
             and (taken.net is null or c.amount_minor + taken.net <> 0)
           order by l.tenant_id, l.invoice_id, c.period_start, c.id""",
        *split(refs),
    )
    return {
        Ref(TenantId(row["tenant_id"]), row["invoice_id"]): CutOff(
            row["since"], Fraction(int(row["numerator"]), int(row["denominator"]))
        )
        for row in rows
    }


async def by_number(tx: Tx, number: str) -> Invoice | None:
    rows = await tx.fetch(f"{SELECT} where i.tenant_id = $1 and i.number = $2 limit 1", tx.tenant_id, number)
    found = await whole(tx, rows)
    return found[0] if found else None


async def paid_since(tx: Tx, since: Mapping[Ref, datetime]) -> list[Invoice]:
    """Return what was paid that bills these subscriptions, each since its instant."""
    named = sorted(since)
    rows = await tx.fetch(
        f"""{SELECT} where status = 'paid' and (tenant_id, id) in (
                select l.tenant_id, l.invoice_id
                from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) as v (tenant_id, subscription_id, since)
                join invoicing.lines l on l.tenant_id = v.tenant_id and l.subscription_id = v.subscription_id
                join invoicing.invoices i on i.tenant_id = l.tenant_id and i.id = l.invoice_id and i.paid_at >= v.since)
            order by tenant_id, id""",
        *split(named),
        [since[ref] for ref in named],
    )
    return await whole(tx, rows, with_parties=False)


async def listing(
    tx: Tx,
    query: PageQuery,
    *,
    customer_id: UUID | None,
    subscription_id: UUID | None,
    status: Status | None,
    kind: InvoiceKind | None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Invoice]:
    """Read one more than the page holds, newest first; those issued from `since` up to but not including `until`."""
    # Only what is asked for is said, so that each search is planned by its own index.
    asked: list[tuple[str, object]] = [("i.tenant_id = {}", tx.tenant_id)]
    if query.after is not None:
        asked.append(("i.id < {}", query.after))
    if customer_id is not None:
        asked.append(("i.customer_id = {}", customer_id))
    if subscription_id is not None:
        asked.append((_OF_SUBSCRIPTION, subscription_id))
    if kind is not None:
        asked.append(("i.kind = {}", kind.value))
    if status is not None:
        asked.append(("i.status = {}", status.value))
    if since is not None:
        asked.append(("i.issued_at >= {}", since))
        # None is made before it is issued: so nothing older is looked through.
        asked.append(("i.id >= {}", ids.first_of(since)))
    if until is not None:
        asked.append(("i.issued_at < {}", until))
    where = " and ".join(text.replace("{}", f"${number}") for number, (text, _) in enumerate(asked, start=1))
    rows = await tx.fetch(
        f"{SELECT} where {where} order by i.id desc limit ${len(asked) + 1}",
        *(value for _, value in asked),
        query.limit + 1,
    )
    return await whole(tx, rows)


# A shared invoice is of no subscription alone: its lines say whose they are.
_OF_SUBSCRIPTION = """i.id in (
    select n.id from invoicing.invoices n where n.tenant_id = i.tenant_id and n.subscription_id = {}
    union select l.invoice_id from invoicing.lines l where l.tenant_id = i.tenant_id and l.subscription_id = {})"""


async def claim_due_soon(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> list[Invoice]:
    """Lock those of these invoices that fall due within three days, and have not been told of."""
    rows = await tx.fetch(
        f"""{SELECT} where {NAMED} and i.status = 'open' and i.is_sent and i.due_soon_at is null
            and i.due_at - interval '3 days' <= $3::timestamptz
            order by tenant_id, id for update skip locked""",
        *split(refs),
        now,
    )
    return await whole(tx, rows)


async def mark_due_soon(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> None:
    await tx.execute(f"update invoicing.invoices set due_soon_at = $3 where {NAMED}", *split(refs), now)


async def claim_overdue(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> list[Invoice]:
    """Lock those of these invoices that are overdue, have not been told of, and that nobody else is at."""
    rows = await tx.fetch(
        f"""{SELECT} where {NAMED} and i.status = 'open' and i.overdue_at is null
            and i.due_at <= $3::timestamptz - interval '1 hour' order by tenant_id, id for update skip locked""",
        *split(refs),
        now,
    )
    return await whole(tx, rows)


async def mark_overdue(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> None:
    await tx.execute(f"update invoicing.invoices set overdue_at = $3 where {NAMED}", *split(refs), now)


async def save_standing(tx: Tx, invoices: Sequence[Invoice], *, now: datetime) -> None:
    """Write how invoices stand: status, what was paid, and when."""
    await tx.execute(
        """update invoicing.invoices i
           set status = v.status, paid_minor = v.paid, credited_minor = v.credited,
               credit_applied_minor = v.credit_applied, paid_at = v.paid_at, voided_at = v.voided_at,
               given_up_at = case when v.status = 'uncollectible' then coalesce(i.given_up_at, $7) end
           from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::timestamptz[], $6::timestamptz[],
                       $8::bigint[], $9::bigint[])
               as v (tenant_id, id, status, paid, paid_at, voided_at, credited, credit_applied)
           where i.tenant_id = v.tenant_id and i.id = v.id""",
        *split([invoice.ref for invoice in invoices]),
        [invoice.status.value for invoice in invoices],
        [invoice.paid.minor for invoice in invoices],
        [invoice.paid_at for invoice in invoices],
        [invoice.voided_at for invoice in invoices],
        now,
        [invoice.credited.minor for invoice in invoices],
        [invoice.credit_applied.minor if invoice.credit_applied else 0 for invoice in invoices],
    )


async def save_given_back(tx: Tx, given: Mapping[Ref, GivenBack]) -> None:
    """Note beside invoices what went back of them: `refunded` is all money that refunds took, `paid_out` a part of it."""
    refs = sorted(given)
    await tx.execute(
        """update invoicing.invoices i
           set refunded_minor = v.refunded, paid_out_minor = v.paid_out, disputed_minor = v.disputed
           from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[])
               as v (tenant_id, id, refunded, paid_out, disputed)
           where i.tenant_id = v.tenant_id and i.id = v.id""",
        *split(refs),
        [given[ref].refunded.minor + given[ref].paid_out.minor for ref in refs],
        [given[ref].paid_out.minor for ref in refs],
        [given[ref].disputed.minor for ref in refs],
    )


async def documented(tx: Tx, refs: Sequence[Ref]) -> dict[Ref, int]:
    """Return what credit notes of these invoices document as given back before, in minor units."""
    rows = await tx.fetch(
        """select tenant_id, id, documented_minor from invoicing.invoices
           where (tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[])) and documented_minor > 0""",
        *split(refs),
    )
    return {Ref(TenantId(row["tenant_id"]), row["id"]): row["documented_minor"] for row in rows}


async def charged(tx: Tx, refs: Sequence[Ref]) -> dict[Ref, list[Charged]]:
    """Return the lines of invoices that charge something, but for what prepaid credits paid for: no money came in for it."""
    rows = await tx.fetch(
        f"""with mine as materialized (
               select * from invoicing.lines
               where (tenant_id, invoice_id) in (select * from unnest($1::uuid[], $2::uuid[]))
           ), paid as materialized (
               select d.tenant_id, d.invoice_id, p.paid ->> 'billed_item' as item
               from mine d cross join jsonb_array_elements(d.explanation -> 'pays_for') p (paid) where d.kind = 'prepaid'
           ), gone as (
               -- Of what was paid for in part that part is a line of its own.
               select p.tenant_id, p.invoice_id, coalesce(part.billed_item, p.item) as item
               from paid p left join mine part
                   on part.tenant_id = p.tenant_id and part.invoice_id = p.invoice_id
                   and part.billed_item = p.item || ':prepaid'
           )
           select l.tenant_id, l.invoice_id, l.id, l.amount_minor + l.tax_minor as minor, c.minor as credited_minor
           from mine l
           left join lateral (
               select sum(x.amount_minor + x.tax_minor + coalesce(taken.net + taken.tax, 0))::bigint as minor
               from invoicing.lines x
               join invoicing.invoices y on y.tenant_id = x.tenant_id and y.id = x.invoice_id and y.status <> 'void'
               {TAKEN_BACK.format(credit="x")}
               where x.tenant_id = l.tenant_id and x.credits_line_id = l.id) c on true
           where l.amount_minor > 0
             and not exists (select from gone g
                             where (g.tenant_id, g.invoice_id, g.item) = (l.tenant_id, l.invoice_id, l.billed_item))
           order by l.tenant_id, l.invoice_id, l.id""",
        *split(refs),
    )
    found: dict[Ref, list[Charged]] = {}
    for row in rows:
        tenant_id = TenantId(row["tenant_id"])
        left = max(row["minor"] + (row["credited_minor"] or 0), 0)
        found.setdefault(Ref(tenant_id, row["invoice_id"]), []).append(
            Charged(Ref(tenant_id, row["id"]), row["minor"], left)
        )
    return found


async def add_documented(tx: Tx, ref: Ref, minor: int) -> None:
    await tx.execute(
        "update invoicing.invoices set documented_minor = documented_minor + $3 where tenant_id = $1 and id = $2",
        *ref,
        minor,
    )


async def credited(tx: Tx, refs: Sequence[Ref]) -> dict[UUID, tuple[int, int]]:
    """Return, by line of these invoices, (net, tax) of what credits it: negative, as it stands on the credits, less what
    notes took back of those.

    What this transaction is just making counts: its lines are there before it is.
    """
    rows = await tx.fetch(
        f"""select c.credits_line_id, sum(c.amount_minor + coalesce(taken.net, 0))::bigint as net,
                  sum(c.tax_minor + coalesce(taken.tax, 0))::bigint as tax
           from invoicing.lines c
           left join invoicing.invoices i on i.tenant_id = c.tenant_id and i.id = c.invoice_id
           {TAKEN_BACK.format(credit="c")}
           where i.status is distinct from 'void' and (c.tenant_id, c.credits_line_id) in (
               select l.tenant_id, l.id from invoicing.lines l
               where (l.tenant_id, l.invoice_id) in (select * from unnest($1::uuid[], $2::uuid[])))
           group by c.credits_line_id""",
        *split(refs),
    )
    return {row["credits_line_id"]: (row["net"], row["tax"]) for row in rows}


async def uncredited(tx: Tx, lines: Sequence[Ref]) -> dict[Ref, tuple[int, int]]:
    """Return (net, tax) of what is left of lines, in minor units: not credited by what stands."""
    rows = await tx.fetch(
        f"""select l.tenant_id, l.id, (l.amount_minor + coalesce(c.net, 0))::bigint as net,
                  (l.tax_minor + coalesce(c.tax, 0))::bigint as tax
           from invoicing.lines l
           left join lateral (
               select sum(x.amount_minor + coalesce(taken.net, 0)) as net, sum(x.tax_minor + coalesce(taken.tax, 0)) as tax
               from invoicing.lines x
               join invoicing.invoices i on i.tenant_id = x.tenant_id and i.id = x.invoice_id and i.status <> 'void'
               {TAKEN_BACK.format(credit="x")}
               where x.tenant_id = l.tenant_id and x.credits_line_id = l.id) c on true
           where (l.tenant_id, l.id) in (select * from unnest($1::uuid[], $2::uuid[]))""",
        *split(lines),
    )
    return {Ref(TenantId(row["tenant_id"]), row["id"]): (row["net"], row["tax"]) for row in rows}


async def noted(tx: Tx, ref: Ref) -> int:
    """Return what the credit notes of an invoice come to."""
    came_to: int = await tx.fetchval(
        """select coalesce(-sum(total_minor), 0)::bigint from invoicing.invoices
           where tenant_id = $1 and corrects_invoice_id = $2 and kind = 'credit_note' and status <> 'void'""",
        *ref,
    )
    return came_to


async def save_document(tx: Tx, documents: Sequence[tuple[Ref, str, Status]]) -> None:
    await tx.execute(
        """update invoicing.invoices i set document_path = v.path, document_status = v.status
           from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) as v (tenant_id, id, path, status)
           where i.tenant_id = v.tenant_id and i.id = v.id""",
        *split([ref for ref, _, _ in documents]),
        [path for _, path, _ in documents],
        [status.value for _, _, status in documents],
    )


async def document_path(tx: Tx, ref: Ref) -> tuple[str, str]:
    """Return where the invoice's PDF lies ("" if nowhere yet), and the status that it shows."""
    row = await tx.fetchrow(
        "select document_path, document_status from invoicing.invoices where tenant_id = $1 and id = $2", *ref
    )
    return (row["document_path"], row["document_status"]) if row else ("", "")


async def invoices_of_lines(tx: Tx, lines: Sequence[Ref]) -> dict[Ref, Ref]:
    """Return which invoice each of these lines is on."""
    rows = await tx.fetch(f"select tenant_id, id, invoice_id from invoicing.lines where {NAMED}", *split(lines))
    return {
        Ref(TenantId(row["tenant_id"]), row["id"]): Ref(TenantId(row["tenant_id"]), row["invoice_id"]) for row in rows
    }


async def credited_by(tx: Tx, lines: Sequence[Ref]) -> list[Ref]:
    """Return the lines that these credit."""
    rows = await tx.fetch(
        f"select tenant_id, credits_line_id from invoicing.lines where {NAMED} and credits_line_id is not null",
        *split(lines),
    )
    return [Ref(TenantId(row["tenant_id"]), row["credits_line_id"]) for row in rows]


async def issuers_of_lines(tx: Tx, lines: Sequence[Ref]) -> dict[Ref, UUID]:
    """Return who issued the invoice that each of these lines is on."""
    rows = await tx.fetch(
        """select l.tenant_id, l.id, i.issuer_id from invoicing.lines l
           join invoicing.invoices i on i.tenant_id = l.tenant_id and i.id = l.invoice_id
           where (l.tenant_id, l.id) in (select * from unnest($1::uuid[], $2::uuid[]))""",
        *split(lines),
    )
    return {Ref(TenantId(row["tenant_id"]), row["id"]): row["issuer_id"] for row in rows}


def _balance(row: Row) -> Balance:
    currency = row["currency"]
    return Balance(
        kind=InvoiceKind(row["kind"]),
        total=Money(row["total_minor"], currency),
        paid=Money(row["paid_minor"], currency),
        credited=Money(row["credited_minor"], currency),
        credit_applied=Money(row["credit_applied_minor"], currency),
        is_sent=row["is_sent"],
    )
