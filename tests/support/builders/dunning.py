"""A subscription whose card has begun to fail."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from guilder.domain.customers.model import Customer
from guilder.domain.dunning import service as dunning
from guilder.domain.dunning.model import Case
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

    async def invoice(self) -> Invoice:
        case = await self.case()
        return (await self.shop.act(lambda tx: invoicing.get(tx, refs=[case.invoice_ref])))[case.invoice_ref]


async def a_customer_behind(shop: Shop, *, bank: Bank = says_no, **plan: Any) -> Behind:
    """Subscribe with a card that pays the first month, and then fails."""
    customer = await shop.customer(time_zone="UTC")
    card = await shop.card(customer)
    answer = await shop.subscribe(customer, await shop.plan(**plan), payment_method_id=card.id)
    assert answer.subscription is not None
    ref = answer.subscription.ref
    subscription = await shop.act(lambda tx: subscriptions.one(tx, ref=ref))
    assert subscription.status == "active"
    shop.bank = bank
    shop.charged_at.clear()
    shop.heard.clear()
    failed_at = subscription.current_period.ends_at
    await shop.advance(failed_at)
    return Behind(shop, customer, card, subscription.ref, failed_at)
