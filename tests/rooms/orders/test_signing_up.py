"""Many who subscribe at once: each as if alone, and who is refused keeps nobody else from it."""

import json

import pytest

from guilder.domain.catalog.model import Billing, Collection
from guilder.domain.customers import service as customers
from guilder.domain.customers.model import Customer
from guilder.domain.orders import service as orders
from guilder.domain.orders.model import Answer
from guilder.domain.orders.service import SignUp
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import Ref
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from tests.support.builders.orders import BASE_URL, Shop

ASKED = orders.Asked(base_url=BASE_URL)


def sign_up(customer: Customer, plan, **more) -> SignUp:
    return SignUp(**{"organization_id": customer.organization_id, "plan": plan.code, "asked": ASKED, **more})


async def together(shop: Shop, *sign_ups: SignUp, waits: bool = True):
    return await shop.act(lambda tx: orders.subscribe_each(tx, sign_ups=sign_ups, waits=waits, now=shop.now))


def said(answer) -> tuple:
    """Return what is answered, but for ids and numbers."""
    order, subscription, invoice, payment = answer.order, answer.subscription, answer.invoice, answer.payment
    return (
        (order.kind, order.status, order.amount_due, order.completed_at, order.abandon_at, dict(order.metadata)),
        (subscription.status, subscription.terms, subscription.current_period, subscription.next_due_at),
        invoice and (invoice.status, invoice.total, invoice.due, [(each.kind, each.amount) for each in invoice.lines]),
        payment and (payment.via, payment.amount, payment.status),
        answer.payment_link is not None,
    )


@pytest.fixture
async def plans(shop):
    return {
        "paid": await shop.plan(amount=3000),
        "free": await shop.plan(amount=0),
        "tried": await shop.plan(amount=900, trial_days=14),
        "sent": await shop.plan(amount=1200, billing=Billing(collection=Collection.SEND, net_days=14)),
        "in arrears": await shop.plan(amount=700, billing=Billing(in_arrears=True)),
    }


async def test_each_is_answered_as_if_it_were_alone(shop, plans):
    async def wishes():
        made = []
        for name, plan in plans.items():
            customer = await shop.customer()
            card = await shop.card(customer) if name == "paid" else None
            made.append(sign_up(customer, plan, payment_method_id=card.id if card else None, quantity=2))
        made.append(sign_up(await shop.customer(), plans["paid"], start=orders.Start(trial_days=3)))
        return made

    all_at_once = await together(shop, *await wishes())
    one_by_one = [(await together(shop, each))[0] for each in await wishes()]
    assert [said(each) for each in all_at_once] == [said(each) for each in one_by_one]
    assert {each.subscription.status.value for each in all_at_once} == {"processing", "active", "trialing"}


async def test_their_invoices_are_numbered_without_a_gap_and_paid_apart(shop, plans):
    wishes = []
    for _ in range(5):
        customer = await shop.customer()
        wishes.append(sign_up(customer, plans["paid"], payment_method_id=(await shop.card(customer)).id))
    answers = await together(shop, *wishes)
    numbers = sorted([await shop.number(each) for each in answers])
    assert len({each.rpartition("-")[2] for each in numbers}) == 5
    assert int(numbers[-1].rpartition("-")[2]) - int(numbers[0].rpartition("-")[2]) == 4
    await shop.drain()
    found = await shop.act(lambda tx: subscriptions.get(tx, refs=[each.subscription.ref for each in answers]))
    assert {each.status.value for each in found.values()} == {"active"}
    assert len(shop.charged_at) == 5


