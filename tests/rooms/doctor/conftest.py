"""A world in which everything went as it should, and much of what can happen did. Made once: tests undo what they break."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import NewProduct
from guilder.domain.dunning.events import AccessToBlock, CaseClosed, CaseRecovered
from guilder.domain.entitlements import handlers as entitlements
from guilder.domain.gateways.model import Outcome, OutcomeKind, RequestKind
from guilder.domain.identity.model import Mode
from guilder.domain.invoicing import handlers as invoicing
from guilder.domain.invoicing import jobs as invoicing_jobs
from guilder.domain.invoicing import service as invoices
from guilder.domain.orders import service as orders
from guilder.domain.orders.events import OrderCompleted
from guilder.domain.orders.rules.change import When
from guilder.domain.payments import service as payments
from guilder.domain.payments.events import PaymentFailed, RefundSucceeded
from guilder.domain.payments.model import Answer, NewRefund
from guilder.domain.subscriptions import jobs as subscriptions_jobs
from guilder.domain.subscriptions.events import SubscriptionEvent
from guilder.kernel.ids import Ref, TenantId
from guilder.kernel.money import Money
from guilder.platform.bus import together
from guilder.platform.clock import WallClock
from guilder.platform.db.database import Database
from guilder.wiring.doctor.report import Report
from guilder.wiring.doctor.run import inspect
from tests.support.builders.identity import new_tenant
from tests.support.builders.orders import BASE_URL, Shop, a_shop, asked, days, says_no
from tests.support.builders.orders import says_yes as yes
from tests.support.database import DatabaseUrls, connected, new_database
from tests.support.ground import database_with_vault

STARTS = datetime(2031, 1, 31, 12, tzinfo=UTC)  # far from the wall clock: only the sandbox's own can make it right

# What the shop leaves undone.
LATE_JOBS = (
    ("invoicing.recognition_due", invoicing_jobs.recognize_due),
    ("subscriptions.trial_reminders_due", subscriptions_jobs.remind_of_trials),
)


@dataclass
class World:
    urls: DatabaseUrls
    tenant_id: TenantId
    other_id: TenantId
    sandbox_now: datetime
    journal: dict[str, Any]

    @property
    def now(self) -> datetime:
        return WallClock().now()

    @asynccontextmanager
    async def broken(self, sql: str = "") -> AsyncIterator[Callable[..., Awaitable[Report]]]:
        """Do what no code of ours could, look at it as the doctor, and undo it."""
        async with connected(self.urls.admin) as admin:
            transaction = admin.transaction(isolation="repeatable_read")
            await transaction.start()
            try:
                if sql:
                    await admin.execute(_UNGUARD)
                    await admin.execute(sql)

                async def look(**over: Any) -> Report:
                    said = {"now": self.now, "journal": self.journal, "settled": True}
                    return await inspect(admin, **{**said, **over})

                yield look
            finally:
                await transaction.rollback()


# Triggers, foreign keys and constraints hold most of it already; what is left to the doctor is the day they do not.
_UNGUARD = """
set local session_replication_role = replica;
do $$
declare
    one record;
begin
    for one in select k.conrelid::regclass as place, k.conname from pg_constraint k
                 join pg_namespace n on n.oid = k.connamespace
                where k.contype in ('c', 'u', 'f') and n.nspname in (
                    'ledger', 'payments', 'gateways', 'invoicing', 'subscriptions', 'orders', 'dunning', 'notifications')
                order by k.contype = 'f' desc -- before the keys that they refer to
    loop
        execute format('alter table %s drop constraint %I', one.place, one.conname);
    end loop;
    drop index payments.payments_one_holds;
end $$;
"""

# The bank stands in for the runner that calls providers, and keeps what that would have noted; nobody runs the rest.
_RUNNER = """
update gateways.requests q set is_settled = true, check_due_at = null,
    outcome = case when p.status = 'succeeded' then 'succeeded' when p.status = 'declined' then 'declined'
                   else 'canceled' end
    from payments.payments p where p.business_key = q.business_key and q.kind in ('charge', 'cancel')
    and p.status in ('succeeded', 'declined', 'canceled');
