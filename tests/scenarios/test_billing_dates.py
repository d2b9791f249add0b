"""When things fall due: anchors, stubs, leap days and zones. The sums are in docs/design/scenarios.md."""

import pytest

from tests.support.arithmetic import Span, instant, part_of, seconds, span, step
from tests.support.bills import a_story, bills, current_period, moment, told

ZONES = ("America/Los_Angeles", "Asia/Kolkata")


async def fees(world, organization_id):
    """What was billed of one customer: each line's kind, amount and period, in order."""
    return [line for each in await bills(world, organization_id) for line in each.lines]


def monthly(anchor, count, *, amount, zone="UTC"):
    """Rows of so many whole months, by the reckoner."""
    periods = [span(anchor, "monthly", number, zone) for number in range(count)]
    return [("recurring", amount, f"{moment(each.starts_at)}/{moment(each.ends_at)}") for each in periods]


async def test_6_a_31st_goes_through_february_and_fixed_days_begin_with_a_stub(installation):
    async with a_story(installation, "2026-01-31") as world:
        await world.plan("anniversary", amount=2800)
        await world.plan("fixed", amount=2800, billing={"alignment": "billing_day", "billing_day": 31})
        await world.plan("calendar", amount=2800, billing={"alignment": "calendar"})
        await world.subscriber("anna", "anniversary")
        await world.advance(to="2026-02-10T00:00:00Z")
        fixed = await world.subscriber("fred", "fixed")
        calendar = await world.subscriber("cleo", "calendar")
        assert current_period(fixed) == "2026-02-10/2026-02-28"
        assert current_period(calendar) == "2026-02-10/2026-03-01"
        await world.advance(to="2026-05-02T00:00:00Z")

        begun = instant("2026-02-10")
        to_the_31st, to_the_1st = span("2026-01-31", "monthly"), span("2026-02-01", "monthly")
        stubs = [part_of(2800, seconds(Span(begun, full.ends_at), full)) for full in (to_the_31st, to_the_1st)]
        assert stubs == [1800, 1900]
        assert await fees(world, "anna") == monthly("2026-01-31", 4, amount=2800)
        assert await fees(world, "fred") == [
            ("recurring", 1800, "2026-02-10/2026-02-28"),
            *monthly("2026-01-31", 4, amount=2800)[1:],
        ]
        assert await fees(world, "cleo") == [
            ("recurring", 1900, "2026-02-10/2026-03-01"),
            *monthly("2026-03-01", 3, amount=2800),
        ]
        assert (await fees(world, "anna"))[-1][2] == "2026-04-30/2026-05-31"
        assert {invoice["status"] for name in ("anna", "fred", "cleo") for invoice in await world.invoices(name)} == {
            "paid"
        }


@pytest.mark.slow
async def test_11_a_year_that_begins_on_a_leap_day_comes_back_to_it(installation):
    async with a_story(installation, "2028-02-29") as world:
        await world.plan("leap", prices=[{"billing_cycle": "yearly", "amount": 36500, "currency": "EUR"}])
        await world.subscriber(plan="leap", billing_cycle="yearly")
        await world.advance(to="2032-02-29T00:00:00Z")

        assert await fees(world, "acme") == [
            ("recurring", 36500, "2028-02-29/2029-02-28"),
            ("recurring", 36500, "2029-02-28/2030-02-28"),
            ("recurring", 36500, "2030-02-28/2031-02-28"),
            ("recurring", 36500, "2031-02-28/2032-02-29"),
            ("recurring", 36500, "2032-02-29/2033-02-28"),
        ]
        issued = [invoice["issued_at"] for invoice in await world.invoices()]
        assert [moment(at) for at in issued] == [moment(step("2028-02-29", "yearly", n)) for n in range(5)]
        assert (await told(world)).count("subscription.renewed") == 4


async def test_12_a_clock_change_neither_moves_nor_skips_nor_doubles_a_bill(installation):
    async with a_story(installation, "2026-02-08T10:30") as world:
        los_angeles, kolkata = ZONES
        await world.plan("free", amount=0)  # dates are what it is about: nothing has to be collected
        await world.plan("calendar", amount=7430, billing={"alignment": "calendar"})
        await world.subscriber("lana", "free", time_zone=los_angeles)
        await world.subscriber("kiran", "free", time_zone=kolkata)
        seats = await world.subscriber("lars", "calendar", time_zone=los_angeles)
        # Half past two in the night, when a month later there is no such time.
        assert seats["current_period_end"] == "2026-03-01T08:00:00Z", "midnight in Los Angeles"
        await world.advance(to="2026-03-16T07:00:00Z")
        await world.change(seats, quantity=2)
        await world.advance(to="2026-11-15T00:00:00Z")

        assert await fees(world, "lana") == monthly("2026-02-08 02:30", 10, amount=0, zone=los_angeles)
        assert [row[2] for row in (await fees(world, "lana"))[:3]] == [
            "2026-02-08T10:30/2026-03-08T10:00",
            "2026-03-08T10:00/2026-04-08T09:30",
            "2026-04-08T09:30/2026-05-08T09:30",
        ]
        assert await fees(world, "kiran") == monthly("2026-02-08 16:00", 10, amount=0, zone=kolkata)
        assert {row[2][10:16] for row in await fees(world, "kiran")} == {"T10:30"}, "there is one time there"

        february, march = (span(f"2026-0{month}-01", "monthly", zone=los_angeles) for month in (2, 3))
        stub = part_of(7430, seconds(Span(instant("2026-02-08T10:30"), february.ends_at), february))
        rest = seconds(Span(instant("2026-03-16", los_angeles), march.ends_at), march)
        assert (stub, part_of(7430, rest), part_of(14860, rest)) == (5545, 3840, 7680)
        assert await fees(world, "lars") == [
            ("recurring", 5545, "2026-02-08T10:30/2026-03-01T08:00"),
            ("recurring", 7430, "2026-03-01T08:00/2026-04-01T07:00"),
            ("proration_credit", -3840, "2026-03-16T07:00/2026-04-01T07:00"),
            ("proration_charge", 7680, "2026-03-16T07:00/2026-04-01T07:00"),
            *monthly("2026-04-01", 8, amount=14860, zone=los_angeles),
        ]
        local = {invoice["issued_on"][8:] for invoice in (await world.invoices("lars"))[3:]}
        assert local == {"01"}, "each on the first, where the customer is"


async def test_what_begins_later_on_the_day_of_a_full_period_is_a_full_one(installation):
    async with a_story(installation, "2026-03-01T15:00") as world:
        await world.plan("calendar", amount=3100, billing={"alignment": "calendar"})
        await world.plan("fixed", amount=3100, billing={"alignment": "billing_day", "billing_day": 1})
        for name, plan in (("cleo", "calendar"), ("fred", "fixed")):
            await world.subscriber(name, plan, time_zone="Europe/Berlin")
        await world.advance(to="2026-04-02T00:00:00Z")

        for name in ("cleo", "fred"):
            assert await fees(world, name) == [
                ("recurring", 3100, "2026-03-01T15:00/2026-03-31T22:00"),
                ("recurring", 3100, "2026-03-31T22:00/2026-04-30T22:00"),
            ]