async def test_who_is_refused_keeps_no_other_from_it(shop, plans):
    good, other, erased = [await shop.customer() for _ in range(3)]
    await shop.subscribe(other, plans["free"])
    await shop.act(lambda tx: customers.erase(tx, refs=[Ref(erased.tenant_id, erased.id)], now=shop.now))
    strange = await shop.card(good)
    outcomes = await together(
        shop,
        SignUp(organization_id=good.organization_id, plan="no-such-plan", asked=ASKED),
        sign_up(other, plans["free"]),
        sign_up(good, plans["paid"], organization_id="nobody"),
        sign_up(erased, plans["paid"]),
        sign_up(other, plans["paid"], payment_method_id=strange.id),
        sign_up(good, plans["paid"]),
    )
    assert [getattr(each, "code", "begun") for each in outcomes] == [
        "not_found",
        "already_subscribed",
        "not_found",
        "customer_erased",
        "payment_method_not_usable",
        "begun",
    ]
    assert [each.field for each in outcomes[:5]] == [
        "plan_id",
        "plan_id",
        "organization_id",
        "organization_id",
        "payment_method_id",
    ]
    assert len(await shop.act(lambda tx: subscriptions.of_customer(tx, customer_id=good.id))) == 1
    assert len(await shop.act(lambda tx: subscriptions.of_customer(tx, customer_id=other.id))) == 1


async def test_one_customer_is_at_it_once(shop, plans):
    customer = await shop.customer()
    name = f"cus_{customer.id}"  # no id that we would write
    first, second, unknown = await together(
        shop,
        sign_up(customer, plans["paid"]),
        sign_up(customer, plans["paid"]),
        sign_up(customer, plans["paid"], organization_id=name),
    )
    assert first.subscription.customer_id == customer.id
    assert second is None
    assert isinstance(unknown, NotFound)
    assert len(await shop.act(lambda tx: subscriptions.of_customer(tx, customer_id=customer.id))) == 1


async def test_nobody_waits_for_a_customer_whom_another_holds(shop: Shop, plans, database: Database):
    held, free = await shop.customer(), await shop.customer()
    async with database.transaction([shop.tenant.tenant_id], actor="test") as tx:
        await customers.lock(tx, refs=[Ref(held.tenant_id, held.id)])
        left_alone, begun = await together(
            shop, sign_up(held, plans["paid"]), sign_up(free, plans["paid"]), waits=False
        )
    assert left_alone is None
    assert begun.subscription.customer_id == free.id


async def test_what_is_known_is_not_read_again_and_no_more_is_said_of_many_than_of_one(shop: Shop, plans, monkeypatch):
    said = []
    for name in ("fetch", "execute", "send"):
        monkeypatch.setattr(Tx, name, _said(getattr(Tx, name), said))
    counts = []
    for size in (1, 12):
        wishes = []
        for _ in range(size):
            customer = await shop.customer()
            wishes.append(sign_up(customer, plans["paid"], payment_method_id=(await shop.card(customer)).id))
        said.clear()
        assert all(isinstance(each, Answer) for each in await together(shop, *wishes, waits=False))
        counts.append(len(said))
        for table in ("customers.customers", "payments.methods", "catalog.plans", "identity.issuers"):
            assert len([each for each in said if f"from {table}" in each and "insert" not in each]) == 1, table
        assert len([each for each in said if "platform.subject_keys" in each]) == 2  # the customers', and the tenant's
    assert counts == [21, 21]


def _said(verb, said):
    async def counted(self, sql, *values):
        said.append(" ".join(sql.split()))
        return await verb(self, sql, *values)

    return counted


async def test_what_is_announced_is_of_the_request_that_asked_for_it(shop: Shop, plans, database: Database):
    people = [await shop.customer() for _ in range(3)]
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await together(
        shop,
        *[
            sign_up(
                each, plans["paid"], asked=orders.Asked(base_url=BASE_URL, request_id=f"req_{n}", traceparent=trace)
            )
            for n, each in enumerate(people[:2])
        ],
        sign_up(people[2], plans["paid"]),
    )
    async with database.transaction([shop.tenant.tenant_id], actor="test") as tx:
        rows = await tx.fetch(
            """select key, name, request_id, traceparent, payload from platform.log
                where topic in ('orders.events', 'subscriptions.events', 'invoices.events') order by id"""
        )
    assert {"orders.order.placed", "subscriptions.subscription.created", "invoicing.invoice.finalized"} <= {
        row["name"] for row in rows
    }
    of_whom = {each.id: f"req_{n}" for n, each in enumerate(people[:2])}
    assert {json.loads(row["payload"])["customer_id"] for row in rows} == {str(each.id) for each in people}
    for row in rows:
        assert row["request_id"] == of_whom.get(row["key"]), row["name"]
        assert row["traceparent"] == (trace if row["key"] in of_whom else None)
