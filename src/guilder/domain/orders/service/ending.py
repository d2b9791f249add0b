"""Ending a subscription: now, when its period ends, or on a date; opting out of renewal, and in again."""

from datetime import datetime
from uuid import UUID

from guilder.domain.catalog.model import Unused
from guilder.domain.invoicing import service as invoicing
from guilder.domain.orders.model import Answer
from guilder.domain.orders.rules import change as rules
from guilder.domain.orders.rules.change import When
from guilder.domain.orders.service.rolling import rolled, take_back_unpaid, take_back_unpaid_beside, void_unpaid
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Changed, Status, Subscription
from guilder.domain.subscriptions.rules.lifecycle import MOVES, Step
from guilder.kernel import lifecycle
from guilder.kernel.errors import Invalid
from guilder.kernel.ids import CustomerId
from guilder.platform.db.tx import Tx


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
    invoices = await invoicing.settle_up(tx, stopped=_with_add_ons(changed), unused=unused, at=now, now=now)
    return Answer(order=None, subscription=changed.after, invoice=invoices[0] if invoices else None)


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
    await take_back_unpaid(tx, subscription, now=now)
    await take_back_unpaid_beside(tx, subscription, now=now)
    return (await subscriptions.cancel(tx, ref=subscription.ref, at_period_end=True, now=now)).after


def _with_add_ons(changed: Changed) -> list[Changed]:
    return [changed, *(each for add_on in changed.add_ons for each in _with_add_ons(add_on))]
