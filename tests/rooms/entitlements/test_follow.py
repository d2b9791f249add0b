import random
from datetime import timedelta
from itertools import permutations

import pytest

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Feature
from guilder.domain.entitlements import handlers
from guilder.domain.entitlements.rules import standing as rules
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.events import (
    SubscriptionActivated,
    SubscriptionCancelScheduled,
    SubscriptionChanged,
    SubscriptionEnded,
    SubscriptionPaused,
    SubscriptionRecovered,
    SubscriptionRenewed,
    SubscriptionResumed,
    SubscriptionSuspended,
)
from tests.support.builders.catalog import a_plan, a_plan_content
from tests.support.builders.entitlements import about
from tests.support.builders.identity import NOW
from tests.support.builders.subscriptions import a_subscription, terms_of

DAY = timedelta(days=1)


@pytest.fixture
async def subscription(ground):
    async with ground.tx() as tx:
        plan = await a_plan(tx, code="pro")
        return await a_subscription(tx, ground.customer, plan, is_active=True)


def activated(subscription):
    period = subscription.current_period
    return about(
        SubscriptionActivated,
        subscription,
        status="active",
        period_starts_at=period.starts_at,
        period_ends_at=period.ends_at,
    )


async def follow(ground, message, now=NOW):
    return await ground.hear(handlers.on_subscription_moved, message, now=now)


async def test_what_is_active_grants_the_features_and_limits_agreed_to(ground, subscription):
    assert await follow(ground, activated(subscription)) == ["granted"]
    found = await ground.standing()
    assert found.is_eligible
    assert found.customer_id == ground.customer.id
    assert rules.features(found) == {"reports": "true"}
    assert [(each.code, each.included, each.left) for each in rules.limits(found)] == [("seats", 5, 5)]
    [grant] = found.grants
    assert (grant.code, grant.valid_until) == ("pro", subscription.current_period.ends_at)


async def test_what_is_said_twice_is_announced_once(ground, subscription):
    assert await follow(ground, activated(subscription)) == ["granted"]
    assert await follow(ground, activated(subscription)) == []


async def test_a_new_version_of_the_plan_changes_nothing_for_who_has_the_old(ground, subscription):
    async with ground.tx() as tx:
        content = a_plan_content(features=(Feature(code="magic", name="Magic"),))
        await catalog.new_version(tx, plan_id=subscription.terms.plan_id, content=content, now=NOW)
    await follow(ground, activated(subscription))
    assert rules.features(await ground.standing()) == {"reports": "true"}


async def test_what_waits_for_its_first_payment_grants_nothing(ground):
    async with ground.tx() as tx:
        waiting = await a_subscription(tx, ground.customer, await a_plan(tx))
    assert await follow(ground, activated(waiting)) == []
    found = await ground.standing()
    assert (found.is_eligible, found.reasons) == (False, ("nothing_bought",))


async def test_what_was_never_paid_for_ends_without_a_word(ground):
    async with ground.tx() as tx:
        waiting = await a_subscription(tx, ground.customer, await a_plan(tx))
        [ended] = await subscriptions.end(tx, refs=[waiting.ref], now=NOW)
    assert await follow(ground, about(SubscriptionEnded, ended, status="expired", ended_at=NOW)) == []


async def test_a_renewal_carries_access_on(ground, subscription):
    await follow(ground, activated(subscription))
    end = subscription.current_period.ends_at
    async with ground.tx() as tx:
        [rolled] = await subscriptions.roll_due(tx, refs=[subscription.ref], now=end)
    period = rolled.subscription.current_period
    renewed = about(SubscriptionRenewed, subscription, period_starts_at=period.starts_at, period_ends_at=period.ends_at)
    assert await follow(ground, renewed, now=end) == []
    [grant] = (await ground.standing(now=end + 20 * DAY)).grants
    assert grant.valid_until == period.ends_at > end


async def test_another_plan_grants_other_things(ground, subscription):
    await follow(ground, activated(subscription))
    async with ground.tx() as tx:
        other = await a_plan(tx, code="team", features=(Feature(code="api", name="API"),), limits=())
        changed = await subscriptions.change(
            tx, ref=subscription.ref, terms=terms_of(other), at_period_end=False, now=NOW
        )
    assert await follow(ground, about(SubscriptionChanged, changed.after, quantity=1, billing_cycle="monthly")) == [
        "granted"
    ]
    found = await ground.standing()
    assert rules.features(found) == {"api": "true"}
    assert rules.limits(found) == ()


