"""What was billed for time that is not over, and what of it was given back: what a change works from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import msgspec

from guilder.domain.catalog.model import Basis
from guilder.domain.invoicing.model import AppliedRate, LineKind, TaxTotal
from guilder.domain.invoicing.rules import taxation
from guilder.domain.invoicing.rules.giving_back import went
from guilder.domain.invoicing.rules.proration import BilledLine, GivenBack, Sold, Standing
from guilder.domain.invoicing.store.rows import TAKEN_BACK
from guilder.domain.subscriptions.rules.shares import Measure
from guilder.kernel.ids import Ref, TenantId
from guilder.kernel.money import Money
from guilder.kernel.period import Period
from guilder.platform.db.tx import Row, Tx

_EVER = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Asked:
    """A subscription, its period, and from when on its time is asked about."""

    ref: Ref
    period: Period
    at: datetime
    is_kept: bool = False  # the period is what is left of one before a pause: it was billed with other dates
    ends: frozenset[datetime] = frozenset()  # that it was billed with, where that is known


# Lines that bill time of subscriptions after an instant. What was voided was never billed; what was written off is not
# given back, nor is a fee in arrears: its time is over.
_LINES = """
from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[]) as a (tenant_id, subscription_id, since, at)
join invoicing.lines l on l.tenant_id = a.tenant_id and l.subscription_id = a.subscription_id
join invoicing.invoices i on i.tenant_id = l.tenant_id and i.id = l.invoice_id
where l.kind in ('recurring', 'proration_charge', 'proration_credit')
  and l.period_end > a.at and l.period_start >= a.since and i.status in ('open', 'paid')
  and l.explanation ->> 'rule' is distinct from 'flat_fee_in_arrears'"""


async def invoices(tx: Tx, asked: Sequence[Asked]) -> list[Ref]:
    """Return the invoices on which time of subscriptions after an instant is billed."""
    rows = await tx.fetch(f"select distinct l.tenant_id, l.invoice_id {_LINES} order by 1, 2", *_split(asked))
    return [Ref(TenantId(row["tenant_id"]), row["invoice_id"]) for row in rows]


async def standing(tx: Tx, asked: Sequence[Asked], *, gone: Mapping[Ref, Fraction]) -> dict[Ref, Standing]:
    """Return what stands billed for the time of subscriptions after an instant, in two statements for all of them."""
    rows = await tx.fetch(
        f"""select l.tenant_id, l.id, l.subscription_id, l.kind, l.description, l.quantity, l.unit_amount_minor,
                   l.amount_minor, l.discount_minor, l.tax_minor, l.currency, l.tax_percent, l.tax_code, l.period_start,
                   l.period_end, l.billed_item, l.credits_line_id, l.invoice_id, l.explanation::text as explanation,
                   i.taxes::text as taxes
            {_LINES} order by l.tenant_id, l.subscription_id, l.id""",
        *_split(asked),
    )
    credited = await _credited(tx, rows)
    found: dict[Ref, list[Row]] = {each.ref: [] for each in asked}
    for row in rows:
        found[_subscription_ref(row)].append(row)
    return {each.ref: _of(each, found[each.ref], credited, gone) for each in asked}


def _split(asked: Sequence[Asked]) -> tuple[list[Any], ...]:
    return (
        [each.ref.tenant_id for each in asked],
        [each.ref.id for each in asked],
        [_EVER if each.is_kept else each.period.starts_at for each in asked],
        [_EVER if each.is_kept else each.at for each in asked],
    )


def _of(asked: Asked, rows: Sequence[Row], credited: Mapping[Ref, Row], gone: Mapping[Ref, Fraction]) -> Standing:
    billed = [row for row in rows if _is_billed(row) and not _is_undone(row, credited.get(_line_ref(row)))]
    by_ref = {_line_ref(row): row for row in billed}
    lines = [
        _billed(
            row,
            credited.get(_line_ref(row)),
            gone=gone.get(_line_ref(row), Fraction(0)),
            given_back_from=_given_back_unnamed(row, rows),
        )
        for row in billed
    ]
    return Standing(
        billed=tuple(_kept(lines, asked) if asked.is_kept else lines),
        given_back=tuple(
            _given_back(row, by_ref[_credits_ref(row)], credited.get(_line_ref(row)))
            for row in rows
            if _credits_ref(row) in by_ref and not _is_taken_back(row, credited.get(_line_ref(row)))
        ),
    )


def _is_billed(row: Row) -> bool:
    # What a discount took off whole was billed all the same; what is free was not.
    is_priced = row["amount_minor"] > 0 or row["discount_minor"] > 0
    return row["kind"] != LineKind.PRORATION_CREDIT and bool(is_priced)


def _is_undone(row: Row, credited: Row | None) -> bool:
    """Say whether a change charged it, and notes took all of it back: it may never have been in force."""
    is_of_change = row["kind"] == LineKind.PRORATION_CHARGE
    return is_of_change and credited is not None and 0 < row["amount_minor"] == credited["noted_minor"]


async def _credited(tx: Tx, billed: Sequence[Row]) -> dict[Ref, Row]:
    """Return of lines what was credited of them, by whatever, and from when on their time was given back: less the credits
    that notes took back. Of a line that is a credit it is what was taken back of it, negative as that is."""
    rows = await tx.fetch(
        f"""select l.tenant_id, l.credits_line_id, -sum(l.amount_minor + coalesce(taken.net, 0))::bigint as minor,
                  -sum(l.tax_minor + coalesce(taken.tax, 0))::bigint as tax_minor,
                  -sum(l.amount_minor) filter (where l.kind = 'correction')::bigint as noted_minor,
                  min(l.period_start) filter (where l.kind = 'proration_credit'
                      and (taken.net is null or l.amount_minor + taken.net <> 0)) as given_back_from
           from invoicing.lines l
           join invoicing.invoices i on i.tenant_id = l.tenant_id and i.id = l.invoice_id
           {TAKEN_BACK.format(credit="l")}
           where (l.tenant_id, l.credits_line_id) in (select * from unnest($1::uuid[], $2::uuid[]))
             and i.status <> 'void'
           group by l.tenant_id, l.credits_line_id""",
        [row["tenant_id"] for row in billed],
        [row["id"] for row in billed],
    )
    return {_credits_ref(row): row for row in rows}


def _kept(lines: Sequence[BilledLine], asked: Asked) -> list[BilledLine]:
    """Return the lines of the period that time was kept of, moved to where a pause has moved the end of it."""
    ends_at = asked.period.ends_at
    ends = asked.ends or {max((line.period.ends_at for line in lines), default=ends_at)}
    return [line.moved(ends_at - line.period.ends_at) for line in lines if line.period.ends_at in ends]


def _given_back_unnamed(row: Row, rows: Sequence[Row]) -> datetime | None:
    """Return since when credits that do not name what they credit, as all did once, have given a line's time back."""
    unnamed = [each for each in rows if each["kind"] == LineKind.PRORATION_CREDIT and each["credits_line_id"] is None]
    return min((each["period_start"] for each in unnamed if each["id"] > row["id"]), default=None)


