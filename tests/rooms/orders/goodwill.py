"""What staff gives in the lives of subscriptions: refunds, credit notes, gifts."""

from typing import Any

from guilder.domain.gateways.model import Outcome, OutcomeKind, RequestKind
from guilder.domain.invoicing import handlers as invoicing_handlers
from guilder.domain.invoicing import service as invoicing
from guilder.domain.payments import service as payments
from guilder.domain.payments.events import RefundSucceeded
from guilder.domain.payments.model import Answer, NewRefund, NoteWish
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery


async def giving(life: Any) -> str:
    amount = life.rng.randint(100, 3_000)
    gift = {"priority": 1, "expires_at": None, "name": "Gift", "is_paid": False}
    now, customer = life.shop.now, life.customer.id
    await life.shop.act(
        lambda tx: invoicing.grant_prepaid(tx, customer_id=customer, amount=Money(amount, "EUR"), now=now, **gift)
    )
    life.goodwill += amount * 119 // 100 + 1
    return str(amount)


async def refunding(life: Any) -> str:
    """Give back some of a payment, with a note or without; it may be on its way for ever."""
    shop, rng = life.shop, life.rng
    paid = (await shop.act(lambda tx: payments.history(tx, query=PageQuery(limit=200)))).items
    taken_in = sorted((each for each in paid if each.status == "succeeded"), key=lambda each: each.id)
    if not taken_in:
        return "nothing"
    payment = rng.choice(taken_in)
    amount = rng.choice([None, rng.randint(1, payment.amount.minor)])
    note = rng.choice([NoteWish.NONE, NoteWish.NONE, NoteWish.FULL])
    wanted = NewRefund(payment_id=payment.id, reason="Sorry", amount_minor=amount, credit_note=note)
    made = await shop.act(lambda tx: payments.make_refund(tx, refund=wanted, now=shop.now))
    life.goodwill += made.amount.minor
    if rng.random() < 0.7:
        done = Outcome(kind=OutcomeKind.SUCCEEDED, amount=made.amount, provider_ref=f"re_{made.id.hex}")
        answer = Answer(
            tenant_id=made.tenant_id, business_key=made.business_key, kind=RequestKind.REFUND, outcome=done, at=shop.now
        )
        await shop.act(lambda tx: payments.record_refunds(tx, answers=[answer], now=shop.now))
        heard = [each for each in shop.heard if isinstance(each, RefundSucceeded) and each.refund_id == made.id]
        for handler in (invoicing_handlers.on_refund_succeeded, invoicing_handlers.on_refund_with_note):
            await shop.tell(handler, heard)
        await shop.drain()
    return f"{made.amount.minor} of {payment.amount.minor} {note}"


async def noting(life: Any) -> str:
    """Credit some of an invoice."""
    shop, rng = life.shop, life.rng
    found = (await shop.act(lambda tx: invoicing.listing(tx, query=PageQuery(limit=200)))).items
    charged = sorted((each for each in found if each.kind == "invoice" and each.total.minor), key=lambda each: each.id)
    if not charged:
        return "nothing"
    invoice = rng.choice(charged)
    amount = rng.choice([None, rng.randint(1, invoice.total.minor)])
    said = invoicing.Correction(reason="Sorry", amount_minor=amount)
    note = await shop.act(
        lambda tx: invoicing.credit_note(tx, invoice_id=invoice.id, correction=said, by_two=True, now=shop.now)
    )
    life.goodwill -= note.total.minor
    return f"{-note.total.minor} of {invoice.number}"
