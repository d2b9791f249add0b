"""Money of lives of subscriptions that is on its way back, or with a bank, and comes back after all."""

from typing import Any

from guilder.domain.gateways.model import DisputeNews, DisputeStatus, Outcome, OutcomeKind, RequestKind
from guilder.domain.invoicing import handlers
from guilder.domain.payments import service as payments
from guilder.domain.payments.events import DisputeLost, DisputeOpened, DisputeWon, RefundFailed
from guilder.domain.payments.model import Answer, DisputeTold, NewRefund, Payment, Refund
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery

HEARD = {
    DisputeOpened: (handlers.on_dispute,),
    DisputeLost: (handlers.on_dispute, handlers.on_dispute_lost),
    DisputeWon: (handlers.on_dispute, handlers.on_money_stays),
    RefundFailed: (handlers.on_refund_failed, handlers.on_money_stays),
}
Held = tuple[Payment, Refund | DisputeNews]


async def holding(life: Any, held: list[Held]) -> str:
    """Let a bank hold some of a payment, or a refund of it be on its way."""
    shop, rng = life.shop, life.rng
    paid = (await shop.act(lambda tx: payments.history(tx, query=PageQuery(limit=200)))).items
    fit = sorted(
        (each for each in paid if each.status == "succeeded" and each.refundable.minor), key=lambda each: each.id
    )
    if not fit:
        return "nothing"
    payment = rng.choice([fit[-1], rng.choice(fit)])
    minor = rng.choice([payment.refundable.minor, rng.randint(1, payment.refundable.minor)])
    if rng.random() < 0.5:
        said = DisputeNews(
            dispute_ref=f"dp_{rng.getrandbits(40)}",
            status=DisputeStatus.OPEN,
            amount=Money(minor, "EUR"),
            charge_ref=payment.charge_ref,
            provider_ref=payment.provider_ref,
        )
        await _tell(life, payment, said)
        held.append((payment, said))
        return f"dispute {minor} of {payment.amount.minor}"
    wanted = NewRefund(payment_id=payment.id, reason="Sorry", amount_minor=minor)
    held.append((payment, await shop.act(lambda tx: payments.make_refund(tx, refund=wanted, now=shop.now))))
    return f"refund {minor} of {payment.amount.minor}"


async def letting_go(life: Any, held: list[Held]) -> str:
    """Win the dispute, or lose a cent of it and have the rest; or let the refund fail."""
    payment, what = held.pop(life.rng.randrange(len(held)))
    if isinstance(what, DisputeNews):
        said = {name: getattr(what, name) for name in ("dispute_ref", "charge_ref", "provider_ref")}
        if what.amount.minor % 3 == 0:
            await _tell(life, payment, DisputeNews(status=DisputeStatus.LOST, amount=Money(1, "EUR"), **said))
            return f"lost 1 of {what.amount.minor}"
        await _tell(life, payment, DisputeNews(status=DisputeStatus.WON, amount=what.amount, **said))
        return f"won {what.amount.minor}"
    answer = Answer(
        tenant_id=what.tenant_id,
        business_key=what.business_key,
        kind=RequestKind.REFUND,
        outcome=Outcome(kind=OutcomeKind.DECLINED, decline_code="refund_failed"),
        at=life.shop.now,
    )
    await _act(life, lambda tx: payments.record_refunds(tx, answers=[answer], now=life.shop.now))
    return f"failed {what.amount.minor}"


async def _tell(life: Any, payment: Payment, said: DisputeNews) -> None:
    assert payment.account_id is not None
    told = DisputeTold(
        tenant_id=payment.tenant_id,
        account_id=payment.account_id,
        gateway=payment.gateway,
        news=said,
        at=life.shop.now,
    )
    await _act(life, lambda tx: payments.record_disputes(tx, news=[told], now=life.shop.now))


async def _act(life: Any, verb: Any) -> None:
    before = len(life.shop.heard)
    await life.shop.act(verb)
    for event in life.shop.heard[before:]:
        for handler in HEARD.get(type(event), ()):
            await life.shop.tell(handler, [event])
    await life.shop.drain()