async def test_access_is_gone_while_it_is_suspended_and_back_when_it_recovers(ground, subscription):
    await follow(ground, activated(subscription))
    async with ground.tx() as tx:
        [suspended] = await subscriptions.suspend(tx, refs=[subscription.ref], now=NOW)
    assert await follow(ground, about(SubscriptionSuspended, suspended)) == ["ended"]
    found = await ground.standing()
    assert (found.is_eligible, found.is_blocked, found.reasons) == (False, False, ("subscription_suspended",))
    async with ground.tx() as tx:
        await subscriptions.recover(tx, refs=[subscription.ref], now=NOW)
    period = subscription.current_period
    recovered = about(
        SubscriptionRecovered, subscription, period_starts_at=period.starts_at, period_ends_at=period.ends_at
    )
    assert await follow(ground, recovered) == ["granted"]
    assert (await ground.standing()).is_eligible


async def test_access_is_gone_while_it_is_paused_and_back_when_it_resumes(ground, subscription):
    await follow(ground, activated(subscription))
    async with ground.tx() as tx:
        paused = (await subscriptions.pause(tx, ref=subscription.ref, now=NOW + DAY)).after
    assert await follow(ground, about(SubscriptionPaused, paused, paused_at=NOW + DAY, resumes_at=None)) == ["ended"]
    assert not (await ground.standing(now=NOW + DAY)).is_eligible
    async with ground.tx() as tx:
        resumed = (await subscriptions.resume(tx, ref=subscription.ref, now=NOW + 40 * DAY)).after
    period = resumed.current_period
    fact = about(SubscriptionResumed, resumed, period_starts_at=period.starts_at, period_ends_at=period.ends_at)
    assert await follow(ground, fact) == ["granted"]
    assert (await ground.standing(now=period.ends_at - DAY)).is_eligible


async def test_what_ends_on_a_date_is_there_until_then_and_no_longer(ground, subscription):
    await follow(ground, activated(subscription))
    at = NOW + 10 * DAY
    async with ground.tx() as tx:
        leaving = (await subscriptions.cancel(tx, ref=subscription.ref, at=at, now=NOW)).after
    await follow(ground, about(SubscriptionCancelScheduled, leaving, ends_at=at))
    assert (await ground.standing(now=at - timedelta(seconds=1))).is_eligible
    assert not (await ground.standing(now=at)).is_eligible


async def test_what_is_not_renewed_ends_with_its_period_whether_a_job_runs_or_not(ground, subscription):
    await follow(ground, activated(subscription))
    end = subscription.current_period.ends_at
    assert (await ground.standing(now=end)).is_eligible, "a renewal may be a little late"
    async with ground.tx() as tx:
        opted_out = await subscriptions.cancel(tx, ref=subscription.ref, at_period_end=True, now=NOW)
    await follow(ground, about(SubscriptionCancelScheduled, opted_out.after, ends_at=end))
    assert (await ground.standing(now=end - timedelta(seconds=1))).is_eligible
    assert not (await ground.standing(now=end)).is_eligible


async def test_facts_heard_in_any_order_come_to_the_same(ground, subscription):
    async with ground.tx() as tx:
        ended = await subscriptions.cancel(tx, ref=subscription.ref, at_period_end=False, now=NOW)
    facts = [
        activated(subscription),
        about(SubscriptionSuspended, subscription),
        about(SubscriptionEnded, ended.after, status="canceled", ended_at=NOW),
    ]
    for order in permutations(facts):
        for fact in order:
            await follow(ground, fact)
        assert not (await ground.standing()).is_eligible


async def test_a_late_activation_does_not_bring_back_what_has_ended(ground, subscription):
    await follow(ground, activated(subscription))
    async with ground.tx() as tx:
        ended = await subscriptions.cancel(tx, ref=subscription.ref, at_period_end=False, now=NOW)
    assert await follow(ground, about(SubscriptionEnded, ended.after, status="canceled", ended_at=NOW)) == ["ended"]
    assert await follow(ground, activated(subscription)) == []
    assert not (await ground.standing()).is_eligible


async def test_a_batch_takes_a_constant_number_of_statements(ground, monkeypatch):
    async with ground.tx() as tx:
        plan = await a_plan(tx)
        many = [await a_subscription(tx, ground.customer, plan, is_active=True) for _ in range(30)]
    counts = []
    for batch in (many[:2], many[2:]):
        random.shuffle(batch)
        async with ground.tx() as tx:
            asked = []
            fetch, execute = type(tx).fetch, type(tx).execute
            monkeypatch.setattr(type(tx), "fetch", lambda *a, f=fetch, n=asked: (n.append(1), f(*a))[1])
            monkeypatch.setattr(type(tx), "execute", lambda *a, f=execute, n=asked: (n.append(1), f(*a))[1])
            await handlers.on_subscription_moved(tx, [activated(each) for each in batch], now=NOW)
            monkeypatch.undo()
            counts.append(len(asked))
    # The first batch also opened the account, by three statements more.
    assert counts[1] <= counts[0]
    assert len((await ground.standing()).grants) == 30
