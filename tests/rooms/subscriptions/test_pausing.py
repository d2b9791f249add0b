"""Pausing and resuming, and ends on a date; add-ons together with what they belong to."""

from datetime import timedelta

import pytest

from guilder.domain.catalog.model import Alignment, PaidTime
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Status, Turn
from guilder.kernel.lifecycle import IllegalStep
from guilder.platform.db.tx import Tx
from tests.support.builders.identity import NOW

DAY = timedelta(days=1)


async def test_a_pause_keeps_paid_time_for_after_it(subscribed, do, found_due, tenant, heard):
    made = await subscribed()
    left = made.current_period.ends_at - (NOW + 10 * DAY)
    paused = await do("pause", ref=made.ref, now=NOW + 10 * DAY)
    assert (paused.after.status, paused.after.paused_at, paused.gives_back) == (Status.PAUSED, NOW + 10 * DAY, False)
    assert await found_due("due", tenant, NOW + 999 * DAY) == []
    resumed = await do("resume", ref=made.ref, now=NOW + 50 * DAY)
    assert not resumed.began_period
    assert resumed.after.current_period.starts_at == NOW + 50 * DAY
    assert resumed.after.current_period.ends_at == resumed.after.next_due_at == NOW + 50 * DAY + left
    assert await do("one", ref=made.ref) == resumed.after
    assert (await heard())[-2:] == ["subscription.paused", "subscription.resumed"]


@pytest.mark.parametrize("billing", [{"paused_time": PaidTime.CREDIT}, {"alignment": Alignment.CALENDAR}])
async def test_a_pause_gives_back_what_it_does_not_keep(subscribed, do, billing):
    made = await subscribed(billing=billing)
    assert (await do("pause", ref=made.ref, now=NOW + DAY)).gives_back
    resumed = await do("resume", ref=made.ref, now=NOW + 50 * DAY)
    assert resumed.began_period
    assert resumed.after.current_period.starts_at == NOW + 50 * DAY


async def test_nothing_is_given_back_where_nothing_was_paid_yet(subscribed, do):
    made = await subscribed(billing={"paused_time": PaidTime.CREDIT, "in_arrears": True})
    paused = await do("pause", ref=made.ref, now=NOW + DAY)
    assert not paused.gives_back
    [segment] = paused.segments
    assert (segment.period.starts_at, segment.period.ends_at, segment.due_at) == (NOW, NOW + DAY, NOW + DAY)


async def test_resumes_by_itself_on_its_date(subscribed, do, roll):
    made = await subscribed()
    await do("pause", ref=made.ref, resume_at=NOW + 40 * DAY, now=NOW + DAY)
    await do("resume", ref=made.ref, at=NOW + 60 * DAY, now=NOW + 2 * DAY)
    assert await roll(made, now=NOW + 59 * DAY) == []
    [turn] = await roll(made, now=NOW + 60 * DAY)
    assert (turn.turn, turn.at, turn.period) == (Turn.RESUMED, NOW + 60 * DAY, None)


async def test_a_planned_pause_begins_with_the_periods_end_and_can_be_taken_back(subscribed, do, roll, heard):
    made = await subscribed()
    planned = await do("pause", ref=made.ref, at_period_end=True, now=NOW)
    assert (planned.after.status, planned.after.pause_at_period_end) == (Status.ACTIVE, True)
    back = await do("resume", ref=made.ref, now=NOW + DAY)
    assert back.after == made
    await do("pause", ref=made.ref, at_period_end=True, now=NOW + DAY)
    [turn] = await roll(made, now=NOW + 90 * DAY)
    assert (turn.turn, turn.at, turn.before) == (Turn.PAUSED, made.current_period.ends_at, None)
    resumed = await do("resume", ref=made.ref, now=NOW + 90 * DAY)
    assert resumed.began_period
    assert (await heard())[-2:] == ["subscription.paused", "subscription.resumed"]


async def test_what_cannot_be_paused(subscribed, do):
    trying = await subscribed(trial_days=14, is_active=False)
    behind, leaving = await subscribed(), await subscribed()
    await do("mark_past_due", refs=[behind.ref], now=NOW)
    await do("cancel", ref=leaving.ref, at_period_end=True, now=NOW)
    for each, refusal in [(trying, IllegalStep), (behind, IllegalStep), (leaving, subscriptions.IsLeaving)]:
        with pytest.raises(refusal):
            await do("pause", ref=each.ref, now=NOW + DAY)
    with pytest.raises(subscriptions.DateIsPast):
        await do("pause", ref=(await subscribed()).ref, resume_at=NOW, now=NOW)
    with pytest.raises(IllegalStep):
        await do("resume", ref=behind.ref, now=NOW)


