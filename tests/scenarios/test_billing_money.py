"""What is taken off, what is owed to the state, and what is sent with time to pay. See docs/design/scenarios.md."""

from tests.support.arithmetic import Span, instant, part_of, seconds, span, tax_in, tax_on
from tests.support.bills import Bill, a_story, bill, bills, told

GERMANY = {"line1": "Hauptstr. 1", "city": "Berlin", "postal_code": "10115", "country": "DE"}
NETHERLANDS = {"line1": "Damrak 1", "city": "Amsterdam", "postal_code": "1012 LG", "country": "NL"}


async def sold_from_germany(world):
    seller = {"legal_name": "Muster GmbH", "address": GERMANY, "vat_id": "DE136695976"}
    await world.put("/api/tenant/issuer", seller)
    await world.tax("19", "USt")


def rates(invoice):
    return [(each["percent"], each["code"], each["net"], each["tax"]) for each in invoice["taxes"]]


async def test_7_a_code_for_three_periods_stays_one_for_three_when_seats_are_added(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("seats", amount=1000)
        code = {"code": "LAUNCH20", "name": "Launch", "percent": "20", "duration": "periods", "periods": 3}
        await world.post("/api/promo-codes", code)
        subscription = await world.subscriber(plan="seats", quantity=3, promo_code="launch20")
        await world.advance(to="2026-06-16T00:00:00Z")
        await world.change(subscription, quantity=5)
        await world.advance(to="2026-09-01T00:00:00Z")

        june = span("2026-06-01", "monthly")
        left = seconds(Span(instant("2026-06-16"), june.ends_at), june)
        assert (part_of(2400, left), part_of(5000, left)) == (1200, 2500)
        assert await bills(world) == [
            Bill("INV-2026-00001", [("recurring", 2400, "2026-06-01/2026-07-01")], 0, 2400),
            Bill(
                "INV-2026-00002",
                [
                    ("proration_credit", -1200, "2026-06-16/2026-07-01"),
                    ("proration_charge", 2000, "2026-06-16/2026-07-01"),
                ],
                0,
                800,
            ),
            Bill("INV-2026-00003", [("recurring", 4000, "2026-07-01/2026-08-01")], 0, 4000),
            Bill("INV-2026-00004", [("recurring", 4000, "2026-08-01/2026-09-01")], 0, 4000),
            Bill("INV-2026-00005", [("recurring", 5000, "2026-09-01/2026-10-01")], 0, 5000),
        ]
        assert [invoice["discount"] for invoice in await world.invoices()] == [600, 500, 1000, 1000, 0]


async def test_13_the_buyer_owes_the_tax_across_a_border_and_a_price_may_contain_it(installation):
    async with a_story(installation, "2026-06-01") as world:
        await sold_from_germany(world)
        await world.post("/api/tax-rates", {"name": "BTW", "percent": "21", "country": "NL"})
        await world.plan("net", amount=10000)
        await world.plan("gross", amount=999, billing={"is_tax_inclusive": True})
        await world.plan("gross-max", amount=2997, billing={"is_tax_inclusive": True})
        await world.subscriber("firm-nl", "net", address=NETHERLANDS, vat_id="NL004495445B01")
        await world.subscriber("person-nl", "net", address=NETHERLANDS)
        own = await world.subscriber("person-de", "gross", address=GERMANY)
        await world.advance(to="2026-06-16T00:00:00Z")

        [reversed_] = await world.invoices("firm-nl")
        assert rates(reversed_) == [("0", "reverse_charge", 10000, 0)]
        assert reversed_["taxes"][0]["legal_note"] != ""
        assert bill(reversed_).total == 10000
        [abroad] = await world.invoices("person-nl")
        assert rates(abroad) == [("21", "standard", 10000, 2100)]
        [gross] = await world.invoices("person-de")
        assert (tax_in(999, 19), bill(gross).total) == (160, 999)
        assert rates(gross) == [("19", "standard", 839, 160)]

        await world.change(own, plan_id="gross-max")
        await world.advance(to="2026-07-01T00:00:00Z")
        # Half of 839 net and of its tax is given back; half of 29.97 is 14.985, which contains its tax.
        upgrade = (await world.invoices("person-de"))[1]
        assert (part_of(839, _half()), tax_on(-420, 19), part_of(2997, _half()), tax_in(1499, 19)) == (
            420,
            -80,
            1499,
            239,
        )
        assert bill(upgrade).lines == [
            ("proration_credit", -420, "2026-06-16/2026-07-01"),
            ("proration_charge", 1260, "2026-06-16/2026-07-01"),
        ]
        assert (bill(upgrade).tax, bill(upgrade).total) == (159, 999)


def _half():
    june = span("2026-06-01", "monthly")
    return seconds(Span(instant("2026-06-16"), june.ends_at), june)


async def test_17_a_bill_is_sent_and_reminded_of_and_overdue_and_staff_can_bill_and_correct_by_hand(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.tax("21")
        await world.plan("pro", amount=3000, billing={"collection": "send", "net_days": 30})
        await world.customer()
        subscription = await world.subscribe()
        assert subscription["status"] == "active"
        [sent] = await world.invoices()
        assert (sent["status"], sent["due_at"], sent["amount_due"]) == ("open", "2026-07-01T00:00:00Z", 3630)
        await world.advance(to="2026-06-27T23:59:59Z")
        assert await told(world) == ["subscription.created", "subscription.activated", "invoice.finalized"]
        await world.advance(to="2026-06-28T00:00:00Z")
        assert await told(world) == ["invoice.due_soon"]
        await world.advance(to="2026-06-30T23:59:59Z")
        assert await told(world) == []
        await world.advance(to="2026-07-01T00:00:00Z")
        assert await told(world) == ["subscription.renewed", "invoice.finalized"], "due is not overdue"
        await world.advance(to="2026-07-01T01:00:00Z")
        assert await told(world) == ["invoice.overdue", "subscription.past_due"]
        assert (await world.subscription(subscription))["status"] in {"active", "past_due"}

        hours = {"description": "Workshop", "quantity": "3", "unit_amount": 5000}
        made = await world.post(
            "/api/invoices", {"customer_id": sent["customer_id"], "currency": "EUR", "lines": [hours], "net_days": 14}
        )
        assert bill(made) == Bill("INV-2026-00003", [("charge", 15000, "")], 3150, 18150, 18150)
        assert made["due_at"] == "2026-07-15T01:00:00Z"
        note = await world.post(
            f"/api/invoices/{made['id']}/credit-notes",
            {"lines": [{"line_id": made["lines"][0]["id"], "amount": 5000}], "reason": "One day fell through"},
        )
        assert bill(note) == Bill("CN-2026-00001", [("correction", -5000, "")], tax_on(-5000, 21), -6050)
        corrected = await world.get(f"/api/invoices/{made['id']}")
        assert (corrected["amount_credited"], corrected["amount_due"]) == (6050, 12100)
        await world.advance(to="2026-07-02T00:00:00Z")
        assert (await world.journal())["charges"] == [], "nobody is charged for what is sent"
        repayment = await world.post(f"/api/invoices/{made['id']}/pay")
        await world.pay(repayment["payment_link"])
        await world.advance(to="2026-07-03T00:00:00Z")
        assert [charge["amount"] for charge in (await world.journal())["charges"]] == [12100]
        assert (await world.get(f"/api/invoices/{made['id']}"))["status"] == "paid"
        mails = await world.mails("acme")
        assert [mails.count(kind) for kind in ("invoice_sent", "invoice_due_soon", "credit_note_issued")] == [3, 1, 1]
        assert mails.count("invoice_overdue") >= 1
        assert "payment_failed" not in mails
