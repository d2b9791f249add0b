"""What was called off before its message went out: it is not said any more."""

from datetime import timedelta
from functools import partial

import pytest

from guilder.domain.notifications import handlers
from guilder.domain.notifications.model import Status
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.events import (
    SubscriptionCancelScheduled,
    SubscriptionChangeScheduled,
    SubscriptionEnded,
    TrialEnding,
)
from tests.support.builders.catalog import a_plan
from tests.support.builders.entitlements import about, heard
from tests.support.builders.identity import NOW
from tests.support.builders.subscriptions import a_subscription, terms_of

STOPS = [
    partial(subscriptions.cancel, at_period_end=True),
    subscriptions.cancel,
    partial(subscriptions.pause, at_period_end=True),
]


@pytest.mark.parametrize("stop", STOPS, ids=["canceled", "ended", "paused"])
async def test_who_called_a_trial_off_is_not_told_of_a_charge_at_its_end(ground, stop):
    async with ground.tx() as tx:
        trial = await a_subscription(tx, ground.customer, await a_plan(tx), trial_days=14)
    async with ground.tx() as tx:
        await stop(tx, ref=trial.ref, now=NOW)
    await ground.hear(handlers.on_trial_ending, about(TrialEnding, trial, days_left=3, ends_at=trial.trial_ends_at))
    assert await outcomes(ground) == [(Status.DROPPED, "the trial is over, or nothing comes after it")]
    assert ground.inbox.mails == []


@pytest.mark.parametrize(("days", "is_told"), [(14, False), (13, True)])
async def test_of_an_add_on_that_ends_with_what_was_called_off_neither(ground, days, is_told):
    async with ground.tx() as tx:
        trial = await a_subscription(tx, ground.customer, await a_plan(tx), trial_days=14)
        beside = {"parent_id": trial.id, "trial_days": days}
        add_on = await a_subscription(tx, ground.customer, await a_plan(tx, is_add_on=True), **beside)
    async with ground.tx() as tx:
        await subscriptions.cancel(tx, ref=trial.ref, at_period_end=True, now=NOW)
    await ground.hear(handlers.on_trial_ending, about(TrialEnding, add_on, days_left=3, ends_at=add_on.trial_ends_at))
    assert bool(ground.inbox.mails) is is_told


@pytest.mark.parametrize("leaves", ["what it belongs to", "it", None])
async def test_a_change_of_what_ends_before_that_is_not_announced(ground, leaves):
    async with ground.tx() as tx:
        base = await a_subscription(tx, ground.customer, await a_plan(tx), is_active=True)
        extra = await a_plan(tx, is_add_on=True)
        add_on = await a_subscription(tx, ground.customer, extra, parent_id=base.id, is_active=True)
    async with ground.tx() as tx:
        if leaves:
            await subscriptions.cancel(tx, ref=(add_on if leaves == "it" else base).ref, at_period_end=True, now=NOW)
        terms = terms_of(extra, quantity=3)
        changed = await subscriptions.change(tx, ref=add_on.ref, terms=terms, at_period_end=True, now=NOW)
    ends_at = changed.after.current_period.ends_at
    said = about(SubscriptionChangeScheduled, changed.after, takes_effect_at=ends_at)
    await ground.hear(handlers.on_subscription_change_scheduled, said)
    assert bool(ground.inbox.mails) is (leaves is None)


async def outcomes(ground):
    return [(told.status, told.detail) for told in await ground.told()]


async def test_an_end_that_was_taken_back_is_not_confirmed_and_the_next_one_is(ground):
    async with ground.tx() as tx:
        s = await a_subscription(tx, ground.customer, await a_plan(tx), is_active=True)
    first = await leave(ground, s, at=NOW)
    await ground.hear(handlers.on_subscription_cancel_scheduled, first)
    async with ground.tx() as tx:
        await subscriptions.keep(tx, ref=s.ref, now=NOW)
    await ground.hear(handlers.on_subscription_cancel_scheduled, first)
    assert len(ground.inbox.mails) == 1
    for hours in (1, 2):  # the second time nothing was taken back
        again = await leave(ground, s, at=NOW + timedelta(hours=hours))
        await ground.hear(handlers.on_subscription_cancel_scheduled, again)
    ended = about(SubscriptionEnded, s, status="expired", ended_at=s.current_period.ends_at)
    await ground.hear(handlers.on_subscription_ended, ended)
    assert len(ground.inbox.mails) == 2


async def test_a_confirmation_that_waited_is_not_sent_beside_that_of_the_next_wish(ground):
    async with ground.tx() as tx:
        s = await a_subscription(tx, ground.customer, await a_plan(tx), is_active=True)
    first = await leave(ground, s, at=NOW)
    async with ground.tx() as tx:
        await handlers.on_subscription_cancel_scheduled(tx, [first], now=NOW)
        waiting = [heard(each.event) for each in tx.outbox]
    async with ground.tx() as tx:
        await subscriptions.keep(tx, ref=s.ref, now=NOW)
    again = await leave(ground, s, at=NOW + timedelta(hours=1))
    await ground.hear(handlers.on_subscription_cancel_scheduled, again)
    await ground.hear(handlers.on_notification_requested, *waiting)
    assert sorted(await outcomes(ground)) == [(Status.DROPPED, "another end is wished for by now"), (Status.SENT, "")]


@pytest.mark.parametrize("days", [0, 20], ids=["now", "later"])
async def test_of_two_ends_that_are_heard_together_the_one_that_holds_is_confirmed(ground, days):
    async with ground.tx() as tx:
        s = await a_subscription(tx, ground.customer, await a_plan(tx), is_active=True)
    first, at = await leave(ground, s, at=NOW), NOW + timedelta(days=days)
    async with ground.tx() as tx:
        ends = (await subscriptions.cancel(tx, ref=s.ref, at=at if days else None, now=NOW + timedelta(hours=1))).after
    if days:
        await ground.hear(
            handlers.on_subscription_cancel_scheduled, first, about(SubscriptionCancelScheduled, ends, ends_at=at)
        )
    else:
        await ground.hear(handlers.on_subscription_cancel_scheduled, first)
        ended = about(SubscriptionEnded, ends, status="canceled", ended_at=ends.ended_at)
        await ground.hear(handlers.on_subscription_ended, ended)
    [mail] = ground.inbox.mails
    text = mail.get_body(("plain",)).get_content()
    assert ["until Mar 21, 2026" in text, "until" in text] == [bool(days)] * 2


async def leave(ground, subscription, *, at):
    async with ground.tx() as tx:
        leaving = (await subscriptions.cancel(tx, ref=subscription.ref, at_period_end=True, now=at)).after
    return about(SubscriptionCancelScheduled, leaving, ends_at=leaving.current_period.ends_at)
