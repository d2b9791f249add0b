"""What staff does with a case: read it, try again by hand, let it stand still, forgive, give up."""

from datetime import datetime, timedelta
from uuid import UUID

from guilder.domain.dunning import store
from guilder.domain.dunning.model import Case, Change, ChangeKind, Status
from guilder.domain.dunning.rules import history
from guilder.domain.dunning.rules.lifecycle import FINAL
from guilder.domain.dunning.service import pausing
from guilder.domain.dunning.service.ending import recover
from guilder.domain.dunning.service.exhausting import close
from guilder.domain.dunning.service.telling import record, subscription_refs
from guilder.domain.dunning.service.trying import PaymentUnderWay, collect, is_under_way
from guilder.domain.invoicing import service as invoicing
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Status as PaymentStatus
from guilder.domain.payments.rules.collecting import NO_METHOD
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Status as SubscriptionStatus
from guilder.kernel.errors import Conflict, Invalid, NotFound
from guilder.kernel.ids import CustomerId, Ref
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.db.tx import Tx

CHANGES_MAX = 1_000
PAUSE_MAX = timedelta(days=366)


class CaseIsEnded(Conflict):
    """This case has ended: what it was about is paid, or nothing is owed any more."""

    code = "case_ended"


class CaseIsPaused(Conflict):
    """This case is paused: let it go on first."""

    code = "case_paused"


class CaseIsNotPaused(Conflict):
    """This case is not paused."""

    code = "case_not_paused"


class BadPause(Invalid):
    """A pause should end in the future, within a year."""

    code = "bad_pause"


class SentToBePaid(Conflict):
    """This was sent with payment terms, and no card is charged for it; it can be paid by link."""

    code = "sent_to_be_paid"


class NoMethodToCharge(Conflict):
    """The customer has no saved payment method; it can be paid by link."""

    code = "no_payment_method"


async def listing(
    tx: Tx, *, query: PageQuery, customer_id: CustomerId | None = None, status: Status | None = None
) -> Page[Case]:
    rows = await store.listing(tx, query, customer_id=customer_id, status=status)
    return page_of(rows, query, lambda case: case.id)


async def one(tx: Tx, *, case_id: UUID) -> Case:
    """Return a case.

    :raises NotFound: no such case
    """
    return _only(await store.get(tx, [Ref(tx.tenant_id, case_id)]))


async def changes(tx: Tx, *, case_id: UUID) -> list[Change]:
    """Return what happened to a case, the oldest first; of more than a thousand lines the latest.

    :raises NotFound: no such case
    """
    await one(tx, case_id=case_id)
    return await store.changes_of(tx, case_id, limit=CHANGES_MAX)


async def retry_now(tx: Tx, *, case_id: UUID, now: datetime) -> Case:
    """Try again by hand, at once. It uses up none of the planned tries.

    :raises CaseIsEnded: there is nothing to collect any more
    :raises CaseIsPaused: it stands still
    :raises SentToBePaid: no card was ever to be charged for it
    :raises PaymentUnderWay: a payment is under way
    :raises NoMethodToCharge: there is no saved method
    """
    case = await _moving(tx, case_id)
    if case.is_sent:
        raise SentToBePaid
    outcomes = await collect(tx, [case], methods={}, now=now)
    if case.ref not in outcomes:
        raise PaymentUnderWay
    payment = outcomes[case.ref]
    if payment is None or payment.decline_code == NO_METHOD:
        raise NoMethodToCharge
    await record(tx, [(case, history.same(ChangeKind.RETRIED, case, payment_id=payment.id))], now=now)
    return case


async def pause(tx: Tx, *, case_id: UUID, until: datetime | None, reason: str, now: datetime) -> Case:
    """Let a case stand still until a date, or until `resume`: no tries, no reminders, no block. Its dates go by.

    :raises CaseIsEnded: there is nothing to stop any more
    :raises CaseIsPaused: it stands still already
    :raises BadPause: it would end in the past, or after more than a year
    """
    case = await _moving(tx, case_id)
    if until is not None and not now < until <= now + PAUSE_MAX:
        raise BadPause(field="until")
    return (await pausing.pause(tx, [case], until=until, reason=reason, now=now))[0]