async def test_a_paused_one_can_be_canceled_and_gives_its_time_back(subscribed, do):
    made = await subscribed()
    await do("pause", ref=made.ref, now=NOW + DAY)
    ended = await do("cancel", ref=made.ref, now=NOW + 50 * DAY)
    assert (ended.after.status, ended.gives_back) == (Status.CANCELED, True)


async def test_ends_on_a_date_within_its_period_unless_it_is_kept(subscribed, do, roll, heard):
    made = await subscribed()
    leaving = await do("cancel", ref=made.ref, at=NOW + 40 * DAY, now=NOW)
    assert leaving.after.cancel_at == NOW + 40 * DAY
    kept = await do("keep", ref=made.ref, now=NOW + DAY)
    assert kept == made
    await do("cancel", ref=made.ref, at=NOW + 40 * DAY, now=NOW + DAY)
    renewed, ended = await roll(made, now=NOW + 99 * DAY)
    assert (renewed.turn, ended.turn, ended.at) == (Turn.RENEWED, Turn.ENDED, NOW + 40 * DAY)
    assert (ended.before.status, ended.subscription.status) == (Status.ACTIVE, Status.CANCELED)
    assert (await heard())[-1] == "subscription.ended"


async def test_what_never_began_expires_when_it_is_canceled(subscribed, do):
    made = await subscribed(starts_at=NOW + 9 * DAY, is_active=False)
    ended = await do("cancel", ref=made.ref, now=NOW)
    assert (ended.after.status, ended.after.next_due_at, ended.gives_back) == (Status.EXPIRED, None, False)


@pytest.fixture
async def family(subscribed):
    """A parent, and an add-on that began ten days later on the parent's grid."""
    parent = await subscribed()
    add_on = await subscribed(
        starts_at=NOW + 10 * DAY, now=NOW + 10 * DAY, anchor_at=parent.anchor_at, parent_id=parent.id
    )
    return parent, add_on


async def test_an_add_on_stands_on_its_parents_grid(family, do):
    parent, add_on = family
    assert add_on.current_period.ends_at == parent.current_period.ends_at
    assert add_on.full_period == parent.current_period
    assert await do("add_ons", parents=[parent.ref]) == [add_on]


async def test_add_ons_end_with_their_parent(family, do, heard):
    parent, add_on = family
    ended = await do("cancel", ref=parent.ref, now=NOW + 15 * DAY)
    [with_it] = ended.add_ons
    assert (with_it.before, with_it.after.status, with_it.gives_back) == (add_on, Status.CANCELED, True)
    assert (await do("one", ref=add_on.ref)).ended_at == NOW + 15 * DAY
    assert (await heard())[-2:] == ["subscription.ended", "subscription.ended"]


async def test_add_ons_end_with_their_parent_when_the_clock_ends_it(family, do, roll):
    parent, add_on = family
    await do("cancel", ref=parent.ref, at_period_end=True, now=NOW + 15 * DAY)
    turns = await roll(add_on, now=NOW + 99 * DAY)  # found by the add-on alone, the parent comes with it
    assert [(turn.subscription.id, turn.turn) for turn in turns] == [(parent.id, Turn.ENDED), (add_on.id, Turn.ENDED)]
    assert {turn.at for turn in turns} == {parent.current_period.ends_at}
    assert [turn.segments for turn in turns] == [(), ()]


async def test_add_ons_that_are_due_are_rolled_with_their_parent(family, roll):
    parent, add_on = family
    turns = await roll(parent, now=parent.current_period.ends_at)
    assert [(turn.subscription.id, turn.turn) for turn in turns] == [
        (parent.id, Turn.RENEWED),
        (add_on.id, Turn.RENEWED),
    ]


async def test_an_add_on_waits_for_a_parent_that_somebody_else_is_at(family, do, roll, open_tx):
    parent, add_on = family
    due = parent.current_period.ends_at
    async with open_tx() as tx:
        await subscriptions.lock(tx, ref=parent.ref)
        assert await roll(add_on, now=due) == []
    assert len(await roll(add_on, now=due)) == 2


async def test_add_ons_pause_and_resume_with_their_parent(family, do):
    parent, _ = family
    paused = await do("pause", ref=parent.ref, now=NOW + 15 * DAY)
    assert [each.after.status for each in paused.add_ons] == [Status.PAUSED]
    resumed = await do("resume", ref=parent.ref, now=NOW + 50 * DAY)
    [with_it] = resumed.add_ons
    assert (with_it.after.status, with_it.began_period) == (Status.ACTIVE, False)
    assert with_it.after.current_period.ends_at == resumed.after.current_period.ends_at


async def test_an_add_on_that_was_paused_for_itself_stays_so(family, do):
    parent, add_on = family
    await do("pause", ref=add_on.ref, now=NOW + 12 * DAY)
    assert (await do("pause", ref=parent.ref, now=NOW + 15 * DAY)).add_ons == ()
    assert (await do("resume", ref=parent.ref, now=NOW + 50 * DAY)).add_ons == ()
    assert (await do("one", ref=add_on.ref)).status is Status.PAUSED


