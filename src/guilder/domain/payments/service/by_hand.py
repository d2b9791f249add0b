"""By hand: transfers that staff saw come in or sent off, recorded the way a provider's answer is."""

from datetime import datetime
from uuid import UUID

from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.model import GatewayAccount, Outcome, OutcomeKind, RequestKind
from guilder.domain.payments.model import (
    MANUAL,
    Answer,
    Payable,
    Payment,
    Receipt,
    Refund,
    RefundStatus,
    Status,
    Transfer,
    Via,
)
from guilder.domain.payments.rules.lifecycle import IN_FLIGHT, Step, after
from guilder.domain.payments.rules.routing import Wish
from guilder.domain.payments.rules.transfers import INSTRUCTIONS, REFERENCE_PREFIX, ref_of, reference_of
from guilder.domain.payments.service import collecting, reading, refunding, requests, routing
from guilder.domain.payments.service.recording import record
from guilder.domain.payments.service.starting import country_of
from guilder.domain.payments.store import attempts
from guilder.domain.payments.store import by_hand as rows
from guilder.kernel.errors import Conflict, Invalid
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.platform.db.tx import Tx


class NoManualAccount(Conflict):
    """No account for transfers is connected, so there is nowhere that this money could have come in."""

    code = "no_manual_account"


class KnownToProvider(Conflict):
    """A provider may be collecting this at the moment: cancel that first, or record the transfer when it is closed."""

    code = "payment_known_to_provider"


class AlreadyPaid(Conflict):
    """Nothing is due of this: it is paid, or was taken back. Money that came in all the same is no payment of it."""

    code = "already_paid"


class NotOpen(Conflict):
    """This payment is over, so no money can be recorded for it."""

    code = "payment_not_open"


class AmountDiffers(Invalid):
    """A transfer is recorded for the whole of what is due, neither less nor more."""

    code = "amount_differs"


class InFuture(Invalid):
    """Nothing is recorded before it has happened."""

    code = "in_the_future"


class NotByHand(Conflict):
    """This goes through a provider, which tells of it itself."""

    code = "not_by_hand"


async def record_receipt(tx: Tx, *, payment_id: UUID, amount_minor: int, receipt: Receipt, now: datetime) -> Payment:
    """Record that the money of an open payment has come in by transfer. A second time changes nothing.

    :raises NotFound: no such payment
    :raises NotOpen, KnownToProvider, NoManualAccount, AmountDiffers, InFuture: as they say
    """
    await reading.one(tx, payment_id=payment_id)
    [payment] = await attempts.lock(tx, [Ref(tx.tenant_id, payment_id)])
    if _is_recorded(payment, amount_minor, receipt):
        return payment
    _check_time(receipt, now=now)
    if payment.status not in IN_FLIGHT:
        raise NotOpen
    if not _can_be_by_hand(payment):
        raise KnownToProvider
    _check_amount(Money(amount_minor, payment.amount.currency), payment.amount)
    return await _settle(tx, payment, receipt, now=now)


async def record_transfer(tx: Tx, *, payable: Payable, amount_minor: int, receipt: Receipt, now: datetime) -> Payment:
    """Record that what is due of an invoice has come in by transfer. Again with the same reference changes nothing.

    What is being collected for it is closed first, where no provider may know of it.

    :raises AlreadyPaid, KnownToProvider, NoManualAccount, AmountDiffers, InFuture: as they say
    """
    invoice = Ref(payable.tenant_id, payable.invoice_id)
    holder = (await attempts.lock_holders(tx, [invoice])).get(invoice)
    before = await rows.recorded(tx, invoice, reference=receipt.reference)
    if before is not None:
        [recorded] = await attempts.get(tx, [before])
        if not _is_recorded(recorded, amount_minor, receipt):
            raise AmountDiffers(f"{recorded.amount} was recorded with this reference", field="amount")
        return recorded
    _check_time(receipt, now=now)
    if payable.amount.minor <= 0 or (holder is not None and holder.status is Status.SUCCEEDED):
        raise AlreadyPaid
    _check_amount(Money(amount_minor, payable.amount.currency), payable.amount)
    if holder is not None and not _can_be_by_hand(holder) and holder.is_asked:
        raise KnownToProvider
    is_fitting = holder is not None and _can_be_by_hand(holder) and holder.amount == payable.amount
    if holder is not None and not is_fitting:
        if holder.is_asked:
            raise KnownToProvider
        await collecting.give_up(tx, payments=[holder], keeps_hold=False, now=now)
    if holder is None or not is_fitting:
        await collecting.collect(tx, payables=[replace(payable, via=Via.LINK, payment_method_id=None)], now=now)
        holder = (await attempts.lock_holders(tx, [invoice]))[invoice]
    return await _settle(tx, holder, receipt, now=now)


