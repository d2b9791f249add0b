"""Company products ask to charge customers: once by the id that they gave it, and they hear what became of it."""

import asyncio
import json

import pytest

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import NewProduct
from guilder.domain.customers import service as customers
from guilder.domain.invoicing import service as invoicing
from guilder.domain.orders.events import ChargeRequested
from guilder.kernel import ids
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money
from guilder.platform.auth.principal import Role
from tests.support.builders.identity import new_tenant
from tests.support.builders.orders import says_never, says_no


def an_event(customer, number=1, *, source="studio", **over):
    data = {"customer": customer, "amount": 1250, "currency": "EUR", "description": "Rendering", **over}
    return {
        "specversion": "1.0",
        "id": f"job-{number}",
        "source": source,
        "type": "orders.charge.requested",
        "data": data,
    }


async def a_payer(front, **over):
    customer = await front.shop.customer(**over)
    await front.shop.card(customer)
    front.shop.pending.clear()
    front.shop.heard.clear()
    return customer.organization_id


async def deliver(front):
    """Let the workers do what was asked: what a request announced lies in the log, not with the shop."""
    async with front.shop.database.transaction([front.shop.tenant.tenant_id], actor="test") as tx:
        rows = await tx.fetch("select id, source, source_id from orders.charges where status = 'received' order by id")
    front.shop.pending += [
        (
            ChargeRequested(
                tenant_id=front.shop.tenant.tenant_id,
                charge_id=row["id"],
                asker_key=row["id"],
                source=row["source"],
                source_id=row["source_id"],
            ),
            front.shop.now,
        )
        for row in rows
    ]
    await front.shop.drain()


async def became(front, taken):
    answer = await front.ask("GET", f"/api/charges/{taken.json()['data']['id']}")
    return answer.json()["data"]


def told(front):
    return [name for name in front.shop.names() if name.startswith("orders.charge.")]


async def test_a_charge_is_answered_at_once_and_collected_by_the_workers(front):
    payer = await a_payer(front)
    taken = await front.ask("POST", "/api/charges", an_event(payer))
    assert taken.status_code == 202
    assert (taken.json()["data"]["status"], taken.json()["data"]["is_duplicate"]) == ("received", False)
    await deliver(front)
    charge = await became(front, taken)
    assert (charge["status"], charge["payment_link"], charge["amount"]) == ("settled", None, 1250)
    order = (await front.ask("GET", f"/api/orders/{charge['order_id']}")).json()["data"]
    assert (order["kind"], order["status"], order["amount_due"]) == ("charge", "completed", 1250)
    assert told(front) == ["orders.charge.accepted", "orders.charge.settled"]


@pytest.mark.shows("fault F1", "fault F9", "ASVS 2.3.3")
async def test_twenty_at_once_with_one_id_are_one_charge(front):
    payer = await a_payer(front)
    answers = await asyncio.gather(*[front.ask("POST", "/api/charges", an_event(payer)) for _ in range(20)])
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["data"]["id"] for answer in answers}) == 1
    assert sum(not answer.json()["data"]["is_duplicate"] for answer in answers) == 1
    await deliver(front)
    again = await front.ask("POST", "/api/charges", an_event(payer))
    assert (again.json()["data"]["status"], again.json()["data"]["is_duplicate"]) == ("settled", True)
    await deliver(front)
    assert len(front.shop.charged_at) == 1


async def test_an_id_stands_for_one_charge_of_its_source(front):
    payer = await a_payer(front)
    await front.ask("POST", "/api/charges", an_event(payer))
    other = await front.ask("POST", "/api/charges", an_event(payer, amount=1251))
    assert (other.status_code, other.json()["code"], other.json()["field"]) == (422, "charge_id_reused", "id")
    elsewhere = await front.ask("POST", "/api/charges", an_event(payer, source="archive", amount=1251))
    assert elsewhere.status_code == 202
    await deliver(front)
    assert len(front.shop.charged_at) == 2


@pytest.mark.shows("ASVS 2.3.3")
async def test_a_batch_is_taken_whole_or_not_at_all(front):
    payer = await a_payer(front)
    events = [an_event(payer, n) for n in range(3)]
    bad = await front.ask("POST", "/api/charges/batch", [*events, an_event(payer, 4, amount=-1)])
    assert bad.status_code == 422
    assert bad.json()["errors"][0]["field"].startswith("[3].data.amount")
    reused = await front.ask("POST", "/api/charges/batch", [*events, an_event(payer, 2, amount=7)])
    assert (reused.status_code, reused.json()["field"]) == (422, "[3].id")
    assert (await front.ask("GET", "/api/charges")).json()["data"] == []
    taken = await front.ask("POST", "/api/charges/batch", [*events, events[0]])
    assert [each["is_duplicate"] for each in taken.json()["data"]] == [False, False, False, True]
    await deliver(front)
    assert len(front.shop.charged_at) == 3


async def test_one_that_cannot_be_charged_is_refused_and_stops_no_other(front):
    payer = await a_payer(front)
    refused = await front.ask("POST", "/api/charges", an_event("nobody", 1))
    good = await front.ask("POST", "/api/charges", an_event(payer, 2))
    unsold = await front.ask(
        "POST", "/api/charges", an_event(payer, 3, amount=None, currency=None, product="no-such-film")
    )
    await deliver(front)
    found = [(each["status"], each["reason"]) for each in [await became(front, one) for one in (refused, good, unsold)]]
    assert found == [("refused", "not_found"), ("settled", ""), ("refused", "not_found")]
    assert told(front).count("orders.charge.refused") == 2