update gateways.requests set is_settled = true, check_due_at = null, outcome = 'succeeded'
    where kind in ('setup', 'refund');
update platform.intents set state = 'done';
"""


@pytest.fixture(scope="session")
async def world(cluster: DatabaseUrls, worker_id: str) -> AsyncIterator[World]:
    async with (
        new_database(cluster, f"guilder_{worker_id}_doctor") as urls,
        database_with_vault(urls) as database,
        connected(urls.admin) as admin,
    ):
        other = await new_tenant(database)
        shop = await a_shop(database, mode=Mode.SANDBOX, now=STARTS)
        await _live(shop)
        await _hear(shop)
        await admin.execute(_RUNNER)
        await admin.execute("update identity.sandbox_clocks set now_at = $1", shop.now)
        await _sequence(database)
        yield World(urls, shop.tenant.tenant_id, other.tenant_id, shop.now, await _journal(admin))


async def _live(shop: Shop) -> None:
    """Two months: paid, renewed, declined, blocked, repaid, changed, canceled, bought, refunded, voided, written off."""
    plan = await shop.plan(code="pro")
    small = await shop.plan(code="small", amount=900)
    film = NewProduct(code="film", name="A Film", description="", prices=(Money(499, "EUR"),), access_days=30)
    await shop.act(lambda tx: catalog.create_product(tx, product=film, now=shop.now))
    payer, upgrader, tryer = [await shop.customer() for _ in range(3)]
    cards = {each.id: await shop.card(each) for each in (payer, upgrader)}
    await shop.subscribe(payer, plan, payment_method_id=cards[payer.id].id)
    changing = await shop.subscribe(upgrader, small, payment_method_id=cards[upgrader.id].id)
    await shop.subscribe(tryer, plan, trial_days=14)
    await _buys(shop, payer.organization_id)
    await _voided(shop, await shop.customer(), plan)
    shop.now += days(10)
    wish = orders.Wish(plan="pro")
    assert changing.subscription is not None
    await shop.act(
        lambda tx: orders.change(tx, subscription_id=changing.subscription.id, wish=wish, asked=asked(), now=shop.now)
    )
    await shop.drain()
    await _in_arrears(shop, plan)
    await _written_off(shop, payer.organization_id)
    await _hear(shop)  # what was never granted cannot end
    await shop.act(lambda tx: orders.cancel(tx, subscription_id=changing.subscription.id, when=When.NOW, now=shop.now))
    await shop.drain()


async def _buys(shop: Shop, organization_id: str) -> None:
    """Buy a film, and have half of it given back."""
    order = await shop.act(
        lambda tx: orders.buy(tx, customer=organization_id, product="film", asked=asked(), now=shop.now)
    )
    await shop.drain()
    await shop.pays_by_link(order)
    found = await shop.act(lambda tx: payments.current(tx, invoices=[order.invoice.ref]))
    wanted = NewRefund(payment_id=found[order.invoice.ref].id, reason="half of it was dull", amount_minor=200)
    made = await shop.act(lambda tx: payments.make_refund(tx, refund=wanted, now=shop.now))
    done = Outcome(kind=OutcomeKind.SUCCEEDED, amount=made.amount, provider_ref=f"re_{made.id.hex}")
    answer = Answer(
        tenant_id=made.tenant_id, business_key=made.business_key, kind=RequestKind.REFUND, outcome=done, at=shop.now
    )
    await shop.act(lambda tx: payments.record_refunds(tx, answers=[answer], now=shop.now))
    [given_back] = [event for event in shop.heard if isinstance(event, RefundSucceeded)]
    await shop.tell(invoicing.on_refund_succeeded, [given_back])


async def _voided(shop: Shop, customer: Any, plan: Any) -> None:
    """Ask for a plan, and change one's mind before paying."""
    asked_for = await shop.subscribe(customer, plan)
    assert asked_for.subscription is not None
    await shop.act(lambda tx: orders.cancel(tx, subscription_id=asked_for.subscription.id, when=When.NOW, now=shop.now))
    await shop.drain()


