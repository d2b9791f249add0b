"""Payment terms, invoices by hand, several issuers, and invoices that subscriptions share."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from guilder.domain.customers import service as customers
from guilder.domain.customers.model import CustomerChanges
from guilder.domain.identity import service as identity
from guilder.domain.invoicing import jobs
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Settled
from guilder.domain.invoicing.rules.by_hand import Item
from guilder.domain.invoicing.service import ByHand, MixedCurrencies, UnknownIssuer
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Via
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel import ids
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.kernel.page import PageQuery
from tests.rooms.invoicing.test_finalize import names
from tests.support.builders.identity import NOW
from tests.support.builders.invoicing import a_draft, a_line, an_invoice, is_paid_for


def by_hand(customer, **over):
    items = (Item(description="Advice", unit_amount=Money(8_000, "EUR"), quantity=Decimal("2.5")),)
    return ByHand(**{"customer_id": customer.id, "currency": "EUR", "items": items, **over})


async def test_staff_makes_an_invoice_that_is_sent(open_tx, customer, vat):
    async with open_tx() as tx:
        made = await invoicing.make_invoice(tx, wanted=by_hand(customer, net_days=30, memo="PO 7"), now=NOW)
        assert await invoicing.one(tx, invoice=made.id) == made
        payment = (await payments.current(tx, invoices=[made.ref]))[made.ref]
        dollars = (Item(description="", unit_amount=Money(1, "USD")),)
        with pytest.raises(MixedCurrencies):
            await invoicing.make_invoice(tx, wanted=by_hand(customer, items=dollars), now=NOW)
        with pytest.raises(UnknownIssuer):
            await invoicing.make_invoice(tx, wanted=by_hand(customer, issuer_id=customer.id), now=NOW)
    assert (made.subtotal.minor, made.lines[0].quantity, made.memo) == (20_000, Decimal("2.5"), "PO 7")
    assert (made.is_sent, payment.via) == (True, Via.LINK)
    assert made.due_at == datetime(2026, 3, 31, 11, tzinfo=UTC), "13:00 in Amsterdam, as when it was issued in winter"


async def test_days_to_pay_are_the_drafts_else_the_customers_else_the_issuers(open_tx, tenant, customer):
    async with open_tx() as tx:
        [issuer] = (await identity.issuer(tx, tenant_ids=[tenant])).values()
        await identity.set_issuer(tx, issuer=replace(issuer, terms_days=7), now=NOW)
        plain = await an_invoice(tx, customer)
        await customers.update(tx, customer_id=customer.id, changes=CustomerChanges(net_days=14), now=NOW)
        theirs = await an_invoice(tx, customer)
        own = await an_invoice(tx, customer, net_days=0)
    assert [(each.due_at - NOW).days for each in (plain, theirs, own)] == [7, 14, 0]


async def test_what_was_sent_is_reminded_of_once_three_days_before_it_is_due(open_tx, customer):
    async with open_tx() as tx:
        made = await an_invoice(tx, customer, is_sent=True, net_days=10)
        await an_invoice(tx, customer, is_sent=True, net_days=2)
        await an_invoice(tx, customer, net_days=10)
        soon = NOW + timedelta(days=7)
        found = "select id from invoicing.due_soon_due($1, $2, 10)"
        assert await tx.fetch(found, made.tenant_id, soon - timedelta(seconds=1)) == []
        assert [row["id"] for row in await tx.fetch(found, made.tenant_id, soon)] == [made.id]
    for told in (1, 0):
        async with open_tx() as tx:
            assert await jobs.tell_due_soon(tx, [made.ref], now=soon) == told
            assert names(tx) == ["invoicing.invoice.due_soon"] * told


async def test_each_issuer_counts_for_itself(open_tx, customer):
    async with open_tx() as tx:
        [first] = await identity.issuers_of(tx)
        french = replace(
            first,
            id=ids.new(NOW),
            legal_name="Acme SARL",
            number_format="FR-{number}",
            credit_note_format="AV-{number}",
        )
        await identity.add_issuer(tx, issuer=french, now=NOW)
        made = [await an_invoice(tx, customer, amount, issuer_id=french.id) for amount in (100, -50, 100)]
        made.append(await an_invoice(tx, customer, 100))
    assert [each.number for each in made] == ["FR-1", "AV-1", "FR-2", "INV-2026-00001"]
    assert made[0].seller.name == "Acme SARL"


async def test_subscriptions_share_an_invoice_and_all_begin_when_it_is_paid(open_tx, tenant, customer, subscribed):
    waiting = [await subscribed(is_active=False) for _ in range(2)]
    async with open_tx() as tx:
        [issuer] = (await identity.issuer(tx, tenant_ids=[tenant])).values()
        await identity.set_issuer(tx, issuer=replace(issuer, consolidates=True), now=NOW)
        drafts = [
            a_draft(customer, lines=(a_line(1_000, subscription_id=each.id),), subscription_id=each.id)
            for each in waiting
        ]
        apart = a_draft(customer, 5, order_id=customer.id)
        shared = await invoicing.consolidated(tx, drafts=[*drafts, apart])
        made, alone = await invoicing.finalize(tx, drafts=shared, via=Via.LINK, now=NOW)
        for each in waiting:
            query = PageQuery(limit=10, after=None)
            assert (await invoicing.listing(tx, query=query, subscription_id=each.id)).items == [made]
        paid = await is_paid_for(tx, made)
        told = Settled(tenant_id=tenant, invoice_id=made.id, payment_id=paid.id, settled_at=NOW)
        await invoicing.settle(tx, settled=[told], now=NOW)
        found = await subscriptions.get(tx, refs=[each.ref for each in waiting])
    assert (made.total.minor, made.subscription_id, alone.total.minor) == (2_000, None, 5)
    assert made.subscription_ids == tuple(sorted(each.id for each in waiting))
    assert {each.status.value for each in found.values()} == {"active"}


async def test_other_days_and_ways_to_pay_are_apart(open_tx, tenant, customer):
    drafts = [
        a_draft(customer),
        a_draft(customer, issued_at=NOW + timedelta(days=1)),
        a_draft(customer, is_sent=True),
        a_draft(customer),
    ]
    async with open_tx() as tx:
        assert await invoicing.consolidated(tx, drafts=drafts) == drafts
        [issuer] = (await identity.issuer(tx, tenant_ids=[tenant])).values()
        await identity.set_issuer(tx, issuer=replace(issuer, consolidates=True), now=NOW)
        shared = await invoicing.consolidated(tx, drafts=drafts)
    assert [len(each.lines) for each in shared] == [2, 1, 1]
    assert shared[0].lines == drafts[0].lines + drafts[3].lines