async def test_without_a_saved_method_the_customer_gets_a_link(front):
    customer = await front.shop.customer()
    taken = await front.ask("POST", "/api/charges", an_event(customer.organization_id))
    await deliver(front)
    charge = await became(front, taken)
    assert charge["status"] == "placed"
    assert charge["payment_link"].startswith("https://billing.example.com/checkout/")


async def test_a_product_hears_of_a_decline_and_of_the_payment_that_came_after_all(front):
    payer = await a_payer(front)
    front.shop.bank = says_no
    taken = await front.ask("POST", "/api/charges", an_event(payer))
    await deliver(front)
    assert ((await became(front, taken))["status"], told(front)[-1]) == ("placed", "orders.charge.failed")
    [failed] = [each for each in front.shop.heard if each.name == "orders.charge.failed"]
    assert (failed.reason, failed.is_final) == ("insufficient_funds", False)


async def test_what_credit_pays_is_settled_as_it_is_placed(front):
    payer = await a_payer(front)

    async def please(tx):
        customer = await customers.find(tx, text=payer)
        amount = Money(2000, "EUR")
        await invoicing.grant_credit(tx, customer_id=customer.id, amount=amount, reason="goodwill", now=front.shop.now)

    await front.shop.act(please)
    front.shop.heard.clear()
    taken = await front.ask("POST", "/api/charges", an_event(payer))
    await deliver(front)
    charge = await became(front, taken)
    assert (charge["status"], charge["decided_at"] is None, front.shop.charged_at) == ("settled", False, [])
    assert told(front) == ["orders.charge.accepted", "orders.charge.settled"]


async def test_a_product_that_is_sold_once_can_be_charged_by_its_code(front):
    payer = await a_payer(front)
    film = NewProduct(code="film", name="A Film", description="", prices=(Money(499, "EUR"),), access_days=30)
    await front.shop.act(lambda tx: catalog.create_product(tx, product=film, now=front.shop.now))
    taken = await front.ask("POST", "/api/charges", an_event(payer, amount=None, currency=None, product="film"))
    await deliver(front)
    charge = await became(front, taken)
    order = (await front.ask("GET", f"/api/orders/{charge['order_id']}")).json()["data"]
    assert (order["product_code"], order["amount_due"], charge["status"]) == ("film", 499, "settled")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"type": "orders.charge.settled"}, "type"),
        ({"id": ""}, "id"),
        ({"source": "x" * 256}, "source"),
        ({"tenant": "other"}, "tenant"),
        ({"data": {"customer": "acme", "amount": 1}}, "data"),
        ({"data": {"customer": "acme", "amount": 1, "currency": "EUR", "product": "film"}}, "data"),
        ({"data": {"customer": "acme", "amount": 1.5, "currency": "EUR"}}, "data.amount"),
        ({"data": {"customer": "acme", "amount": 1, "currency": "EURO"}}, "data.currency"),
    ],
)
async def test_what_is_no_charge_is_refused_by_the_path_of_its_field(front, change, field):
    refused = await front.ask("POST", "/api/charges", {**an_event("acme"), **change})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"].startswith(field)


async def test_cloudevents_own_content_types_are_taken(front):
    payer = await a_payer(front)
    headers = {"authorization": f"Bearer {front.ask.token}"}
    for path, kind, body in (
        ("/api/charges", "application/cloudevents+json; charset=UTF-8", an_event(payer)),
        ("/api/charges/batch", "application/cloudevents-batch+json", [an_event(payer, 2)]),
    ):
        answer = await front.ask.client.post(path, content=json.dumps(body), headers={**headers, "content-type": kind})
        assert answer.status_code == 202, answer.text


async def test_whom_it_is_allowed(front):
    payer = await a_payer(front)
    reader = await front.served.key_of(front.shop.tenant, Role.MEMBER)
    assert (await reader("POST", "/api/charges", an_event(payer))).status_code == 403
    user = front.served.user_of(payer)
    assert (await user("POST", "/api/charges", an_event(payer))).status_code == 403
    # Another tenant's customer is nobody here, and its ids are its own.
    stranger = await front.served.key_of(await new_tenant(front.shop.database))
    taken = await stranger("POST", "/api/charges", an_event(payer))
    assert taken.status_code == 202
    own = await front.ask("GET", f"/api/charges/{taken.json()['data']['id']}")
    assert own.status_code == 404


async def test_why_a_card_was_refused_for_good_is_told(front):
    payer = await a_payer(front)
    front.shop.bank = says_never
    taken = await front.ask("POST", "/api/charges", an_event(payer))
    await deliver(front)
    charge = await became(front, taken)
    assert (charge["status"], charge["reason"]) == ("placed", "lost_card")


async def test_a_charge_whose_invoice_is_void_is_told_to_be_over(front):
    customer = await front.shop.customer()
    taken = await front.ask("POST", "/api/charges", an_event(customer.organization_id))
    await deliver(front)
    invoice = Ref(front.shop.tenant.tenant_id, ids.from_text("inv", (await became(front, taken))["invoice_id"]))
    await front.shop.act(lambda tx: invoicing.void(tx, refs=[invoice], now=front.shop.now))
    await front.shop.drain()
    assert ((await became(front, taken))["status"], told(front)[-1]) == ("failed", "orders.charge.failed")
    [over] = [each for each in front.shop.heard if each.name == "orders.charge.failed"]
    assert (over.reason, over.is_final) == ("given_up", True)