def _billed(row: Row, credited: Row | None, *, gone: Fraction, given_back_from: datetime | None) -> BilledLine:
    period = Period(row["period_start"], row["period_end"])
    explanation = msgspec.json.decode(row["explanation"])
    amount, tax = Money(row["amount_minor"], row["currency"]), Money(row["tax_minor"], row["currency"])
    credited_minor, credited_tax_minor = (credited["minor"], credited["tax_minor"]) if credited else (0, 0)
    given_back_from = (credited["given_back_from"] if credited else None) or given_back_from
    return BilledLine(
        line_id=row["id"],
        name=_name(row, explanation),
        sold=_sold(row),
        amount=amount,
        tax=tax,
        left=_left(amount, credited_minor, gone),
        left_tax=_left(tax, credited_tax_minor, gone),
        period=period,
        full_period=_full_period(row, explanation) or period,
        unused_until=given_back_from or period.ends_at,
        taxed_as=_taxed_as(row),
        covers=_covers(explanation),
    )


def _covers(explanation: Mapping[str, Any]) -> Measure | None:
    rule, basis = explanation.get("rule"), explanation.get("basis")
    is_of_more = rule == "proration_reinstated" or (rule, basis) == ("proration_charge", Basis.DIFFERENCE)
    part = explanation.get("part") if is_of_more else None
    return Measure(**part) if part else None


