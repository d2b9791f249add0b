"""A subscription whose card has begun to fail."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from guilder.domain.customers.model import Customer
from guilder.domain.dunning import service as dunning
from guilder.domain.dunning.model import Case, Policy
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Invoice
from guilder.domain.payments.model import PaymentMethod
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Subscription
from guilder.kernel.ids import Ref
from guilder.kernel.page import PageQuery
from tests.support.builders.orders import Bank, Shop, says_no


@dataclass
class Behind:
    """A customer who is behind with a renewal."""

    shop: Shop
    customer: Customer
    card: PaymentMethod
    subscription_ref: Ref
    failed_at: datetime

    async def subscription(self) -> Subscription:
        return await self.shop.act(lambda tx: subscriptions.one(tx, ref=self.subscription_ref))

    async def case(self) -> Case:
        """Return the newest case."""
        page = await self.shop.act(lambda tx: dunning.listing(tx, query=PageQuery()))
        return page.items[0]

    async def history(self) -> list[tuple[str, str | None, str]]:
        """Return what happened to the newest case: what, from which state, to which."""
        case = await self.case()
        lines = await self.shop.act(lambda tx: dunning.changes(tx, case_id=case.id))
        return [
            (each.change.value, each.from_status and each.from_status.value, each.to_status.value) for each in lines
        ]

    async def has(self, **rules: Any) -> None:
        """Set the tenant's policy, as usual but for this."""
        policy = Policy(tenant_id=self.shop.tenant.tenant_id, **rules)
        await self.shop.act(lambda tx: dunning.set_policy(tx, policy=policy, now=self.shop.now))

    async def pauses(self, *, until: datetime | None = None) -> None:
        case = await self.case()
        shop = self.shop
        await shop.act(lambda tx: dunning.pause(tx, case_id=case.id, until=until, reason="on leave", now=shop.now))

    async def resumes(self) -> None:
        case = await self.case()
        await self.shop.act(lambda tx: dunning.resume(tx, case_id=case.id, now=self.shop.now))
        await self.shop.drain()

    async def invoice(self) -> Invoice:
        case = await self.case()
        return (await self.shop.act(lambda tx: invoicing.get(tx, refs=[case.invoice_ref])))[case.invoice_ref]


async def a_customer_behind(
    shop: Shop,
    *,
    bank: Bank = says_no,
    spare: Sequence[str] = (),
    bank_of: Callable[[list[PaymentMethod]], Bank] | None = None,
    rules: dict[str, Any] | None = None,
    **plan: Any,
) -> Behind:
    """Subscribe with a card that pays the first month, and then fails.

    `spare` are the last digits of other cards, `bank_of` makes a bank of all the cards, the usual one first; `rules`
    are the policy's, as usual but for these.
    """
    customer = await shop.customer(time_zone="UTC")
    card = await shop.card(customer)
    others = [await shop.card(customer, last4=last4) for last4 in spare]
    answer = await shop.subscribe(customer, await shop.plan(**plan), payment_method_id=card.id)
    assert answer.subscription is not None
    ref = answer.subscription.ref
    subscription = await shop.act(lambda tx: subscriptions.one(tx, ref=ref))
    assert subscription.status == "active"
    shop.bank = bank_of([card, *others]) if bank_of else bank
    shop.charged_at.clear()
    shop.heard.clear()
    failed_at = subscription.current_period.ends_at
    behind = Behind(shop, customer, card, subscription.ref, failed_at)
    if rules:
        await behind.has(**rules)
    await shop.advance(failed_at)
    return behind
