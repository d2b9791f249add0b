"""What a refund takes back, and time that a pause keeps for later."""

from datetime import timedelta

from guilder.domain.entitlements import handlers, store
from guilder.domain.entitlements.model import Revocation
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.events import SubscriptionActivated, SubscriptionResumed
from guilder.kernel import ids
from tests.support.builders.catalog import a_plan
from tests.support.builders.entitlements import about
from tests.support.builders.identity import NOW
from tests.support.builders.subscriptions import a_subscription

DAY = timedelta(days=1)


async def test_time_that_was_kept_of_a_later_period_is_had_however_late_it_is_heard_of(ground):
    async with ground.tx() as tx:
        subscription = await a_subscription(tx, ground.customer, await a_plan(tx, code="pro"), is_active=True)
    first = subscription.current_period
    fact = about(
        SubscriptionActivated,
        subscription,
        status="active",
        period_starts_at=first.starts_at,
        period_ends_at=first.ends_at,
    )
    await ground.hear(handlers.on_subscription_moved, fact)
    taken = Revocation(
        tenant_id=ground.tenant_id,
        customer_id=ground.customer.id,
        refund_id=ids.new(NOW),
        invoice_id=ids.new(NOW),
        subscription_id=subscription.id,
        since=NOW + DAY,
        until=first.ends_at,
    )
    # The second period is renewed and paid for, paused and resumed, and entitlements hears of all that only then.
    resumes_at = first.ends_at + 20 * DAY
    async with ground.tx() as tx:
        await store.insert_revocations(tx, [taken])
        await subscriptions.roll_due(tx, refs=[subscription.ref], now=first.ends_at)
        await subscriptions.pause(tx, ref=subscription.ref, now=first.ends_at + 10 * DAY)
        resumed = (await subscriptions.resume(tx, ref=subscription.ref, now=resumes_at)).after
    period = resumed.current_period
    fact = about(SubscriptionResumed, resumed, period_starts_at=period.starts_at, period_ends_at=period.ends_at)
    await ground.hear(handlers.on_subscription_moved, fact, now=resumes_at)
    assert (await ground.standing(now=resumes_at + DAY)).is_eligible
