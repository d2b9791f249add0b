"""Changing what one has: each change works from what was billed before. The sums are in docs/design/scenarios.md."""

from tests.support.arithmetic import Span, half_up, instant, part_of, seconds, span, tax_on
from tests.support.bills import BILLED, PAID, Bill, a_story, bill, bills, current_period, told

JUNE = span("2026-06-01", "monthly")
UPGRADED = [*BILLED, "subscription.changed", *PAID]
RENEWED = ["subscription.renewed", *BILLED, *PAID]


def left(at, full=JUNE):
    """The share of a period that is still ahead."""
    return seconds(Span(instant(at), full.ends_at), full)


async def test_1_two_upgrades_in_a_day_each_work_from_what_the_one_before_billed(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.tax("21")
        await world.plan("pro", amount=3000)
        await world.plan("team", amount=5000)
        await world.plan("max", amount=9000)
        subscription = await world.subscriber()
        await world.advance(to="2026-06-16T08:00:00Z")
        await told(world)

        await world.change(subscription, plan_id="team")
        await world.advance(to="2026-06-16T20:00:00Z")
        assert await told(world) == UPGRADED
        await world.change(subscription, plan_id="max")
        await world.advance(to="2026-07-01T00:00:00Z")

        morning, evening = left("2026-06-16 08:00"), left("2026-06-16 20:00")
        billed = part_of(5000, morning)
        assert (billed, half_up(billed * evening / morning)) == (2444, 2361)
        assert (part_of(3000, morning), part_of(9000, evening)) == (1467, 4250)
        assert await bills(world) == [
            Bill("INV-2026-00001", [("recurring", 3000, "2026-06-01/2026-07-01")], 630, 3630),
            Bill(
                "INV-2026-00002",
                [
                    ("proration_credit", -1467, "2026-06-16T08:00/2026-07-01"),
                    ("proration_charge", 2444, "2026-06-16T08:00/2026-07-01"),
                ],
                tax_on(977, 21),
                1182,
            ),
            Bill(
                "INV-2026-00003",
                [
                    ("proration_credit", -2361, "2026-06-16T20:00/2026-07-01"),
                    ("proration_charge", 4250, "2026-06-16T20:00/2026-07-01"),
                ],
                tax_on(1889, 21),
                2286,
            ),
            Bill("INV-2026-00004", [("recurring", 9000, "2026-07-01/2026-08-01")], 1890, 10890),
        ]
        assert await told(world) == [*UPGRADED, *RENEWED]


async def test_2_a_downgrade_waits_for_the_period_end_and_can_be_taken_back_until_then(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        await world.plan("max", amount=9000)
        subscription = await world.subscriber(plan="max")
        await world.advance(to="2026-06-16T00:00:00Z")
        await told(world)

        waiting = await world.change(subscription, plan_id="pro")
        pending = waiting["pending_change"]
        assert (pending["plan_code"], pending["takes_effect_at"]) == ("pro", "2026-07-01T00:00:00Z")
        assert waiting["plan_code"] == "max"
        kept = await world.delete(f"/api/subscriptions/{subscription['id']}/pending-change")
        assert kept["pending_change"] is None
        await world.advance(to="2026-07-01T00:00:00Z")
        assert await told(world) == [
            "subscription.change_scheduled",
            "subscription.change_revoked",
            *RENEWED,
        ]

        await world.change(subscription, plan_id="pro")
        await world.advance(to="2026-08-01T00:00:00Z")
        assert (await world.subscription(subscription))["plan_code"] == "pro"
        assert await bills(world) == [
            Bill("INV-2026-00001", [("recurring", 9000, "2026-06-01/2026-07-01")], 0, 9000),
            Bill("INV-2026-00002", [("recurring", 9000, "2026-07-01/2026-08-01")], 0, 9000),
            Bill("INV-2026-00003", [("recurring", 3000, "2026-08-01/2026-09-01")], 0, 3000),
        ]
        assert await told(world) == [
            "subscription.change_scheduled",
            "subscription.changed",
            "subscription.renewed",
            *BILLED,
            *PAID,
        ]


async def test_3_from_month_to_year_with_a_new_anchor_or_up_to_the_old_anniversary(installation):
    async with a_story(installation, "2026-04-01") as world:
        for code, rule in (("fresh", "reset"), ("steady", "keep")):
            prices = [
                {"billing_cycle": "monthly", "amount": 3000, "currency": "EUR"},
                {"billing_cycle": "yearly", "amount": 30000, "currency": "EUR"},
            ]
            await world.plan(code, prices=prices, billing={"interval_change": rule})
        fresh = await world.subscriber("fresh-inc", "fresh")
        steady = await world.subscriber("steady-inc", "steady")
        await world.advance(to="2026-04-16T00:00:00Z")
        april, year = span("2026-04-01", "monthly"), span("2026-04-01", "yearly")

        fresh = await world.change(fresh, billing_cycle="yearly")
        steady = await world.change(steady, billing_cycle="yearly")
        assert current_period(fresh) == "2026-04-16/2027-04-16"
        assert current_period(steady) == "2026-04-16/2027-04-01"
        credit, stub = part_of(3000, left("2026-04-16", april)), part_of(30000, left("2026-04-16", year))
        assert (credit, stub) == (1500, 28767)
        await world.advance(to="2027-04-16T00:00:00Z")

        bills_of_fresh = await bills(world, "fresh-inc")
        assert [(each.lines, each.total, each.due) for each in bills_of_fresh[1:]] == [
            (
                [
                    ("proration_credit", -1500, "2026-04-16/2026-05-01"),
                    ("recurring", 30000, "2026-04-16/2027-04-16"),
                ],
                28500,
                0,
            ),
            ([("recurring", 30000, "2027-04-16/2028-04-16")], 30000, 0),
        ]
        bills_of_steady = await bills(world, "steady-inc")
        assert [(each.lines, each.total, each.due) for each in bills_of_steady[1:]] == [
            (
                [
                    ("proration_credit", -1500, "2026-04-16/2026-05-01"),
                    ("recurring", 28767, "2026-04-16/2027-04-01"),
                ],
                27267,
                0,
            ),
            ([("recurring", 30000, "2027-04-01/2028-04-01")], 30000, 0),
        ]


async def test_14_what_a_downgrade_gives_back_now_pays_the_next_invoice(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.tax("21")
        await world.plan("pro", amount=3000)
        await world.plan("max", amount=9000)
        subscription = await world.subscriber(plan="max")
        await world.advance(to="2026-06-16T00:00:00Z")
        await told(world)

        await world.change(subscription, plan_id="pro", when="now")
        note = (await world.invoices())[-1]
        assert (note["kind"], note["status"]) == ("credit_note", "paid")
        assert bill(note) == Bill(
            "CN-2026-00001",
            [
                ("proration_credit", -4500, "2026-06-16/2026-07-01"),
                ("proration_charge", 1500, "2026-06-16/2026-07-01"),
            ],
            tax_on(-3000, 21),
            -3630,
        )
        await world.advance(to="2026-07-01T00:00:00Z")
        renewal = (await world.invoices())[-1]
        assert bill(renewal) == Bill("INV-2026-00002", [("recurring", 3000, "2026-07-01/2026-08-01")], 630, 3630)
        assert (renewal["amount_credit_applied"], renewal["amount_paid"], renewal["status"]) == (3630, 0, "paid")
        events = await told(world)
        assert "payment.requested" not in events, "nothing was left to charge"
        await world.advance(to="2026-08-01T00:00:00Z")
        charged = (await world.invoices())[-1]
        assert (charged["amount_credit_applied"], charged["amount_paid"]) == (0, 3630)
        charges = (await world.journal())["charges"]
        assert [charge["amount"] for charge in charges] == [10890, 3630]


async def test_a_fee_in_arrears_is_followed_by_one_in_advance(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("after", amount=3000, billing={"in_arrears": True})
        await world.plan("before", amount=6000)
        subscription = await world.subscriber(plan="after")
        await world.advance(to="2026-06-11T00:00:00Z")
        await world.change(subscription, plan_id="before", when="now")
        await world.advance(to="2026-07-01T00:00:00Z")

        assert [line for each in await bills(world) for line in each.lines] == [
            ("proration_charge", 4000, "2026-06-11/2026-07-01"),
            ("recurring", 1000, "2026-06-01/2026-06-11"),
            ("recurring", 6000, "2026-07-01/2026-08-01"),
        ]


async def test_where_parts_are_worth_nothing_a_new_interval_is_charged_beside_the_old(installation):
    async with a_story(installation, "2026-06-01") as world:
        cycles = [
            {"billing_cycle": "monthly", "amount": 3000, "currency": "EUR"},
            {"billing_cycle": "yearly", "amount": 30000, "currency": "EUR"},
        ]
        await world.plan("whole", prices=cycles, billing={"basis": "none"})
        subscription = await world.subscriber(plan="whole", billing_cycle="monthly")
        await world.advance(to="2026-06-11T00:00:00Z")
        await world.change(subscription, billing_cycle="yearly", when="now")

        assert [line for each in await bills(world) for line in each.lines] == [
            ("recurring", 3000, "2026-06-01/2026-07-01"),
            ("recurring", 30000, "2026-06-11/2027-06-11"),
        ]