async def _in_arrears(shop: Shop, plan: Any) -> None:
    """Two cards stop working: one is repaid by hand after the block, the other is not."""
    late, later = [await shop.customer() for _ in range(2)]
    cards = [await shop.card(each) for each in (late, later)]
    for each, card in zip((late, later), cards, strict=True):
        await shop.subscribe(each, plan, payment_method_id=card.id)
    shop.bank = lambda payment: says_no(payment) if payment.customer_id in {late.id, later.id} else yes(payment)
    await shop.advance(shop.now + days(45))
    unpaid = next(each for each in shop.heard if isinstance(each, PaymentFailed) and each.customer_id == late.id)
    opened = await shop.act(
        lambda tx: orders.repay(tx, invoice=unpaid.invoice_id, payment_method_id=None, base_url=BASE_URL, now=shop.now)
    )
    await shop.drain()
    await shop.pays_by_link(opened)


async def _written_off(shop: Shop, organization_id: str) -> None:
    order = await shop.act(
        lambda tx: orders.pay(
            tx,
            customer=organization_id,
            amount=Money(1200, "EUR"),
            description="Advice",
            asked=asked(),
            now=shop.now,
        )
    )
    await shop.drain()
    await shop.act(lambda tx: invoices.give_up(tx, refs=[order.invoice.ref], now=shop.now))


async def _hear(shop: Shop) -> None:
    """Have entitlements hear it all, in the order in which it was said; then do what the clock asks beside it."""
    for event in list(shop.heard):
        if isinstance(event, SubscriptionEvent):
            await shop.tell(entitlements.on_subscription_moved, [event])
        elif isinstance(event, OrderCompleted):
            await shop.tell(entitlements.on_order_completed, [event])
        elif isinstance(event, AccessToBlock):
            await shop.tell(entitlements.on_access_to_block, [event])
        elif isinstance(event, CaseRecovered | CaseClosed):
            await shop.tell(entitlements.on_case_over, [event])
    for find, run in LATE_JOBS:
        while refs := await due(shop, find):
            await shop.act(lambda tx, run=run, refs=refs: run(tx, refs, now=shop.now))


async def due(shop: Shop, find: str) -> list[Ref]:
    async with shop.database.transaction(actor="test", keep=False) as tx:
        rows = await tx.fetch(f"select * from {find}($1, $2, 100)", shop.tenant.tenant_id, shop.now)
    return [Ref(row["tenant_id"], row["id"]) for row in rows]


async def _sequence(database: Database) -> None:
    async with database.transaction(actor="test") as tx:
        await together.sequence(tx, list(range(16)), rows_max=100_000)


async def _journal(admin: Any) -> dict[str, Any]:
    """Say what a provider would say: everything that succeeded, and a try that did not."""
    charges = await admin.fetchval(
        """select jsonb_agg(jsonb_build_object('ref', provider_ref, 'business_key', business_key, 'amount', amount_minor,
               'currency', lower(currency), 'status', 'succeeded', 'at', settled_at))::text
           from payments.payments where status = 'succeeded'"""
    )
    refunds = await admin.fetchval(
        """select jsonb_agg(jsonb_build_object('ref', r.provider_ref, 'charge_ref', p.provider_ref, 'business_key',
               r.tenant_id || ':refund:' || r.id, 'amount', r.amount_minor, 'currency', r.currency, 'status', r.status,
               'at', r.settled_at))::text
           from payments.refunds r join payments.payments p using (tenant_id) where p.id = r.payment_id"""
    )
    strange = {
        "ref": "pi_0",
        "business_key": None,
        "amount": 5,
        "currency": "eur",
        "status": "succeeded",
        "at": "2031-01-31",
    }
    return {
        "charges": [*json.loads(charges), strange, {**strange, "business_key": "a:b:c"}],
        "refunds": json.loads(refunds),
    }
