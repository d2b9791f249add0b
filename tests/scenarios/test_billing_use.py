"""What is billed when it is over: use, late use, commitments, fees in arrears. The sums are in docs/design/scenarios.md."""

from fractions import Fraction

import pytest

from tests.support.arithmetic import (
    Span,
    graduated,
    half_up,
    instant,
    package,
    part_of,
    seconds,
    span,
    tax_on,
    true_up,
    volume,
)
from tests.support.bills import BILLED, PAID, Bill, a_story, bills, told

FREE_100 = [{"up_to": "100", "unit_amount": "0"}, {"up_to": None, "unit_amount": "0.5"}]
JUNE = span("2026-06-01", "monthly")


def calls(price, **over):
    """A charge for the meter `calls`, in one currency."""
    return {"code": "calls", "name": "Calls", "meter": "calls", "prices": [price], **over}


def each(unit_amount, currency="EUR"):
    return {"currency": currency, "model": "per_unit", "unit_amount": unit_amount}


def june(at):
    return seconds(Span(instant(at), JUNE.ends_at), JUNE)


async def test_8_late_amended_and_canceled_use_is_settled_on_the_next_invoice(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.meter()
        tiers = {"currency": "EUR", "model": "graduated", "tiers": FREE_100}
        await world.plan("pro", amount=1000, charges=[calls(tiers)])
        await world.subscriber()
        await world.advance(to="2026-06-15T00:00:00Z")
        await world.use("first", 180)
        await world.use("second", 120)
        again = await world.use("second", 120)
        assert again["events"][0]["status"] == "duplicate"
        await world.advance(to="2026-07-05T00:00:00Z")

        await world.use("late", 50, timestamp="2026-06-20T00:00:00Z")
        await world.post("/api/usage/second/amend", {"value": 100})
        await world.advance(to="2026-08-05T00:00:00Z")
        await world.post("/api/usage/late/cancel")
        await world.advance(to="2026-09-01T00:00:00Z")

        def priced(units):
            return half_up(graduated(units, [(100, 0, 0), (None, "0.5", 0)]))

        assert [priced(units) for units in (300, 330, 280)] == [100, 115, 90]
        fee = "recurring", 1000
        assert [made.lines for made in await bills(world)] == [
            [(*fee, "2026-06-01/2026-07-01")],
            [("usage", 100, "2026-06-01/2026-07-01"), (*fee, "2026-07-01/2026-08-01")],
            [("usage_adjustment", 15, "2026-06-01/2026-07-01"), (*fee, "2026-08-01/2026-09-01")],
            [("usage_adjustment", -25, "2026-06-01/2026-07-01"), (*fee, "2026-09-01/2026-10-01")],
        ]
        assert [made.total for made in await bills(world)] == [1000, 1100, 1015, 975]
        adjusted = (await world.invoices())[2]["lines"][0]
        assert adjusted["description"] == "Late use: Calls"
        assert (await told(world)).count("invoice.finalized") == 4


async def test_9_a_part_of_a_period_owes_its_part_of_the_commitment(installation):
    async with a_story(installation, "2026-06-16") as world:
        await world.meter()
        billing = {"alignment": "calendar", "commitments": [{"amount": 5000, "currency": "EUR"}]}
        await world.plan("pro", amount=1000, billing=billing, charges=[calls(each("10"))])
        await world.subscriber()
        await world.use("june", 40)
        await world.advance(to="2026-07-10T00:00:00Z")
        await world.use("july", 390)
        await world.advance(to="2026-08-10T00:00:00Z")
        await world.use("august", 500)
        await world.advance(to="2026-09-01T00:00:00Z")

        half = june("2026-06-16")
        assert (half, part_of(1000, half), true_up(5000, half, 500 + 400)) == (Fraction(1, 2), 500, 1600)
        assert true_up(5000, Fraction(1), 1000 + 3900) == 100
        assert true_up(5000, Fraction(1), 1000 + 5000) == 0
        assert [made.lines for made in await bills(world)] == [
            [("recurring", 500, "2026-06-16/2026-07-01")],
            [
                ("usage", 400, "2026-06-16/2026-07-01"),
                ("commitment", 1600, "2026-06-16/2026-07-01"),
                ("recurring", 1000, "2026-07-01/2026-08-01"),
            ],
            [
                ("usage", 3900, "2026-07-01/2026-08-01"),
                ("commitment", 100, "2026-07-01/2026-08-01"),
                ("recurring", 1000, "2026-08-01/2026-09-01"),
            ],
            [("usage", 5000, "2026-08-01/2026-09-01"), ("recurring", 1000, "2026-09-01/2026-10-01")],
        ]


async def test_10_ending_in_arrears_bills_the_time_and_the_use_so_far(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.meter()
        await world.plan("pro", amount=3000, billing={"in_arrears": True}, charges=[calls(each("10"))])
        subscription = await world.subscriber()
        assert (subscription["status"], subscription["amount_due"]) == ("active", 0)
        await world.use("june", 25)
        await world.advance(to="2026-07-16T12:00:00Z")
        await world.use("july", 40, timestamp="2026-07-16T11:59:59Z")
        await told(world)
        ended = await world.delete(f"/api/subscriptions/{subscription['id']}", when="now")
        assert ended["status"] == "canceled"
        await world.advance(to="2026-09-01T00:00:00Z")

        july = span("2026-07-01", "monthly")
        used = seconds(Span(july.starts_at, instant("2026-07-16 12:00")), july)
        assert part_of(3000, used) == 1500
        assert await bills(world) == [
            Bill(
                "INV-2026-00001",
                [("recurring", 3000, "2026-06-01/2026-07-01"), ("usage", 250, "2026-06-01/2026-07-01")],
                0,
                3250,
            ),
            Bill(
                "INV-2026-00002",
                [("recurring", 1500, "2026-07-01/2026-07-16T12:00"), ("usage", 400, "2026-07-01/2026-07-16T12:00")],
                0,
                1900,
            ),
        ]
        events = await told(world)
        assert events == ["subscription.ended", *BILLED, *PAID]


@pytest.mark.shows("fault F5")
async def test_16_currencies_of_three_and_of_no_decimals_are_priced_by_tiers_and_rounded_once(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.tax("5")
        await world.meter()
        by_tier = [
            {"up_to": "100", "unit_amount": "12.5"},
            {"up_to": None, "unit_amount": "10.25", "flat_amount": "500"},
        ]
        by_volume = [{"up_to": "100", "unit_amount": "4"}, {"up_to": None, "unit_amount": "3.3", "flat_amount": "50"}]
        packs = {"currency": "JPY", "model": "package", "package_size": "100", "free_units": "50", "unit_amount": "120"}
        await world.plan(
            "dinar", amount=1000, currency="KWD",
            charges=[calls({"currency": "KWD", "model": "graduated", "tiers": by_tier})],
        )  # fmt: skip
        await world.plan(
            "yen", amount=1000, currency="JPY",
            charges=[
                calls({"currency": "JPY", "model": "volume", "tiers": by_volume}),
                {**calls(packs), "code": "packs", "name": "Packs"},
            ],
        )  # fmt: skip
        await world.subscriber("kuwait", "dinar")
        await world.subscriber("japan", "yen")
        await world.use("k", 150, by="kuwait")
        await world.use("j", "151", by="japan")
        await world.advance(to="2026-07-01T00:00:00Z")

        dinar = graduated(150, [(100, "12.5", 0), (None, "10.25", 500)])
        yen = volume(151, [(100, 4, 0), (None, "3.3", 50)])
        assert (dinar, half_up(dinar)) == (Fraction("2262.5"), 2263)
        assert (yen, half_up(yen), package(151, 100, 120, 50)) == (Fraction("548.3"), 548, 240)
        [_, of_kuwait], [_, of_japan] = await bills(world, "kuwait"), await bills(world, "japan")
        july = ("recurring", 1000, "2026-07-01/2026-08-01")
        assert of_kuwait.lines == [("usage", 2263, "2026-06-01/2026-07-01"), july]
        assert (of_kuwait.tax, of_kuwait.total) == (tax_on(3263, 5), 3426)
        assert of_japan.lines == [
            ("usage", 548, "2026-06-01/2026-07-01"),
            ("usage", 240, "2026-06-01/2026-07-01"),
            july,
        ]
        assert (of_japan.tax, of_japan.total) == (tax_on(1788, 5), 1877)
        charged = sorted((charge["currency"], charge["amount"]) for charge in (await world.journal())["charges"])
        # Of 3.426 dinars no card takes the third digit: it is carried.
        assert charged == [("JPY", 1050), ("JPY", 1877), ("KWD", 1050), ("KWD", 3420)]
