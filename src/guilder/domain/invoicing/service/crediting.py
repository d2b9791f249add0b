"""Customer credit: granted by staff, paid out on request. What credit notes grant is in `finalizing`."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from guilder.domain.customers import service as customers
from guilder.domain.identity import service as identity
from guilder.domain.invoicing import store
from guilder.domain.invoicing.model import Credit
from guilder.domain.invoicing.rules.two_persons import CreditKind
from guilder.domain.invoicing.service import credit_entries
from guilder.domain.invoicing.service.alone import give_alone
from guilder.domain.invoicing.service.telling import granted_event
from guilder.domain.invoicing.store.crediting import CreditUse
from guilder.domain.ledger import service as ledger
from guilder.domain.ledger.rules import credit as credit_journal
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import NewRefund, Payment, Refund, RefundReason
from guilder.domain.payments.model import Status as PaymentStatus
from guilder.kernel import ids
from guilder.kernel.errors import Conflict, Invalid
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money, total
from guilder.kernel.noun import replace
from guilder.kernel.page import PageQuery
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

PAYMENTS_MAX = 100  # so many payments are looked through for something to refund, the newest first


class NotEnoughCredit(Conflict):
    """The customer has less credit than that."""

    code = "not_enough_credit"


class NothingRefundable(Conflict):
    """The customer's payments cannot take this much back: pay it out some other way."""

    code = "nothing_refundable"


class NotPositive(Invalid):
    """This amount should be more than nothing."""

    code = "amount_not_positive"


async def credits_of(tx: Tx, *, customer_id: CustomerId) -> list[Credit]:
    """List a customer's credit, the oldest first; what is used up too.

    One below zero is what an invoice came to and was too little to collect: the next invoice collects it.
    """
    return await store.crediting.listing(tx, customer_id=customer_id)


async def credit_balance(tx: Tx, *, customer_id: CustomerId) -> dict[str, Money]:
    """Return what a customer has, by currency."""
    held = await credits_of(tx, customer_id=customer_id)
    currencies = sorted({each.left.currency for each in held})
    return {code: total([each.left for each in held if each.left.currency == code], code) for code in currencies}


async def grant_credit(
    tx: Tx, *, customer_id: CustomerId, amount: Money, reason: str, by_two: bool = False, now: datetime
) -> Credit:
    """Give a customer credit, as staff does out of goodwill: it pays the next invoices.

    :raises NotPositive: it is none
    :raises SecondPersonNeeded: it is more than one person may give alone, and not `by_two`
    """
    if amount.minor <= 0:
        raise NotPositive(field="amount")
    if not by_two:
        await give_alone(tx, kind=CreditKind.GRANT, customer_id=customer_id, amount=amount, reason=reason, now=now)
    credit = Credit(
        tenant_id=tx.tenant_id,
        id=ids.new(now),
        customer_id=customer_id,
        amount=amount,
        left=amount,
        granted_at=now,
        reason=reason,
    )
    await book_grant(tx, credit, now=now)
    return credit


async def book_grant(tx: Tx, credit: Credit, *, now: datetime) -> None:
    """Write a credit, book it, and tell of it."""
    await store.crediting.insert(tx, [credit])
    await ledger.post(tx, entries=[credit_entries.granted(credit, at=now)])
    outbox.announce(tx, [granted_event(credit)], now=now)


async def pay_out_credit(
    tx: Tx,
    *,
    customer_id: CustomerId,
    currency: str,
    amount: Money | None = None,
    invoices: Collection[UUID] | None = None,
    reason: str,
    by_two: bool = False,
    is_held: bool = False,
    now: datetime,
) -> list[Refund]:
    """Pay credit out, all that can go back of it or a part, by refunds of what the customer paid (for these invoices,
    where they are named), the newest payment first.

    A refund that does not go through gives the credit back. `is_held`: whoever pays it out holds a subscription of the
    customer, who is locked before those or not at all: the credit itself is locked either way.

    :raises NotEnoughCredit: there is less, or none
    :raises NothingRefundable: its payments cannot take so much back; nothing is paid out then
    :raises SecondPersonNeeded: it is more than one person may give alone, and not `by_two`
    """
    if not is_held:
        await customers.lock(tx, refs=[Ref(tx.tenant_id, customer_id)])
    held = await store.crediting.lock_left(tx, [(tx.tenant_id, customer_id, currency)])
    there_is = total([each.left for each in held], currency)
    wanted = amount or await that_can_go_back(tx, there_is)
    if wanted.minor <= 0 or wanted.minor > there_is.minor:
        raise NotEnoughCredit(f"the customer has {there_is} of credit")
    if not by_two:
        await give_alone(tx, kind=CreditKind.PAY_OUT, customer_id=customer_id, amount=wanted, reason=reason, now=now)
    query = PageQuery(limit=PAYMENTS_MAX, after=None)
    paid = await payments.history(tx, query=query, customer_id=customer_id, status=PaymentStatus.SUCCEEDED)
    ours = [each for each in paid.items if invoices is None or each.invoice_id in invoices]
    return await pay_out(tx, [each for each in held if each.left.minor > 0], wanted, ours, reason=reason, now=now)


