"""Ending a subscription: now, when its period ends, or on a date; opting out of renewal, and in again."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.catalog.model import Unused
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Invoice, InvoiceKind, Line
from guilder.domain.orders.model import Answer
from guilder.domain.orders.rules import change as rules
from guilder.domain.orders.rules.change import When
from guilder.domain.orders.service.rolling import rolled, take_back_unpaid, take_back_unpaid_beside, void_unpaid
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Status as PaymentStatus
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Changed, Status, Subscription
from guilder.domain.subscriptions.rules.lifecycle import MOVES, Step
from guilder.kernel import lifecycle
from guilder.kernel.errors import Invalid
from guilder.kernel.ids import CustomerId
from guilder.kernel.money import total, zero
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Tx

PAYMENTS_MAX = 100


class OnlyNow(Invalid):
    """What becomes of unused time is the plan's to say, unless it ends now."""

    code = "unused_only_now"


async def cancel(
    tx: Tx,
    *,
    subscription_id: UUID,
    when: When | None = None,
    at: datetime | None = None,
    unused: Unused | None = None,
    only: CustomerId | None = None,
    now: datetime,
) -> Answer:
    """End a subscription, and with it its add-ons; when its period ends, unless something else is said. One that was
    never paid for ends now, its bill void.

    Ended now, what it used and was not billed for is billed at once, and what it paid for and will not use is lost,
    becomes credit, or is refunded as far as there are payments of it; what cannot be refunded stays credit. `unused`
    None: as its plan says.

    :raises NotFound: no such subscription
    :raises NowOrThen: both `when` and `at`
    :raises OnlyNow: `unused` is said of an end that is not now
    :raises DateIsPast: `at` is not in the future
    :raises IllegalStep: it has ended already
    """
    rules.check_one(when, at, name="at")
    if unused is not None and when is not When.NOW:
        raise OnlyNow(field="unused")
    before = await rolled(tx, subscription_id=subscription_id, only=only, now=now)
    at_period_end = at is None and when is not When.NOW
    changed = await subscriptions.cancel(tx, ref=before.ref, at_period_end=at_period_end, at=at, now=now)
    if before.status is Status.PROCESSING:
        await void_unpaid(tx, before, now=now)
        return Answer(order=None, subscription=changed.after)
    await take_back_unpaid(tx, before, now=now)
    await take_back_unpaid_beside(tx, before, now=now)
    if changed.after.ended_at is None:
        return Answer(order=None, subscription=changed.after)
    invoices = await settle_up(tx, _with_add_ons(changed), unused=unused, now=now)
    return Answer(order=None, subscription=changed.after, invoice=invoices[0] if invoices else None)


async def settle_up(tx: Tx, ended: Sequence[Changed], *, unused: Unused | None, now: datetime) -> list[Invoice]:
    """Bill what has ended for the last time, and give back what of it was paid and not used."""
    back = {each.after.ref: unused or each.before.terms.billing.unused_on_cancel for each in ended}
    made = await invoicing.bill_cut_off(
        tx,
        cut_off=ended,
        gives_back=[ref for ref, what in back.items() if what is not Unused.NOTHING],
        now=now,
    )
    refunded = {ref.id for ref, what in back.items() if what is Unused.REFUND}
    for note in made:
        if note.kind is InvoiceKind.CREDIT_NOTE and refunded.intersection(note.subscription_ids):
            await refund_note(tx, note, refunded, now=now)
    return made


async def auto_renew(
    tx: Tx, *, subscription_id: UUID, is_on: bool, only: CustomerId | None = None, now: datetime
) -> Subscription:
    """Opt out of renewal, or in again before the end.

    :raises NotFound: no such subscription
    :raises IllegalStep: it is not running
    """
    subscription = await rolled(tx, subscription_id=subscription_id, only=only, now=now)
    if is_on:
        return await subscriptions.keep(tx, ref=subscription.ref, now=now)
    # What is not running would end at once, and leave a first invoice behind that can still be paid.
    lifecycle.take(MOVES, subscription.status, Step.SCHEDULE)
    if subscription.cancel_at_period_end:
        return subscription
    await take_back_unpaid_beside(tx, subscription, now=now)
    return (await subscriptions.cancel(tx, ref=subscription.ref, at_period_end=True, now=now)).after


async def refund_note(tx: Tx, note: Invoice, refunded: Collection[UUID], *, now: datetime) -> None:
    """Pay back what a credit note, of these of its subscriptions, came to, as far as there are payments of what it gives
    back; the rest stays the customer's credit."""
    own = [line for line in note.lines if line.subscription_id in refunded]
    came_to = -total([line.amount + line.tax for line in own], note.currency)
    paid_with = await _invoices_of(tx, own)
    query = PageQuery(limit=PAYMENTS_MAX)
    paid = await payments.history(tx, query=query, customer_id=note.customer_id, status=PaymentStatus.SUCCEEDED)
    refundable = total(
        [
            each.refundable
            for each in paid.items
            if each.invoice_id in paid_with
            and each.amount.currency == note.currency
            and each.refundable.minor > 0
            and not each.is_overpayment
        ],
        note.currency,
    )
    # What made an open invoice owe less became no credit.
    credit = (await invoicing.credit_balance(tx, customer_id=note.customer_id)).get(note.currency, zero(note.currency))
    amount = min(-note.total, came_to, refundable, credit)
    if amount.minor > 0:
        await invoicing.pay_out_credit(
            tx,
            customer_id=note.customer_id,
            currency=note.currency,
            amount=amount,
            reason=f"Unused time, {note.number}",
            invoices=paid_with,
            now=now,
        )


async def _invoices_of(tx: Tx, given_back: Sequence[Line]) -> frozenset[UUID]:
    """Return the invoices of what these lines give back: what nobody has paid for is not paid back.

    A change pays for its time with what it gives back of the time before, on the same document: what that was billed on
    belongs to it, and so on to the first.
    """
    own = sorted({line.subscription_id for line in given_back if line.subscription_id})
    found: list[Invoice] = []
    for subscription_id in own:
        query = PageQuery(limit=PAYMENTS_MAX)
        found += (await invoicing.listing(tx, query=query, subscription_id=subscription_id)).items
    credited = {line.credits_line_id for line in given_back}
    paid_with: set[UUID] = set()
    while behind := [
        each for each in found if each.id not in paid_with and any(line.id in credited for line in each.lines)
    ]:
        paid_with.update(each.id for each in behind)
        credited.update(line.credits_line_id for each in behind for line in each.lines if line.subscription_id in own)
    return frozenset(paid_with)


def _with_add_ons(changed: Changed) -> list[Changed]:
    return [changed, *(each for add_on in changed.add_ons for each in _with_add_ons(add_on))]