async def resume(tx: Tx, *, case_id: UUID, reason: str = "", now: datetime) -> Case:
    """Let a paused case go on: what fell due meanwhile is due now.

    :raises CaseIsEnded: there is nothing to go on with
    :raises CaseIsNotPaused: it does not stand still
    """
    case = await _live(tx, case_id)
    if case.status is not Status.PAUSED:
        raise CaseIsNotPaused
    await pausing.resume(tx, {case.ref: now}, [case], reason=reason, now=now)
    return await one(tx, case_id=case_id)


async def forgive(tx: Tx, *, case_id: UUID, reason: str, now: datetime) -> Case:
    """Let go of what is owed, and let the subscription go on: access is restored, and nobody is behind any more.

    The invoice is void; where a part of it was paid or given back, a credit note takes off the rest.

    :raises CaseIsEnded: nothing is owed any more
    :raises PaymentUnderWay: the money may be coming in at this moment
    :raises InvoiceIsPaid: it came in at this moment
    """
    case = await _live(tx, case_id)
    payment = (await payments.current(tx, invoices=[case.invoice_ref])).get(case.invoice_ref)
    if is_under_way(payment) or (payment is not None and payment.status is PaymentStatus.UNKNOWN):
        raise PaymentUnderWay
    # Before the invoice is taken back, which tells of it: this case is over by then.
    [closed] = await close(tx, [case], kind=ChangeKind.FORGIVEN, reason=reason, now=now)
    await _take_back(tx, case, reason=reason, now=now)
    await recover(tx, [closed], now=now)
    return closed


async def _take_back(tx: Tx, case: Case, *, reason: str, now: datetime) -> None:
    invoice = (await invoicing.get(tx, refs=[case.invoice_ref]))[case.invoice_ref]
    left = await invoicing.creditable(tx, invoices=[invoice])
    is_whole = not (invoice.paid.minor or invoice.credited.minor) and all(
        left[line.id] == line.amount for line in invoice.lines if line.id in left
    )
    if is_whole:
        await invoicing.void(tx, refs=[invoice.ref], now=now)
        return
    correction = invoicing.Correction(reason=reason, amount_minor=invoice.due.minor)
    await invoicing.credit_note(tx, invoice_id=invoice.id, correction=correction, now=now)


async def give_up(tx: Tx, *, case_id: UUID, reason: str = "", now: datetime) -> Case:
    """Stop collecting: the invoice is written off, or void if the subscription never began; the subscription ends.

    :raises CaseIsEnded: it has ended already
    """
    case = await _live(tx, case_id)
    found = await subscriptions.get(tx, refs=subscription_refs([case]))
    is_begun = not found or any(each.status is not SubscriptionStatus.PROCESSING for each in found.values())
    await subscriptions.end(tx, refs=subscription_refs([case]), now=now)
    if is_begun:
        await invoicing.give_up(tx, refs=[case.invoice_ref], now=now)
    else:
        await invoicing.void(tx, refs=[case.invoice_ref], now=now)
    await close(tx, [case], kind=ChangeKind.GIVEN_UP, reason=reason, now=now)
    return await one(tx, case_id=case_id)


async def _moving(tx: Tx, case_id: UUID) -> Case:
    case = await _live(tx, case_id)
    if case.status is Status.PAUSED:
        raise CaseIsPaused
    return case


async def _live(tx: Tx, case_id: UUID) -> Case:
    case = _only(await store.lock(tx, [Ref(tx.tenant_id, case_id)]))
    if case.status in FINAL:
        raise CaseIsEnded
    return case


def _only(found: list[Case]) -> Case:
    if not found:
        raise NotFound("there is no such case")
    return found[0]