async def record_returned(tx: Tx, *, refund_id: UUID, receipt: Receipt, now: datetime) -> Refund:
    """Record that a refund of a transfer was sent off. A second time changes nothing.

    :raises NotFound: no such refund
    :raises NotByHand, NotOpen, InFuture: as they say
    """
    refund = await refunding.refund(tx, refund_id=refund_id)
    payment = await reading.one(tx, payment_id=refund.payment_id)
    if not payment.is_by_hand:
        raise NotByHand
    if refund.status is RefundStatus.SUCCEEDED and refund.provider_ref == receipt.reference:
        return refund
    if refund.status is not RefundStatus.PENDING:
        raise NotOpen("this refund is not one that waits to be sent")
    _check_time(receipt, field="sent_at", now=now)
    outcome = Outcome(kind=OutcomeKind.SUCCEEDED, provider_ref=receipt.reference, amount=refund.amount)
    answer = Answer(
        tenant_id=refund.tenant_id,
        business_key=refund.business_key,
        kind=RequestKind.REFUND,
        outcome=outcome,
        at=receipt.happened_at,
    )
    await refunding.record_refunds(tx, answers=[answer], now=now)
    await gateways.settle(tx, kind=RequestKind.REFUND, keys=[(refund.tenant_id, refund.business_key)])
    await rows.insert(tx, payment, receipt, refund_id=refund.id, recorded_by=tx.actor, now=now)
    return await refunding.refund(tx, refund_id=refund_id)


async def transfer_of(tx: Tx, *, payment: Payment) -> Transfer | None:
    """Return how to pay this by transfer; None where it is paid another way, or not at all."""
    if not payment.is_by_hand or payment.status not in IN_FLIGHT or payment.account_id is None:
        return None
    account = await gateways.one(tx, account_id=payment.account_id)
    return Transfer(
        amount=payment.amount,
        reference=reference_of(payment.business_key, prefix=account.settings.get(REFERENCE_PREFIX, "")),
        instructions=account.settings.get(INSTRUCTIONS, ""),
    )


async def _settle(tx: Tx, payment: Payment, receipt: Receipt, *, now: datetime) -> Payment:
    """Take a locked payment's money as come in: booked and told of as when a provider says so."""
    opened = payment if payment.is_asked else await _opened(tx, payment, now=now)
    outcome = Outcome(
        kind=OutcomeKind.SUCCEEDED,
        provider_ref=ref_of(opened.business_key),
        charge_ref=receipt.reference,
        amount=opened.amount,
    )
    answer = Answer(
        tenant_id=opened.tenant_id,
        business_key=opened.business_key,
        kind=RequestKind.CHARGE,
        outcome=outcome,
        at=receipt.happened_at,
    )
    await gateways.settle(tx, kind=RequestKind.CHARGE, keys=[(opened.tenant_id, opened.business_key)])
    [settled] = await record(tx, answers=[answer], now=now)
    assert settled.status is Status.SUCCEEDED, settled
    await rows.insert(tx, settled, receipt, recorded_by=tx.actor, now=now)
    return settled


async def _opened(tx: Tx, payment: Payment, *, now: datetime) -> Payment:
    account = await _account(tx, payment, now=now)
    opened = replace(
        payment,
        status=after(payment.status, Step.OPEN),
        via=Via.LINK,
        account_id=account.id,
        gateway=account.gateway,
        opened_at=now,
        check_due_at=None,
    )
    await attempts.save(tx, [opened], now=now)
    await gateways.request(tx, requests=[requests.charge(opened, account.id, now=now)], now=now)
    return opened


async def _account(tx: Tx, payment: Payment, *, now: datetime) -> GatewayAccount:
    """Return the account for transfers: the one that routes lead to, else the tenant's first."""
    wish = Wish(amount=payment.amount, country=await country_of(tx, payment.customer_id))
    routed = (await routing.choose(tx, wish=wish, key=payment.business_key, now=now)).accounts
    every = (await gateways.takers(tx, tenant_ids=[tx.tenant_id]))[tx.tenant_id]
    found = next((each for each in (*routed, *every) if each.gateway == MANUAL), None)
    if found is None:
        raise NoManualAccount
    return found


def _can_be_by_hand(payment: Payment) -> bool:
    """Say whether nobody but staff will tell of its money: a transfer that waits, or a link that nobody opened."""
    if payment.via is not Via.LINK or payment.status is Status.CANCELING:
        return False
    return payment.is_by_hand or not payment.is_asked


def _is_recorded(payment: Payment, amount_minor: int, receipt: Receipt) -> bool:
    return (
        payment.is_by_hand
        and payment.status is Status.SUCCEEDED
        and payment.charge_ref == receipt.reference
        and payment.amount.minor == amount_minor
    )


def _check_amount(came_in: Money, due: Money) -> None:
    if came_in != due:
        raise AmountDiffers(f"{due} is due", field="amount")


def _check_time(receipt: Receipt, *, field: str = "received_at", now: datetime) -> None:
    if receipt.happened_at > now:
        raise InFuture(field=field)
