"""Billing is the same whatever the batching, the order or the lateness of the run."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guilder.domain.catalog.model import Alignment, Basis, Billing, Unused
from guilder.domain.invoicing import jobs
from guilder.domain.invoicing import service as invoicing
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.kernel.page import PageQuery
from guilder.kernel.period import Interval, Unit
from tests.support.builders.customers import a_customer
from tests.support.builders.metered import a_charge, a_metered, a_metered_plan, graduated, per_unit, uses

START = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
END = datetime(2026, 5, 20, tzinfo=UTC)
HOURS = (END - START) // timedelta(hours=1)
WEEK = Interval(Unit.WEEK)

billings = st.builds(
    Billing,
    alignment=st.sampled_from([Alignment.ANNIVERSARY, Alignment.CALENDAR]),
    in_arrears=st.booleans(),
    basis=st.sampled_from([Basis.SECOND, Basis.DAY, Basis.DAY_30]),
    unused_on_cancel=st.sampled_from([Unused.NOTHING, Unused.CREDIT]),
    usage_interval=st.sampled_from([None, None, WEEK]),
    grace_days=st.sampled_from([0, 0, 2, 40]),
    commitments=st.sampled_from([(), (Money(6_000, "EUR"),)]),
)
bought = st.fixed_dictionaries(
    {
        "billing": billings,
        "quantity": st.integers(1, 3),
        "change_in_h": st.none() | st.integers(24, HOURS),
        "changes_at_end": st.booleans(),
        "cancel_in_h": st.none() | st.integers(24, HOURS),
    }
)
readings = st.lists(
    st.tuples(st.integers(0, HOURS - 1), st.decimals("0", "500", places=2), st.sampled_from(["eu", "us"])), max_size=12
)
CHARGES = (
    a_charge(graduated((100, "3.5"), (None, "1.25")), included=Decimal(20), group_by=("region",)),
    a_charge(per_unit("0.7"), code="capped", name="Capped", cap_minor=900),
)


@pytest.fixture
async def customer(open_tx):
    async with open_tx() as tx:
        return await a_customer(tx, time_zone="America/New_York")


@pytest.fixture
async def plan(open_tx):
    async with open_tx() as tx:
        return await a_metered_plan(tx, *CHARGES, amount=3_100)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(wanted=st.lists(bought, min_size=1, max_size=3), said=readings, is_turned=st.booleans())
async def test_late_and_at_once_bills_what_one_by_one_and_on_time_does(
    open_tx, tenant, customer, plan, vat, wanted, said, is_turned
):
    async with open_tx(keep=False) as tx:
        made = [await subscribe(tx, customer, plan, one) for one in wanted]
        for hour, value, region in said:
            at = START + timedelta(hours=hour)
            await uses(tx, customer, value, at=at, properties={"region": region})
        async with tx.rehearsal():
            await on_time(tx, tenant, is_turned=is_turned)
            expected = await bills(tx)
        await late(tx, made, tenant, is_turned=is_turned)
        assert await bills(tx) == expected


async def subscribe(tx, customer, plan, one):
    made = await a_metered(
        tx, customer, plan, billing=one["billing"], starts_at=START, now=START, terms={"quantity": one["quantity"]}
    )
    terms = replace(made.terms, quantity=made.terms.quantity + 1, overrides=())
    if one["change_in_h"]:
        at = None if one["changes_at_end"] else START + timedelta(hours=one["change_in_h"])
        await subscriptions.change(tx, ref=made.ref, terms=terms, at_period_end=one["changes_at_end"], at=at, now=START)
    if one["cancel_in_h"]:
        at = START + timedelta(hours=one["cancel_in_h"])
        await subscriptions.cancel(tx, ref=made.ref, at=at, now=START)
    return made


async def on_time(tx, tenant, *, is_turned):
    """Do each due instant by itself, a row at a time."""
    while True:
        rows = await tx.fetch(
            """select 'sub' as kind, tenant_id, id, due_at from subscriptions.due($1, 'infinity', 500)
               union all select 'seg', tenant_id, id, due_at from subscriptions.segments_due($1, 'infinity', 500)""",
            tenant,
        )
        now = min((row["due_at"] for row in rows), default=END)
        if now >= END:
            return
        due = sorted((row for row in rows if row["due_at"] == now), key=lambda row: row["id"], reverse=is_turned)
        for row in due:
            job = jobs.bill_due if row["kind"] == "sub" else jobs.bill_segments_due
            await job(tx, [Ref(row["tenant_id"], row["id"])], now=now)


async def late(tx, made, tenant, *, is_turned):
    await jobs.bill_due(tx, sorted((each.ref for each in made), reverse=is_turned), now=END)
    rows = await tx.fetch("select tenant_id, id from subscriptions.segments_due($1, $2, 500)", tenant, END)
    await jobs.bill_segments_due(tx, [Ref(*row) for row in rows], now=END)


async def bills(tx):
    """Return what was billed; where a credit is named by the line that it credits, by what that line bills."""
    found = (await invoicing.listing(tx, query=PageQuery(limit=500, after=None))).items
    names = {str(line.id): line.billed_item for each in found for line in each.lines}

    def named(line):
        of_which = str(line.credits_line_id)
        return line.billed_item.replace(of_which, names.get(of_which, of_which))

    return sorted(
        (
            each.issued_at,
            each.subscription_id,
            each.kind.value,
            each.total.minor,
            [(line.kind.value, named(line), line.quantity, line.amount.minor, line.tax.minor) for line in each.lines],
        )
        for each in found
    )