async def test_a_verb_on_the_parent_asks_for_its_add_ons_to_be_rolled_first(subscribed, do):
    parent = await subscribed()
    await subscribed(starts_at=NOW + DAY, parent_id=parent.id, is_active=False)
    with pytest.raises(subscriptions.StillDue):
        await do("cancel", ref=parent.ref, now=NOW + 2 * DAY)


async def test_a_batch_takes_as_many_statements_as_one(subscribed, do, roll, monkeypatch):
    sent = []

    def counting(real):
        async def count(self, sql, *values):
            sent.append(sql)
            return await real(self, sql, *values)

        return count

    for name in ("fetch", "execute"):
        monkeypatch.setattr(Tx, name, counting(getattr(Tx, name)))

    async def statements(parents):
        family = []
        for _ in range(parents):
            parent = await subscribed(billing={"in_arrears": True})
            await subscribed(billing={"in_arrears": True}, parent_id=parent.id)
            await do("cancel", ref=parent.ref, at_period_end=True, now=NOW)
            family.append(parent)
        sent.clear()
        turns = await roll(*family, now=NOW + 31 * DAY)
        assert [turn.turn for turn in turns] == [Turn.ENDED] * 2 * parents
        return len(sent)

    assert await statements(1) == await statements(5)


async def test_add_ons_end_with_a_parent_that_ends_with_being_paid(family, do, roll, heard):
    parent, add_on = family
    await do("cancel", ref=parent.ref, at_period_end=True, now=NOW + 15 * DAY)
    await do("mark_past_due", refs=[parent.ref], now=NOW + 16 * DAY)
    await do("suspend", refs=[parent.ref], now=NOW + 17 * DAY)
    await roll(add_on, now=NOW + 40 * DAY)
    begun, cut_off = await do("recover", refs=[parent.ref], now=NOW + 40 * DAY)
    assert (begun, [(each.before.ref, each.gives_back) for each in cut_off]) == ([], [(add_on.ref, True)])
    assert (await do("one", ref=parent.ref)).status is Status.EXPIRED
    with_it = await do("one", ref=add_on.ref)
    assert (with_it.status, with_it.ended_at, with_it.next_due_at) == (Status.CANCELED, NOW + 40 * DAY, None)
    assert (await heard())[-2:] == ["subscription.ended", "subscription.ended"]


async def test_add_ons_pause_with_a_parent_that_pauses_with_being_paid(family, do, roll, heard):
    parent, add_on = family
    await do("pause", ref=parent.ref, at_period_end=True, now=NOW + 11 * DAY)
    await do("suspend", refs=[parent.ref], now=NOW + 12 * DAY)
    await roll(add_on, now=add_on.current_period.ends_at)  # the parent's instant never comes: it owes
    paid_at = NOW + 40 * DAY
    begun, cut_off = await do("recover", refs=[parent.ref], now=paid_at)
    assert (begun, [each.before.ref for each in cut_off]) == ([], [add_on.ref])
    ours, theirs = await do("one", ref=parent.ref), await do("one", ref=add_on.ref)
    assert (ours.status, ours.paused_at, theirs.paused_at) == (Status.PAUSED, paid_at, paid_at)
    assert (await heard())[-2:] == ["subscription.paused", "subscription.paused"]
    resumed = await do("resume", ref=parent.ref, now=paid_at + DAY)
    assert (resumed.began_period, [each.after.status for each in resumed.add_ons]) == (True, [Status.ACTIVE])


async def test_what_ended_with_its_parent_an_hour_ago_is_not_resumed_for_itself(family, do, roll):
    parent, add_on = family
    await do("cancel", ref=parent.ref, at_period_end=True, now=NOW + 15 * DAY)
    await do("pause", ref=add_on.ref, now=NOW + 16 * DAY)
    ends_at = parent.current_period.ends_at
    with pytest.raises(subscriptions.StillDue):
        await do("resume", ref=add_on.ref, now=ends_at + DAY)
    turns = await roll(add_on, now=ends_at + DAY)
    assert [(each.subscription.id, each.turn, each.at) for each in turns] == [
        (parent.id, Turn.ENDED, ends_at),
        (add_on.id, Turn.ENDED, ends_at),
    ]


async def test_an_add_on_is_not_resumed_while_its_parent_is_paused(family, do):
    parent, add_on = family
    await do("pause", ref=parent.ref, now=NOW + 15 * DAY)
    with pytest.raises(subscriptions.ParentIsPaused):
        await do("resume", ref=add_on.ref, now=NOW + 16 * DAY)
    await do("resume", ref=parent.ref, now=NOW + 17 * DAY)
    assert (await do("one", ref=add_on.ref)).status is Status.ACTIVE
