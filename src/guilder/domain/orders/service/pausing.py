"""Pausing, resuming, a longer trial, another billing day: what moves the periods of a subscription."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.catalog.model import Alignment
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Invoice
from guilder.domain.orders.model import Answer
from guilder.domain.orders.rules.change import When
from guilder.domain.orders.service.placing import current_payment, link_to_pay
from guilder.domain.orders.service.rolling import rolled, take_back_unpaid, take_back_unpaid_beside
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Changed, Subscription
from guilder.kernel import ids
from guilder.kernel.ids import CustomerId
from guilder.platform.db.tx import Tx


async def pause(
    tx: Tx,
    *,
    subscription_id: UUID,
    when: When,
    resume_at: datetime | None = None,
    only: CustomerId | None = None,
    now: datetime,
) -> Answer:
    """Stop a subscription and its add-ons, now or when the period ends, until they are resumed.

    What was used is billed at once. Paid time left is there again after it, or becomes credit, as the plan says.

    :raises NotFound: no such subscription
    :raises IllegalStep: it is not running, or owes something
    :raises IsLeaving: it was opted out of
    :raises DateIsPast: `resume_at` is not after the pause begins
    """
    before = await rolled(tx, subscription_id=subscription_id, only=only, now=now)
    await take_back_unpaid(tx, before, now=now)
    await take_back_unpaid_beside(tx, before, now=now)
    changed = await subscriptions.pause(
        tx, ref=before.ref, at_period_end=when is When.PERIOD_END, resume_at=resume_at, now=now
    )
    if changed.after.paused_at is None:
        return Answer(order=None, subscription=changed.after)
    paused = [changed, *changed.add_ons]
    made = await invoicing.settle_up(tx, stopped=paused, at=now, now=now)
    return Answer(order=None, subscription=changed.after, invoice=made[0] if made else None)


async def resume(
    tx: Tx,
    *,
    subscription_id: UUID,
    at: datetime | None = None,
    base_url: str,
    only: CustomerId | None = None,
    now: datetime,
) -> Answer:
    """Let a subscription and its add-ons go on, now or on a date; take back a pause that is still to come.

    Where no paid time was kept, a new period begins and is billed.

    :raises NotFound: no such subscription
    :raises IllegalStep: it is not paused
    :raises DateIsPast: `at` is not in the future
    """
    before = await rolled(tx, subscription_id=subscription_id, only=only, now=now)
    changed = await subscriptions.resume(tx, ref=before.ref, at=at, now=now)
    made = await _bill_begun(tx, [changed, *changed.add_ons], now=now)
    invoice = made[0] if made else None
    return Answer(
        order=None,
        subscription=changed.after,
        invoice=invoice,
        payment=await current_payment(tx, invoice),
        payment_link=await link_to_pay(tx, invoice, base_url=base_url, now=now),
    )


async def extend_trial(tx: Tx, *, subscription_id: UUID, until: datetime, now: datetime) -> Subscription:
    """Let a trial end later.

    :raises NotFound: no such subscription
    :raises IllegalStep: it is not in its trial
    :raises TrialNotLonger: it ends later than that as it is
    """
    before = await rolled(tx, subscription_id=subscription_id, only=None, now=now)
    return await subscriptions.extend_trial(tx, ref=before.ref, until=until, now=now)


async def move_billing_day(
    tx: Tx,
    *,
    subscription_id: UUID,
    alignment: Alignment,
    billing_day: int | None = None,
    only: CustomerId | None = None,
    now: datetime,
) -> Subscription:
    """Let periods begin on another date. What is paid stays; from its end a stub runs to the new date.

    :raises NotFound: no such subscription
    :raises IllegalStep: it is not running
    :raises NoSuchBillingDay: a day of the month, for what is billed by days or weeks
    """
    before = await rolled(tx, subscription_id=subscription_id, only=only, now=now)
    # What waits for its payment was agreed with the old day.
    await take_back_unpaid(tx, before, now=now)
    changed = await subscriptions.move_billing_day(
        tx, ref=before.ref, alignment=alignment, billing_day=billing_day, now=now
    )
    return changed.after


async def _bill_begun(tx: Tx, resumed: Sequence[Changed], *, now: datetime) -> list[Invoice]:
    """Bill what begins with this. One that is resumed at the very start of a period that was given back begins it anew."""
    begun = [each for each in resumed if each.began_period]
    anew = [each.after for each in begun if each.after.current_period.starts_at == each.before.current_period.starts_at]
    fresh = [each.after for each in begun if each.after not in anew]
    made = await invoicing.bill_periods(tx, begun=fresh, issued_at=now, now=now)
    return made + await invoicing.bill_periods(tx, begun=anew, issued_at=now, cause=str(ids.new(now)), now=now)
