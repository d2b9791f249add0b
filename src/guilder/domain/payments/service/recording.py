"""Recording: the one way in which an answer or a notice of a provider changes a payment."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.model import CardDetails, OutcomeKind, RequestKind
from guilder.domain.ledger import service as ledger
from guilder.domain.ledger.rules import journal
from guilder.domain.payments.events import PaymentCanceled, PaymentOverpaid, PaymentParked
from guilder.domain.payments.model import Answer, Payable, Payment, Status, Via
from guilder.domain.payments.rules import recording
from guilder.domain.payments.service import collecting, disputing, returning, telling, validating
from guilder.domain.payments.store import attempts
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace
from guilder.platform import metrics
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


async def record(tx: Tx, *, answers: Sequence[Answer], now: datetime) -> list[Payment]:
    """Record what providers said of payments, however often and in whatever order; return those that changed.

    The money that came in is booked in this transaction. What was captured although its invoice is paid (or void) is
    given back at once. What was to be collected when this one is closed is collected now.
    """
    if not answers:
        return []
    locked = await attempts.lock_told(tx, [(each.tenant_id, each.business_key) for each in answers])
    before = {payment.ref: payment for payment in locked}
    changed = _folded(locked, answers)
    displaced: list[Payment] = []
    for ref, payment in list(changed.items()):
        if _newly(payment, before[ref], Status.SUCCEEDED):
            changed[ref], loser = _holding(payment, before, changed)
            displaced += [loser] if loser else []
    for loser in displaced:
        changed.pop(loser.ref, None)
    # Who loses its invoice lets go of it before the one that was paid takes it.
    await collecting.give_up(tx, payments=displaced, keeps_hold=False, now=now)
    await attempts.save(tx, list(changed.values()), now=now)
    news = [(before[ref], payment) for ref, payment in changed.items()]
    # Nothing leaves a cancellation: what comes in for it is booked as it came, and goes back.
    await _book(tx, [after for was, after in news if _newly(after, was, Status.SUCCEEDED) or _is_late(after, was)])
    _announce(tx, news, now=now)
    _count(tx, news)
    await _follow(tx, news, answers, now=now)
    return list(changed.values())


def _folded(locked: Sequence[Payment], answers: Sequence[Answer]) -> dict[Ref, Payment]:
    by_key = {(payment.tenant_id, payment.business_key): payment for payment in locked}
    changed: dict[Ref, Payment] = {}
    for answer in answers:
        key = (answer.tenant_id, answer.business_key)
        payment = by_key.get(key)
        if payment is None:
            continue
        after = recording.told(payment, answer)
        if after != payment:
            by_key[key] = changed[payment.ref] = after
    return changed


def _holding(
    payment: Payment, before: Mapping[Ref, Payment], changed: Mapping[Ref, Payment]
) -> tuple[Payment, Payment | None]:
    """Say whether a payment that succeeded pays its invoice; and which one in flight it takes the invoice from."""
    if payment.holds_invoice:
        return payment, None
    others = [changed.get(ref, other) for ref, other in before.items() if ref != payment.ref]
    holder = next((p for p in others if p.invoice_ref == payment.invoice_ref and p.holds_invoice), None)
    was_given_up = before[payment.ref].status is Status.CANCELING
    if was_given_up or (holder is not None and holder.status is Status.SUCCEEDED):
        return replace(payment, is_overpayment=True), None
    # It was taken for declined, and its money came in after all.
    return replace(payment, holds_invoice=True), replace(holder, again_via=None) if holder else None


async def _book(tx: Tx, succeeded: Sequence[Payment]) -> None:
    await ledger.post(
        tx,
        entries=[
            journal.payment_succeeded(
                tenant_id=payment.tenant_id,
                payment_id=payment.id,
                invoice_id=payment.invoice_id,
                customer_id=payment.customer_id,
                account_id=payment.account_id,
                amount=payment.amount,
                at=payment.settled_at,
            )
            for payment in succeeded
            if payment.settled_at is not None
        ],
    )


def _announce(tx: Tx, news: Sequence[tuple[Payment, Payment]], *, now: datetime) -> None:
    for was, payment in news:
        if _newly(payment, was, Status.SUCCEEDED):
            event = (
                telling.of_payment(PaymentOverpaid, payment) if payment.is_overpayment else telling.succeeded(payment)
            )
            outbox.announce(tx, [event], now=now)
        if _newly(payment, was, Status.DECLINED):
            outbox.announce(tx, [telling.failed(payment)], now=now)
        if _newly(payment, was, Status.CANCELED):
            outbox.announce(tx, [telling.of_payment(PaymentCanceled, payment)], now=now)
        if payment.alert and payment.alert != was.alert:
            outbox.announce(tx, [telling.of_payment(PaymentParked, payment, alert=payment.alert)], now=now)
        if _is_late(payment, was):
            outbox.announce(tx, [telling.of_payment(PaymentOverpaid, payment)], now=now)


def _count(tx: Tx, news: Sequence[tuple[Payment, Payment]]) -> None:
    ends = {Status.SUCCEEDED, Status.DECLINED, Status.CANCELED, Status.UNKNOWN}
    ended: Counter[tuple[str, str, str]] = Counter()
    for was, payment in news:
        outcomes = [payment.status.value] if payment.status is not was.status and payment.status in ends else []
        outcomes += ["overpaid"] if payment.is_overpayment and not was.is_overpayment else []
        outcomes += ["parked"] if payment.alert and payment.alert != was.alert else []
        for outcome in outcomes:
            code = payment.decline_code if outcome == Status.DECLINED.value else ""
            ended[payment.gateway, outcome, code] += 1
    for (gateway, outcome, code), count in ended.items():
        tx.once_committed(partial(metrics.payment_ended, gateway=gateway, outcome=outcome, code=code, count=count))


async def _follow(
    tx: Tx,
    news: Sequence[tuple[Payment, Payment]],
    answers: Sequence[Answer],
    *,
    now: datetime,
) -> None:
    """Do what has to be true together with the news: returns, saved cards, the next attempt."""
    succeeded = [payment for was, payment in news if _newly(payment, was, Status.SUCCEEDED)]
    late = [payment for was, payment in news if _is_late(payment, was)]
    await returning.return_overpayments(tx, payments=[*[p for p in succeeded if p.is_overpayment], *late], now=now)
    await disputing.take_waiting_disputes(tx, payments=[*succeeded, *late], now=now)
    for payment, card in await _cards(tx, [payment for payment in succeeded if payment.via is Via.LINK], answers):
        await validating.keep_card(tx, payment=payment, card=card, now=now)
    lost = [p for was, p in news if _newly(p, was, Status.DECLINED) and p.decline_code == validating.DETACHED]
    await validating.reject_detached(tx, payments=lost, now=now)
    closed = [payment for was, payment in news if _newly(payment, was, Status.CANCELED) and payment.again_via]
    await collecting.collect(tx, payables=[_again(payment) for payment in closed], now=now)


def _again(payment: Payment) -> Payable:
    assert payment.again_via is not None, payment
    return Payable(
        tenant_id=payment.tenant_id,
        invoice_id=payment.invoice_id,
        customer_id=payment.customer_id,
        amount=payment.amount,
        description=payment.description,
        claim=payment.claim,
        payment_method_id=payment.again_method_id,
        via=payment.again_via,
    )


async def _cards(tx: Tx, paid: Sequence[Payment], answers: Sequence[Answer]) -> list[tuple[Payment, CardDetails]]:
    """Return the cards that these were paid with on a provider's page, with the tokens that events do not carry."""
    by_key = {(payment.tenant_id, payment.business_key): payment for payment in paid}
    shown = {
        key: each.outcome.card
        for each in answers
        if (key := (each.tenant_id, each.business_key)) in by_key
        and each.outcome.kind is OutcomeKind.SUCCEEDED
        and each.outcome.card is not None
    }
    if not shown:
        return []
    tokens = await gateways.card_tokens(tx, kind=RequestKind.CHARGE, keys=list(shown))
    cards = [(by_key[key], replace(card, token=tokens.get(key, card.token))) for key, card in shown.items()]
    return [(payment, card) for payment, card in cards if card.token]


def _newly(payment: Payment, was: Payment, status: Status) -> bool:
    return payment.status is status and was.status is not status


def _is_late(payment: Payment, was: Payment) -> bool:
    """Say whether money came in just now for what was canceled."""
    is_new = payment.alert == recording.PAID_AFTER_CANCEL and was.alert != payment.alert
    return is_new and payment.account_id is not None
