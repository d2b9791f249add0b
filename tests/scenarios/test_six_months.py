"""Six months of one customer with two cards at two accounts: declined, out, unknown, disputed, blocked and back.

What is heard, mailed, charged and booked in each month is in the tables of docs/design/six-months.md, and only there: they
are read, and what really happened is held against them, to the last event.
"""

import re
from collections import Counter as Count
from pathlib import Path

import pytest

from tests.support.database import connected
from tests.support.outcomes import is_eligible, payments_of
from tests.support.processes import until
from tests.support.worst_day import Counter, counter_of, in_a_hurry

PAGE = Path(__file__).parents[2] / "docs" / "design" / "six-months.md"
START = "2026-01-31T12:00:00Z"


def told_by_the_page():
    """Read the page's tables: {heading: {the table's first column: its rows}}."""
    found = {}
    for part in re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        title, tables = part.partition("\n")[0], {}
        for block in re.findall(r"(?:^\|.*\n)+", part, flags=re.MULTILINE):
            rows = [[cell.strip(" `") for cell in line.strip("|\n ").split("|")] for line in block.splitlines()]
            tables[rows[0][0]] = [tuple(row) for row in rows[2:]]
        found[title] = tables
    return found


@pytest.fixture
async def a(world):
    async with counter_of(world) as counter:
        yield counter


@pytest.fixture
async def b(world, a):
    """A second account of the same tenant's."""
    name = f"{world.tenant_id}-b"
    made = await world.post("/api/gateways", {"gateway": "simulated", "name": "B", "secret_key": f"sk_sim_{name}"})

    async def connected_too():
        return all(each["status"] == "connected" for each in await world.get("/api/gateways"))

    await until(connected_too, what="the second account's connection")
    return Counter(a.http, name, made["id"])


async def saved(world, token, account_id=None, **over):
    """Save a card at an account (else the default one), and wait for its validation."""
    body = {"token": token, **over} | ({"gateway_account_id": account_id} if account_id else {})
    asked = await world.post("/api/customers/acme/payment-methods", body)

    async def validated():
        methods = await world.get("/api/customers/acme/payment-methods")
        return next((each for each in methods if each["id"] == asked["id"] and each["status"] == "valid"), None)

    return await until(validated, what="the card's validation")


class Story:
    """What happened since the last month's end, as the page writes it."""

    def __init__(self, world, a, b):
        self.world, self.accounts = world, {"A": a, "B": b}
        self.mails = self.charged = 0

    async def charges(self):
        """All charges so far, in order: the account, what for, how much, what came of it, when."""
        found = []
        for name, counter in self.accounts.items():
            answer = await counter.http.get("/sim/journal", params={"account": counter.account})
            found += [(each["at"], name, each) for each in answer.json()["charges"]]
        found.sort(key=lambda each: (each[0][:19], each[2]["business_key"]))
        return [
            (name, each["business_key"].rpartition(":")[2], str(each["amount"]), each["status"], each["at"][:16])
            for _, name, each in found
        ]

    async def month(self):
        events = Count(await self.world.heard())
        mails = await self.world.mails("acme")
        charges = await self.charges()
        told = {
            "event": sorted((name, str(times)) for name, times in events.items()),
            "mail": sorted((kind,) for kind in mails[self.mails :]),
            "charged at": charges[self.charged :],
        }
        self.mails, self.charged = len(mails), len(charges)
        return told

    async def ends(self, *, at, heading):
        await self.world.advance(to=at)
        told = await self.month()
        written = told_by_the_page()[heading]
        # Several of one instant have no order.
        written["mail"].sort()
        assert told == {name: written.get(name, []) for name in told}


async def eligible(world, *, is_expected):
    async def stands():
        return await is_eligible(world) is is_expected

    await until(stands, what="access" if is_expected else "the block")


async def health_of(world, name):
    return next(each for each in await world.get("/api/gateways/health") if each["name"] == name)


async def balances(world):
    """Return the books, account by account, and cash by where it is."""
    async with connected(world.installation.urls.admin) as admin:
        rows = await admin.fetch(
            """select replace(p.account, '_', ' ') || case when p.account <> 'cash' then '' when a.is_default then ' at A'
                      else ' at B' end as account, sum(p.amount_minor)::bigint as amount
               from ledger.postings p left join gateways.accounts a on (a.tenant_id, a.id) = (p.tenant_id, p.ref_id)
               where p.tenant_id = $1 group by 1 having sum(p.amount_minor) <> 0 order by 1""",
            world.tenant_id,
        )
    return [(row["account"], str(row["amount"])) for row in rows]


async def each_invoice_has_one_claim(*counters):
    """A backup that forgot a payment recognises it by the claim, whichever attempt it was."""
    claims = {}
    for counter in counters:
        for charge in await counter.charges() + await counter.charges("failed"):
            invoice = charge["business_key"].rpartition(":")[0]
            claims.setdefault(invoice, set()).add(charge["metadata"].get("claim"))
    assert len(claims) == 6
    assert all(len(each) == 1 and None not in each for each in claims.values()), claims


async def month_1_is_paid_with_the_first_card(world, a, b):
    await world.tax("19")
    await world.plan(amount=3000)
    await world.customer()
    first = await saved(world, "pm_card_once")
    second = await saved(world, "pm_card_ok", b.endpoint_url)
    subscription = await world.subscribe(payment_method_id=first["id"])
    await eligible(world, is_expected=True)
    return subscription, first, second