def _left(amount: Money, credited_minor: int, gone: Fraction) -> Money:
    """Return what is left of a line: not credited, nor gone without a note from the invoice that it is on."""
    return Money(max(amount.minor - credited_minor - went(amount.minor, gone), 0), amount.currency)


def _is_taken_back(row: Row, taken: Row | None) -> bool:
    return taken is not None and bool(taken["minor"]) and taken["minor"] == row["amount_minor"]


def _given_back(row: Row, billed: Row, taken: Row | None) -> GivenBack:
    explanation = msgspec.json.decode(row["explanation"])
    is_by_difference = explanation.get("basis") == Basis.DIFFERENCE
    said = msgspec.json.decode(billed["explanation"])
    return GivenBack(
        of_line=UUID(said["of_line"]) if "of_line" in said else billed["id"],
        cause=row["billed_item"].split(":", 4)[-1],
        name=_name(row, explanation),
        sold=_sold(billed),
        amount=Money(row["amount_minor"] - (taken["minor"] if taken else 0), row["currency"]),
        tax=Money(row["tax_minor"] - (taken["tax_minor"] if taken else 0), row["currency"]),
        period=Period(row["period_start"], row["period_end"]),
        taxed_as=_taxed_as(row),
        covers=_all_of(said) if is_by_difference else None,
    )


def _all_of(explanation: Mapping[str, Any]) -> Measure:
    """Return what share of its full period a line was priced for."""
    share = explanation.get("share", (1, 1))
    return _covers(explanation) or Measure(share[0], share[1], "period")


def _name(row: Row, explanation: Mapping[str, Any]) -> str:
    return str(explanation.get("plan_name") or row["description"])


def _sold(row: Row) -> Sold:
    said = msgspec.json.decode(row["explanation"])
    return Sold(
        plan=said.get("plan", ""),
        version=said.get("plan_version", 0),
        unit_amount=said.get("unit_amount", 0),
        quantity=said.get("quantity", int(row["quantity"])),
    )


def _full_period(row: Row, explanation: Mapping[str, Any]) -> Period | None:
    # A charge for the rest of a period used to call the full one its period.
    is_of_old = row["kind"] == LineKind.PRORATION_CHARGE
    said = explanation.get("full_period") or (explanation.get("period") if is_of_old else None)
    return Period(*(datetime.fromisoformat(end) for end in said)) if said else None


def _taxed_as(row: Row) -> AppliedRate:
    rates = msgspec.json.decode(row["taxes"], type=tuple[TaxTotal, ...])
    named = msgspec.json.decode(row["explanation"]).get("tax", {}).get("rate")
    return taxation.rate_among(rates, Decimal(row["tax_percent"]).normalize(), row["tax_code"], named=named)


def _line_ref(row: Row) -> Ref:
    return Ref(TenantId(row["tenant_id"]), row["id"])


def _credits_ref(row: Row) -> Ref:
    return Ref(TenantId(row["tenant_id"]), row["credits_line_id"])


def _subscription_ref(row: Row) -> Ref:
    return Ref(TenantId(row["tenant_id"]), row["subscription_id"])
