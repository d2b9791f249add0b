"""Asking for credit that one person may not give alone, and granting it as another person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from guilder.domain.customers import service as customers
from guilder.domain.invoicing import store
from guilder.domain.invoicing.events import CreditApproved, CreditRefused, CreditRequested
from guilder.domain.invoicing.rules.two_persons import (
    MOVES,
    CreditKind,
    CreditRequest,
    NoteTerms,
    RequestStatus,
    RequestStep,
)
from guilder.domain.invoicing.service import correcting, crediting
from guilder.domain.invoicing.service.correcting import Correction, GiveBack
from guilder.domain.invoicing.store import two_persons as rows
from guilder.domain.payments import service as payments
from guilder.domain.payments.rules.two_persons import LASTS
from guilder.kernel import ids, lifecycle
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import CustomerId, Ref
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

WAITING_MAX = 20  # of one customer
CLOCKWORK = "system"


class TooManyWaiting(Conflict):
    """So much is asked for this customer already that somebody should decide first."""

    code = "too_many_credit_requests"


class RequestOutdated(Conflict):
    """It would come to more by now than was asked for: ask anew."""

    code = "credit_request_outdated"


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantWish:
    customer_id: CustomerId
    amount: Money
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PayOutWish:
    """Without an amount, all that there is of the currency."""

    customer_id: CustomerId
    currency: str
    amount: Money | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditNoteWish:
    invoice_id: UUID
    correction: Correction


async def ask_credit(tx: Tx, *, wish: GrantWish | PayOutWish | CreditNoteWish, now: datetime) -> CreditRequest:
    """Ask for credit, a pay-out or a credit note, for another person to grant. It is tried out first, and undone.

    :raises TooManyWaiting: too much of this customer waits already
    :raises Refusal: whatever the verb itself would refuse
    """
    asked = await _tried(tx, wish, now=now)
    await customers.lock(tx, refs=[Ref(tx.tenant_id, asked.customer_id)])
    if await rows.waiting_of(tx, asked.customer_id) >= WAITING_MAX:
        raise TooManyWaiting
    await rows.insert(tx, asked, now=now)
    outbox.announce(tx, [_event(CreditRequested, asked)], now=now)
    return asked


async def grant_credit_request(tx: Tx, *, request_id: UUID, now: datetime) -> CreditRequest:
    """Grant, as another person, what was asked for: it is done here and now.

    :raises NotFound: no such request
    :raises IllegalStep: it is decided already
    :raises NotAPerson, SamePerson: it takes another person of the staff
    :raises RequestOutdated: it would come to more by now
    :raises Refusal: whatever the verb itself refuses by now
    """
    asked = await _locked(tx, request_id)
    status = lifecycle.take(MOVES, asked.status, RequestStep.GRANT)
    await payments.check_second(tx, first=asked.asked_by)
    made_id, came_to = await _done(tx, asked, now=now)
    if came_to.minor > asked.amount.minor:
        raise RequestOutdated
    granted = replace(asked, status=status, decided_by=tx.actor, decided_at=now, made_id=made_id)
    await rows.save(tx, [granted])
    outbox.announce(tx, [_event(CreditApproved, granted)], now=now)
    return granted


async def refuse_credit_request(tx: Tx, *, request_id: UUID, now: datetime) -> CreditRequest:
    """Say no to what was asked for, or take back what oneself has asked for.

    :raises NotFound: no such request
    :raises IllegalStep: it is decided already
    """
    asked = await _locked(tx, request_id)
    status = lifecycle.take(MOVES, asked.status, RequestStep.REFUSE)
    refused = replace(asked, status=status, decided_by=tx.actor, decided_at=now)
    await rows.save(tx, [refused])
    outbox.announce(tx, [_event(CreditRefused, refused)], now=now)
    return refused


async def expire_credit_requests(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """End the wait for a second person after 14 days."""
    found = await rows.lock_due(tx, refs, before=now - LASTS)
    over = [
        replace(
            each,
            status=lifecycle.take(MOVES, each.status, RequestStep.EXPIRE),
            decided_by=CLOCKWORK,
            decided_at=now,
        )
        for each in found
    ]
    await rows.save(tx, over)
    outbox.announce(tx, [_event(CreditRefused, each) for each in over], now=now)
    return len(over)


async def credit_request(tx: Tx, *, request_id: UUID) -> CreditRequest:
    """Return a request.

    :raises NotFound: no such request
    """
    found = await rows.get(tx, request_id)
    if found is None:
        raise NotFound("there is no such credit request")
    return found


async def credit_requests(
    tx: Tx, *, query: PageQuery, customer_id: CustomerId | None = None, status: RequestStatus | None = None
) -> Page[CreditRequest]:
    found = await rows.listing(tx, query, customer_id=customer_id, status=status)
    return page_of(found, query, lambda each: each.id)


async def _tried(tx: Tx, wish: GrantWish | PayOutWish | CreditNoteWish, *, now: datetime) -> CreditRequest:
    """Return what is asked for, at the amount that it would come to now."""
    invoice_id, terms = None, NoteTerms()
    match wish:
        case GrantWish():
            kind, customer_id, reason = CreditKind.GRANT, wish.customer_id, wish.reason
        case PayOutWish():
            kind, customer_id, reason = CreditKind.PAY_OUT, wish.customer_id, wish.reason
        case CreditNoteWish():
            kind, reason, invoice_id = CreditKind.CREDIT_NOTE, wish.correction.reason, wish.invoice_id
            customer_id, terms = await _customer_of(tx, wish.invoice_id), _terms(wish.correction)
    asked = CreditRequest(
        tenant_id=tx.tenant_id,
        id=ids.new(now),
        kind=kind,
        status=RequestStatus.REQUESTED,
        customer_id=customer_id,
        amount=await _amount(tx, wish),
        reason=reason,
        asked_by=tx.actor,
        asked_at=now,
        invoice_id=invoice_id,
        terms=terms,
    )
    async with tx.rehearsal():
        _, came_to = await _done(tx, asked, now=now)
    return replace(asked, amount=came_to)


async def _amount(tx: Tx, wish: GrantWish | PayOutWish | CreditNoteWish) -> Money:
    """Return what was said, or all that there is; of a note, what the invoice came to, until it has been tried."""
    match wish:
        case GrantWish():
            return wish.amount
        case PayOutWish():
            held = await crediting.credit_balance(tx, customer_id=wish.customer_id)
            return wish.amount or held.get(wish.currency) or Money(0, wish.currency)
        case CreditNoteWish():
            return (await store.get(tx, [Ref(tx.tenant_id, wish.invoice_id)]))[0].total


async def _done(tx: Tx, asked: CreditRequest, *, now: datetime) -> tuple[UUID | None, Money]:
    """Do it; return what was made, and what it came to."""
    match asked.kind:
        case CreditKind.GRANT:
            credit = await crediting.grant_credit(
                tx, customer_id=asked.customer_id, amount=asked.amount, reason=asked.reason, by_two=True, now=now
            )
            return credit.id, credit.amount
        case CreditKind.PAY_OUT:
            await crediting.pay_out_credit(
                tx,
                customer_id=asked.customer_id,
                currency=asked.amount.currency,
                amount=asked.amount,
                reason=asked.reason,
                by_two=True,
                now=now,
            )
            return None, asked.amount
        case CreditKind.CREDIT_NOTE:
            assert asked.invoice_id is not None, asked
            note = await correcting.credit_note(
                tx, invoice_id=asked.invoice_id, correction=_correction(asked), by_two=True, now=now
            )
            return note.id, -note.total


async def _customer_of(tx: Tx, invoice_id: UUID) -> CustomerId:
    found = await store.get(tx, [Ref(tx.tenant_id, invoice_id)])
    if not found:
        raise NotFound("there is no such invoice")
    return found[0].customer_id


async def _locked(tx: Tx, request_id: UUID) -> CreditRequest:
    seen = await credit_request(tx, request_id=request_id)
    # The customer first, as everywhere.
    await customers.lock(tx, refs=[Ref(tx.tenant_id, seen.customer_id)])
    found = await rows.get(tx, request_id, lock=True)
    assert found is not None, request_id
    return found


def _terms(correction: Correction) -> NoteTerms:
    return NoteTerms(lines=correction.lines, amount_minor=correction.amount_minor, give_back=correction.give_back.value)


def _correction(asked: CreditRequest) -> Correction:
    return Correction(
        reason=asked.reason,
        lines=asked.terms.lines,
        amount_minor=asked.terms.amount_minor,
        give_back=GiveBack(asked.terms.give_back),
    )


def _event(
    kind: type[CreditRequested] | type[CreditApproved] | type[CreditRefused], asked: CreditRequest
) -> CreditRequested | CreditApproved | CreditRefused:
    return kind(
        tenant_id=asked.tenant_id,
        credit_request_id=asked.id,
        customer_id=asked.customer_id,
        kind=asked.kind.value,
        amount=asked.amount,
    )
