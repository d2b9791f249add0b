"""What staff does: read cases, try again by hand, give up, set the policy."""

from datetime import datetime
from uuid import UUID

from guilder.domain.dunning import store
from guilder.domain.dunning.model import Case, Policy, Status
from guilder.domain.dunning.rules import schedule
from guilder.domain.dunning.rules.lifecycle import FINAL
from guilder.domain.dunning.service.exhausting import close
from guilder.domain.dunning.service.telling import policies_of, subscription_refs
from guilder.domain.dunning.service.trying import PaymentUnderWay, collect
from guilder.domain.invoicing import service as invoicing
from guilder.domain.payments.rules.collecting import NO_METHOD
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Status as SubscriptionStatus
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import CustomerId, Ref
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.db.tx import Tx


class CaseIsEnded(Conflict):
    """This case has ended: what it was about is paid, or nothing is owed any more."""

    code = "case_ended"


class SentToBePaid(Conflict):
    """This was sent with payment terms, and no card is charged for it; it can be paid by link."""

    code = "sent_to_be_paid"


class NoMethodToCharge(Conflict):
    """The customer has no saved payment method; it can be paid by link."""

    code = "no_payment_method"


async def policy(tx: Tx) -> Policy:
    return (await policies_of(tx, [tx.tenant_id]))[tx.tenant_id]


async def set_policy(tx: Tx, *, policy: Policy, now: datetime) -> Policy:
    """Set the tenant's rules from now on. Dates that are planned already stay as they are until the next failure.

    :raises BadPolicy: its days make no sense
    """
    await store.save_policy(tx, schedule.checked(policy), now=now)
    return policy


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


async def retry_now(tx: Tx, *, case_id: UUID, now: datetime) -> Case:
    """Try again by hand, at once. It uses up none of the planned tries.

    :raises CaseIsEnded: there is nothing to collect any more
    :raises SentToBePaid: no card was ever to be charged for it
    :raises PaymentUnderWay: a payment is under way
    :raises NoMethodToCharge: there is no saved method
    """
    case = await _live(tx, case_id)
    if case.is_sent:
        raise SentToBePaid
    outcomes = await collect(tx, [case], methods={}, now=now)
    if case.ref not in outcomes:
        raise PaymentUnderWay
    payment = outcomes[case.ref]
    if payment is None or payment.decline_code == NO_METHOD:
        raise NoMethodToCharge
    return case


async def give_up(tx: Tx, *, case_id: UUID, now: datetime) -> Case:
    """Stop collecting: the invoice is written off, or void if the subscription never began; the subscription ends.

    To forgive what is owed and let the subscription go on, void the invoice instead.

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
    await close(tx, [case], now=now)
    return await one(tx, case_id=case_id)


async def _live(tx: Tx, case_id: UUID) -> Case:
    case = _only(await store.lock(tx, [Ref(tx.tenant_id, case_id)]))
    if case.status in FINAL:
        raise CaseIsEnded
    return case


def _only(found: list[Case]) -> Case:
    if not found:
        raise NotFound("there is no such case")
    return found[0]
