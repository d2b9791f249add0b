"""A renewal is announced once, as many days before it as its tenant has it."""

from datetime import timedelta

import pytest

from guilder.domain.subscriptions import jobs
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.events import SubscriptionRenewalUpcoming
from guilder.domain.subscriptions.model import RenewalReminders
from guilder.kernel.period import Interval, Unit

YEARLY = {"billing_cycle": "yearly", "interval": Interval(Unit.YEAR)}
WEEK = timedelta(days=7)


@pytest.fixture
def remind(open_tx):
    async def run(*subscriptions_, now):
        async with open_tx() as tx:
            await jobs.remind_of_renewals(tx, [each.ref for each in subscriptions_], now=now)
            return [each.event for each in tx.outbox if isinstance(each.event, SubscriptionRenewalUpcoming)]

    return run


@pytest.fixture
def due(open_tx, tenant):
    async def find():
        async with open_tx() as tx:
            rows = await tx.fetch("select * from subscriptions.renewal_reminders_due($1, 'infinity', 10)", tenant)
            return [row["due_at"] for row in rows]

    return find


@pytest.fixture
def announced_days(open_tx, tenant):
    async def choose(*, now, **days):
        async with open_tx() as tx:
            wanted = RenewalReminders(tenant_id=tenant, **days)
            await subscriptions.set_renewal_reminders(tx, reminders=wanted, now=now)
            assert await subscriptions.renewal_reminders(tx) == wanted

    return choose


async def test_a_year_is_announced_a_week_before_and_once(subscribed, remind, due):
    made = await subscribed(terms=YEARLY)
    ends_at = made.current_period.ends_at
    assert await due() == [ends_at - WEEK]
    assert await remind(made, now=ends_at - WEEK - timedelta(seconds=1)) == []
    [told] = await remind(made, now=ends_at - WEEK)
    assert (told.days_left, told.renews_at, told.plan_code) == (7, ends_at, made.terms.plan_code)
    assert await remind(made, now=ends_at - WEEK) == []
    assert await due() == []


async def test_what_is_changed_after_it_was_announced_is_not_announced_again(subscribed, remind, due, open_tx):
    made = await subscribed(terms=YEARLY)
    ends_at = made.current_period.ends_at
    await remind(made, now=ends_at - WEEK)
    async with open_tx() as tx:
        await subscriptions.cancel(tx, ref=made.ref, at_period_end=True, now=ends_at - timedelta(days=6))
        await subscriptions.keep(tx, ref=made.ref, now=ends_at - timedelta(days=5))
    assert await due() == []


async def test_the_next_year_is_announced_anew(subscribed, remind, due, roll):
    made = await subscribed(terms=YEARLY)
    await remind(made, now=made.current_period.ends_at - WEEK)
    [renewed] = await roll(made, now=made.current_period.ends_at)
    assert await due() == [renewed.subscription.current_period.ends_at - WEEK]


async def test_what_does_not_renew_is_not_announced(subscribed, due, open_tx):
    made = await subscribed(terms=YEARLY)
    async with open_tx() as tx:
        await subscriptions.cancel(tx, ref=made.ref, at_period_end=True, now=made.created_at)
    assert await due() == []


async def test_a_month_is_announced_where_the_tenant_wishes_it(subscribed, due, announced_days):
    made = await subscribed()
    assert await due() == []
    await announced_days(now=made.created_at, days=3)
    assert await due() == [made.current_period.ends_at - timedelta(days=3)]
    other = await subscribed()
    assert await due() == [made.current_period.ends_at - timedelta(days=3)] * 2
    assert other.ref != made.ref
    await announced_days(now=made.created_at, days=0)
    assert await due() == []


async def test_nothing_is_announced_before_its_period_began(subscribed, due, announced_days):
    made = await subscribed()
    await announced_days(now=made.created_at, days=31)
    assert await due() == []