async def that_can_go_back(tx: Tx, amount: Money, *, issuer_id: UUID | None = None) -> Money:
    """Return the part of an amount that providers give back: a multiple of what its issuer (the default one) charges in."""
    issuers = await identity.issuers(tx, tenant_ids=[tx.tenant_id])
    named = issuers.get(Ref(tx.tenant_id, issuer_id)) if issuer_id else None
    step = (named or next(iter(issuers.values()))).increment(amount.currency)
    return replace(amount, minor=amount.minor - amount.minor % step)


async def pay_out(
    tx: Tx, held: Sequence[Credit], wanted: Money, paid: Sequence[Payment], *, reason: str, now: datetime
) -> list[Refund]:
    """Pay so much of these locked credits out by refunds of these payments, in order.

    :raises NothingRefundable: the payments cannot take so much back
    """
    open_ones = [each for each in paid if each.amount.currency == wanted.currency and not each.is_overpayment]
    if sum(max(each.refundable.minor, 0) for each in open_ones) < wanted.minor:
        raise NothingRefundable(f"the payments of the customer cannot take {wanted} back")
    refunds, rest = [], wanted.minor
    for payment in open_ones:
        part = min(rest, payment.refundable.minor)
        if part > 0:
            asked = NewRefund(
                payment_id=payment.id,
                reason=reason,
                amount_minor=part,
                reason_code=RefundReason.CREDIT_PAID_OUT,
                is_pay_out=True,
            )
            refunds.append(await payments.make_refund(tx, refund=asked, now=now))
            rest -= part
    uses, after = _uses(held, refunds, now=now)
    await store.crediting.save_left(tx, after)
    await store.crediting.insert_uses(tx, uses, now=now)
    await ledger.post(tx, entries=[credit_journal.credit_paid_out(**_booked(use), at=now) for use in uses])
    return refunds


async def take_back_pay_outs(tx: Tx, *, refunds: Sequence[Ref], now: datetime) -> None:
    """Give customers their credit again that these refunds did not pay out."""
    returned = await store.crediting.return_uses(tx, refunds=refunds, at=now)
    await ledger.post(tx, entries=[credit_journal.credit_pay_out_failed(**_booked(use), at=now) for use in returned])


def _uses(held: Sequence[Credit], refunds: Sequence[Refund], *, now: datetime) -> tuple[list[CreditUse], list[Credit]]:
    """Share refunds out over credits, both in order; return the uses, and the credits as they are afterwards."""
    left = {credit.id: credit.left.minor for credit in held}
    uses = []
    for refund in refunds:
        rest = refund.amount.minor
        for credit in held:
            part = min(rest, left[credit.id])
            if part > 0:
                amount = replace(refund.amount, minor=part)
                uses.append(
                    CreditUse(
                        credit.tenant_id, ids.new(now), credit.id, credit.customer_id, amount, refund_id=refund.id
                    )
                )
                left[credit.id] -= part
                rest -= part
        assert rest == 0, refund
    return uses, [replace(each, left=replace(each.left, minor=left[each.id])) for each in held]


class _Booked(TypedDict):
    tenant_id: TenantId
    use_id: UUID
    refund_id: UUID
    customer_id: CustomerId
    amount: Money


def _booked(use: CreditUse) -> _Booked:
    assert use.refund_id is not None
    return _Booked(
        tenant_id=use.tenant_id,
        use_id=use.id,
        refund_id=use.refund_id,
        customer_id=use.customer_id,
        amount=use.amount,
    )
