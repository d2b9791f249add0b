"""Buying once: a product, or an amount that the tenant names; and an amount that is to be paid again and again."""

from datetime import datetime
from uuid import UUID

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Product
from guilder.domain.customers.model import Customer
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.rules import drafts
from guilder.domain.orders.model import Answer, OrderKind, Recurring
from guilder.domain.orders.rules import terms as rules
from guilder.domain.orders.service.beginning import Beginning, begin
from guilder.domain.orders.service.placing import Asked, Brought, check_method, held_customer, new_order, place
from guilder.domain.payments.model import PaymentMethod, Via
from guilder.kernel import ids
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.platform.db.tx import Tx


async def buy(
    tx: Tx,
    *,
    customer: str,
    product: UUID | str,
    asked: Asked,
    currency: str | None = None,
    payment_method_id: UUID | None = None,
    kind: OrderKind = OrderKind.BUY,
    now: datetime,
) -> Answer:
    """Sell a product: with the saved method that is named, else by link. Paying for it grants its access.

    :raises NotFound: no such customer or product; names the field
    :raises NoSuchPrice: it is not sold in that currency
    :raises MethodNotUsable: the payment method is not this customer's, or cannot be charged
    """
    buyer = await held_customer(tx, text=customer, only=asked.only, name="customer")
    found = await catalog.product(tx, product=product, field="product")
    price = rules.price_of_product(found, currency=currency)
    method = await check_method(tx, customer_id=buyer.id, payment_method_id=payment_method_id)
    return await _sell(
        tx,
        buyer,
        found.name,
        price,
        product=found,
        method=method,
        asked=asked,
        kind=kind,
        now=now,
    )


async def pay(
    tx: Tx,
    *,
    customer: str,
    amount: Money,
    description: str,
    asked: Asked,
    recurring: Recurring | None = None,
    payment_method_id: UUID | None = None,
    kind: OrderKind = OrderKind.PAY,
    now: datetime,
) -> Answer:
    """Charge a customer an amount that the tenant names, once or again and again.

    What is to be paid again and again is a subscription to a plan of its own, which is not on sale.

    :raises NotFound: no such customer; names the field
    :raises AmountTooLarge: it is more than is billed at once
    :raises MethodNotUsable: the payment method is not this customer's, or cannot be charged
    """
    payer = await held_customer(tx, text=customer, only=asked.only, name="customer")
    rules.checked_amount(amount)
    method = await check_method(tx, customer_id=payer.id, payment_method_id=payment_method_id)
    if recurring is None:
        return await _sell(
            tx,
            payer,
            description,
            amount,
            product=None,
            method=method,
            asked=asked,
            kind=kind,
            now=now,
        )
    content = rules.ad_hoc(name=recurring.name, amount=amount, interval=recurring.interval)
    made = await catalog.create_plan(tx, code=f"pay-{ids.new(now).hex}", content=content, now=now)
    hidden = await catalog.archive(tx, plan_id=made.id, now=now)
    beginning = Beginning(
        customer=payer,
        terms=rules.agreed(hidden, hidden.prices[0], quantity=1),
        starts_at=now,
        asked=asked,
        method=method,
    )
    [answer] = await begin(tx, [beginning], kind=kind, now=now)
    return answer


async def _sell(
    tx: Tx,
    buyer: Customer,
    description: str,
    price: Money,
    *,
    product: Product | None,
    method: PaymentMethod | None,
    asked: Asked,
    kind: OrderKind,
    now: datetime,
) -> Answer:
    order_id = ids.new(now)
    draft = drafts.one_off(
        tenant_id=buyer.tenant_id,
        customer_id=buyer.id,
        order_id=order_id,
        description=description,
        amount=price,
        product_id=product.id if product else None,
        payment_method_id=method.id if method else None,
        issued_at=now,
    )
    # Nobody is charged for a thing bought once without having said with what: without a method it is a link.
    via = Via.SAVED if method else Via.LINK
    known = invoicing.Known(buyers=[buyer], methods=[method] if method else [])
    [owed] = await invoicing.finalize_at_commit(tx, drafts=[draft], via=via, known=known, now=now)
    order = new_order(
        Ref(buyer.tenant_id, order_id),
        customer_id=buyer.id,
        kind=kind,
        currency=price.currency,
        metadata=asked.metadata,
        now=now,
    )
    if product is not None:
        order = replace(order, product_id=product.id, product_code=product.code, access_days=product.access_days)
    brought = Brought(
        order=order, invoice=owed.invoice, payment=owed.payment, subscription=None, base_url=asked.base_url
    )
    [answer] = await place(tx, [brought], now=now)
    return answer