async def month_2_falls_back_to_the_second_card(world):
    await world.advance(to="2026-02-28T12:30:00Z")
    [case] = await world.get("/api/dunning/cases")
    assert (case["status"], case["retries_made"]) == ("recovered", 0)
    lines = await world.get(f"/api/dunning/cases/{case['id']}/history")
    assert [line["change"] for line in lines] == ["opened", "fell_back", "recovered"]


async def month_3_goes_round_an_account_that_is_out(world, a):
    await world.advance(to="2026-03-31T11:59:30Z")
    await a.fault("status", status=503)
    # Somebody has to find out: five calls without an answer, and all processes know.
    asked = await world.post("/api/customers/acme/payment-methods", {"token": "pm_card_do_not_honor"})

    async def is_down():
        return (await health_of(world, "Simulated provider"))["is_down"]

    async with in_a_hurry(world):
        await until(is_down, what="the account's being down")
    await world.advance(to="2026-03-31T12:00:20Z")
    [payment] = [each for each in await payments_of(world) if each["requested_at"].startswith("2026-03-31")]
    assert payment["status"] == "succeeded", (payment, await world.get("/api/gateways"), await world.get("/api/clock"))
    await a.well_again()
    await world.advance(to="2026-03-31T13:00:00Z")
    assert not await is_down()
    methods = await world.get("/api/customers/acme/payment-methods")
    assert next(each for each in methods if each["id"] == asked["id"])["status"] == "valid"


async def month_4_is_unknown_until_it_is_looked_up(world, b, subscription, second):
    await world.change(subscription, payment_method_id=second["id"])
    await b.webhooks("drop")
    await b.fault("drop_after", "confirm", times=1)
    async with in_a_hurry(world):
        await world.advance(to="2026-04-30T12:30:00Z")
    [payment] = [each for each in await payments_of(world) if each["requested_at"].startswith("2026-04-30")]
    assert payment["status"] == "succeeded"
    await b.webhooks("ok")
    assert (await health_of(world, "B"))["unknown"] == 1


async def month_5_is_disputed_and_won(world, b):
    await world.advance(to="2026-05-10T09:00:00Z")
    charge = next(each for each in await b.charges() if each["at"].startswith("2026-03-31"))
    dispute = await b.dispute(charge["ref"])
    await eligible(world, is_expected=False)
    await world.advance(to="2026-05-17T09:00:00Z")
    assert not await is_eligible(world)
    await b.decide(dispute, "won")
    await eligible(world, is_expected=True)
    await world.advance(to="2026-05-31T12:30:00Z")
    assert await is_eligible(world)


async def month_6_ends_in_a_block(world, b, second):
    await world.delete(f"/api/customers/acme/payment-methods/{second['id']}")
    await world.advance(to="2026-07-05T12:00:00Z")
    assert await is_eligible(world), "access goes on while it is tried again"
    await saved(world, "pm_card_invalid_account", b.endpoint_url)
    await eligible(world, is_expected=False)
    [case, _] = await world.get("/api/dunning/cases")
    lines = await world.get(f"/api/dunning/cases/{case['id']}/history")
    return [line["change"] for line in lines]


async def the_link_in_the_mail(world, kind):
    """Read the mailbox as its reader would, and return the link in the newest mail of this kind."""

    async def sent():
        customer = await world.get("/api/customers/acme")
        found = await world.get("/api/notifications", customer_id=customer["id"], kind=kind)
        return found[0] if found and found[0]["sent_at"] else None

    mail = await until(sent, what=f"the {kind}")
    text = (await world.get(f"/api/notifications/{mail['id']}"))["text"]
    return re.search(r"https?://\S+/checkout/\S+", text)[0]


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_customer_with_two_cards_at_two_accounts_lives_through_six_months(world, a, b):
    await world.put("/api/tenant/issuer", {"legal_name": "Guild of Billers", "email": "books@guild.example"})
    story = Story(world, a, b)
    await world.heard()
    subscription, _, second = await month_1_is_paid_with_the_first_card(world, a, b)
    await story.ends(at="2026-02-27T12:00:00Z", heading="Month 1: paid")

    await month_2_falls_back_to_the_second_card(world)
    await story.ends(at="2026-03-30T12:00:00Z", heading="Month 2: declined")

    await month_3_goes_round_an_account_that_is_out(world, a)
    await story.ends(at="2026-04-29T12:00:00Z", heading="Month 3: out")

    await month_4_is_unknown_until_it_is_looked_up(world, b, subscription, second)
    await story.ends(at="2026-05-09T12:00:00Z", heading="Month 4: unknown")

    await month_5_is_disputed_and_won(world, b)
    await story.ends(at="2026-06-29T12:00:00Z", heading="Month 5: disputed")

    changes = await month_6_ends_in_a_block(world, b, second)
    # Of the four tries with a date none is left for the 7th: what is hard ends it.
    assert changes == [
        "opened", "fell_back", "failed",  # 30 June: card 1, card 3
        "retried", "failed",  # 1 July
        "retried", "reminded", "failed",  # 3 July
        "retried", "failed", "exhausted", "blocked",  # 5 July: card 4
    ]  # fmt: skip
    await story.ends(at="2026-07-06T12:00:00Z", heading="Month 6: blocked")

    await world.pay(await the_link_in_the_mail(world, "apology"))
    await eligible(world, is_expected=True)
    await story.ends(at="2026-07-10T12:00:00Z", heading="And back")
    assert (await world.subscription(subscription))["status"] == "active"
    assert {each["status"] for each in await world.get("/api/invoices")} == {"paid"}
    assert await balances(world) == told_by_the_page()["The books"]["balance of"]
    await each_invoice_has_one_claim(a, b)
