"""Use that is billed as soon as it comes to much: docs/design/use.md, "Progressive billing"."""

import asyncio

import pytest

from guilder.domain.catalog.model import Billing
from guilder.domain.invoicing import service as invoicing
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.usage import service as usage
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from tests.rooms.invoicing.test_arrears import AUGUST, JULY, utc

HASTY = Billing(progressive=(Money(10_000, "EUR"), Money(20_000, "EUR")))


@pytest.fixture
def heard(open_tx, somebody):
    """Have invoicing hear of use that was counted at an instant."""

    async def hear(at, *, earliest=None):
        async with open_tx() as tx:
            news = invoicing.Heard(
                tenant_id=somebody.tenant_id,
                customer_id=somebody.id,
                earliest_at=utc(earliest or at),
                at=utc(at),
            )
            return await invoicing.bill_heard(tx, heard=[news], now=utc(at))

    return hear


async def test_crossing_a_threshold_bills_the_use_so_far_and_the_period_the_rest(metered, used, heard, bill, billed):
    await metered(billing=HASTY, amount=0)
    await used(600, "2026-06-10")
    assert await heard("2026-06-10") == []
    await used(500, "2026-06-11")
    [made] = await heard("2026-06-11")
    assert await heard("2026-06-11") == []
    await used(400, "2026-06-20")
    assert await heard("2026-06-20") == []
    await bill(JULY)
    assert await billed() == [
        ("2026-06-11", [("usage", 11_000, "06-01")]),
        ("2026-07-01", [("usage", 4_000, "06-01"), ("recurring", 0, "07-01")]),
    ]
    assert made.lines[0].explanation["total"] == 11_000


async def test_two_thresholds_at_once_are_one_invoice(metered, used, heard, billed):
    await metered(billing=HASTY, amount=0)
    await used(2_500, "2026-06-10")
    await heard("2026-06-10")
    await used(2_500, "2026-06-11")
    await heard("2026-06-11")
    assert await billed() == [("2026-06-10", [("usage", 25_000, "06-01")])]


async def test_a_threshold_is_billed_once_however_many_hear_of_it_at_once(metered, used, heard, billed):
    await metered(billing=HASTY, amount=0)
    await used(1_100, "2026-06-10")
    made = await asyncio.gather(*(heard("2026-06-10") for _ in range(6)))
    assert sorted(len(each) for each in made) == [0, 0, 0, 0, 0, 1]
    assert await billed() == [("2026-06-10", [("usage", 11_000, "06-01")])]


async def test_less_use_than_was_billed_is_given_back_with_the_period(open_tx, metered, used, heard, bill, billed, vat):
    await metered(billing=HASTY, amount=0)
    reading = await used(1_100, "2026-06-10")
    await heard("2026-06-10")
    async with open_tx() as tx:
        await usage.cancel(tx, event_id=reading, now=utc("2026-06-12"))
    await bill(JULY)
    assert await billed() == [
        ("2026-06-10", [("usage", 11_000, "06-01")]),
        ("2026-07-01", [("usage_adjustment", -11_000, "06-01"), ("recurring", 0, "07-01")]),
    ]
    async with open_tx() as tx:
        assert await invoicing.credits_of(tx, customer_id=await _customer(tx)) == []
        found = (await invoicing.listing(tx, query=PageQuery(limit=5))).items
    assert [each.due.minor for each in found] == [0, 0], "what was not paid yet is owed no more"


async def test_what_was_billed_early_and_voided_is_billed_with_the_period(open_tx, metered, used, heard, bill, billed):
    await metered(billing=HASTY, amount=0)
    await used(1_100, "2026-06-10")
    [made] = await heard("2026-06-10")
    async with open_tx() as tx:
        await invoicing.void(tx, refs=[made.ref], now=utc("2026-06-12"))
    await bill(JULY)
    assert (await billed())[1] == ("2026-07-01", [("usage", 11_000, "06-01"), ("recurring", 0, "07-01")])


async def test_late_use_of_what_has_ended_is_billed_when_it_is_heard_of(open_tx, metered, used, heard, bill, billed):
    subscription = await metered()
    async with open_tx() as tx:
        await subscriptions.cancel(tx, ref=subscription.ref, at_period_end=True, now=utc("2026-06-12"))
    await used(10, "2026-06-13")
    await bill(JULY)
    await used(5, "2026-06-20", now=utc("2026-07-08"))
    await heard("2026-07-08", earliest="2026-06-20")
    await heard("2026-07-08", earliest="2026-06-20")
    await bill(AUGUST)
    assert await billed() == [
        ("2026-07-01", [("usage", 100, "06-01")]),
        ("2026-07-08", [("usage_adjustment", 50, "06-01")]),
    ]


async def _customer(tx):
    return await tx.fetchval("select customer_id from invoicing.invoices limit 1")
