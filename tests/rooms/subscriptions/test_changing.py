"""Other terms now, with the next period and on a date; another billing day; segments on the way to their invoice."""

from datetime import UTC, datetime, timedelta

import pytest

from guilder.domain.catalog.model import Alignment, AnchorRule
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import SegmentKind, Status, Turn
from guilder.kernel.ids import Ref
from guilder.kernel.lifecycle import IllegalStep
from guilder.kernel.noun import replace
from guilder.kernel.period import Interval, Unit
from tests.support.builders.identity import NOW

DAY = timedelta(days=1)


def dearer(subscription, **over):
    return replace(subscription.terms, quantity=2, **over)


async def test_a_change_on_a_date_is_visible_revocable_and_takes_effect_then(subscribed, do, roll, heard):
    made = await subscribed()
    at = NOW + 10 * DAY
    planned = await do("change", ref=made.ref, terms=dearer(made), at=at, now=NOW)
    assert (planned.after.pending_at, planned.after.next_due_at) == (at, at)
    revoked = await do("revoke_change", ref=made.ref, now=NOW + DAY)
    assert (revoked.pending_terms, revoked.pending_at, revoked.next_due_at) == (None, None, made.next_due_at)
    await do("change", ref=made.ref, terms=dearer(made), at=at, now=NOW + DAY)
    [turn] = await roll(made, now=at)
    assert (turn.turn, turn.at, turn.before.terms, turn.terms) == (Turn.CHANGED, at, made.terms, dearer(made))
    await do("revoke_change", ref=made.ref, now=at)
    assert (await heard())[2:] == [
        "subscription.change_scheduled",
        "subscription.change_revoked",
        "subscription.change_scheduled",
        "subscription.changed",
    ], "taking back what is not pending is no news"


async def test_the_last_wish_is_the_one_that_counts(subscribed, do):
    made = await subscribed()
    await do("change", ref=made.ref, terms=dearer(made), at=NOW + 10 * DAY, now=NOW)
    later = await do("change", ref=made.ref, terms=dearer(made), at_period_end=True, now=NOW)
    assert (later.after.pending_at, later.after.next_due_at) == (None, made.current_period.ends_at)
    changed = await do("change", ref=made.ref, terms=dearer(made), now=NOW + DAY)
    assert (changed.after.pending_terms, changed.began_period) == (None, False)


async def test_a_date_that_is_past_is_refused(subscribed, do):
    made = await subscribed()
    for verb, more in [("change", {"terms": dearer(made), "at": NOW}), ("cancel", {"at": NOW - DAY})]:
        with pytest.raises(subscriptions.DateIsPast):
            await do(verb, ref=made.ref, now=NOW, **more)


async def test_what_has_not_begun_has_no_terms_to_change(subscribed, do):
    made = await subscribed(starts_at=NOW + DAY, is_active=False)
    with pytest.raises(IllegalStep):
        await do("change", ref=made.ref, terms=dearer(made), now=NOW)


async def test_another_interval_keeps_the_anniversary_where_the_plan_says_so(subscribed, do):
    made = await subscribed()
    yearly = replace(
        made.terms, interval=Interval(Unit.YEAR), billing=replace(made.terms.billing, interval_change=AnchorRule.KEEP)
    )
    changed = await do("change", ref=made.ref, terms=yearly, now=NOW + 5 * DAY)
    read = await do("one", ref=made.ref)
    assert changed.began_period
    assert read == changed.after, "a stub is read as it was written"
    assert read.current_period.ends_at == NOW.replace(year=2027)
    assert read.full_period.starts_at == NOW


async def test_a_moved_billing_day_runs_a_stub_to_it(subscribed, do, roll, heard):
    made = await subscribed()
    moved = await do(
        "move_billing_day", ref=made.ref, alignment=Alignment.BILLING_DAY, billing_day=15, now=NOW + 5 * DAY
    )
    assert moved.after.current_period == made.current_period
    assert (await heard())[-1] == "subscription.changed"
    [stub] = await roll(made, now=made.current_period.ends_at)
    assert stub.period.ends_at == datetime(2026, 4, 14, 22, tzinfo=UTC), "15 April, 00:00 in Amsterdam"
    assert stub.subscription.full_period.starts_at == datetime(2026, 3, 14, 23, tzinfo=UTC)


async def test_weeks_have_no_day_of_the_month(subscribed, do):
    made = await subscribed(terms={"interval": Interval(Unit.WEEK)})
    with pytest.raises(subscriptions.NoSuchBillingDay):
        await do("move_billing_day", ref=made.ref, alignment=Alignment.BILLING_DAY, billing_day=15, now=NOW)


async def test_what_was_closed_is_billed_once_when_its_grace_is_over(subscribed, do, roll, found_due, tenant):
    made = await subscribed(terms={"has_charges": True}, billing={"in_arrears": True, "grace_days": 2})
    end = made.current_period.ends_at
    [turn] = await roll(made, now=end)
    assert [(each.kind, each.due_at) for each in turn.segments] == [
        (SegmentKind.FEE, end),
        (SegmentKind.USAGE, end + 2 * DAY),
    ]
    fee, use = turn.segments
    assert [row["id"] for row in await found_due("segments_due", tenant, end)] == [fee.id]
    assert len(await found_due("segments_due", tenant, end + 2 * DAY)) == 2
    assert await do("segments_to_bill", refs=[fee.ref, use.ref], now=end) == [fee], "read as it was written"
    await do("mark_billed", billed={fee.ref: 0, use.ref: 7}, now=end + 2 * DAY)
    assert await do("segments_to_bill", refs=[fee.ref, use.ref], now=end + 9 * DAY) == []
    assert await found_due("segments_due", tenant, end + 99 * DAY) == []
    [billed] = await do("billed_segments", subscriptions=[made.ref], kind=SegmentKind.USAGE, since=None)
    assert (billed.ref, billed.late_seen, billed.billed_at) == (use.ref, 7, end + 2 * DAY)
    await do("saw_late", seen={use.ref: 9})
    await do("saw_late", seen={use.ref: 8})
    [seen] = await do("billed_segments", subscriptions=[made.ref], kind=SegmentKind.USAGE, since=made.created_at)
    assert seen.late_seen == 9
    assert await do("billed_segments", subscriptions=[made.ref], kind=SegmentKind.USAGE, since=end) == []


async def test_a_segment_somebody_is_at_is_left_to_them(subscribed, do, roll, open_tx):
    made = await subscribed(billing={"in_arrears": True})
    [turn] = await roll(made, now=made.current_period.ends_at)
    refs = [each.ref for each in turn.segments]
    async with open_tx() as tx:
        held = await subscriptions.segments_to_bill(tx, refs=refs, now=turn.at)
        assert held
        assert await do("segments_to_bill", refs=refs, now=turn.at) == []


async def test_a_change_in_arrears_is_open_until_its_period_is_over(subscribed, do):
    made = await subscribed(billing={"in_arrears": True})
    changed = await do("change", ref=made.ref, terms=dearer(made), now=NOW + 5 * DAY)
    [segment] = await do("open_segments", subscriptions=[made.ref])
    assert (segment,) == changed.segments
    assert (segment.due_at, segment.closes_period) == (made.current_period.ends_at, False)


async def test_what_was_suspended_owes_its_use_up_to_its_period_and_no_longer(subscribed, do):
    made = await subscribed(billing={"in_arrears": True})
    await do("suspend", refs=[made.ref], now=NOW + 5 * DAY)
    recovered = await do("recover", refs=[made.ref], now=NOW + 60 * DAY)
    assert recovered.begun == [], "its fee is billed when the period is over"
    [segment] = await do("open_segments", subscriptions=[made.ref])
    assert segment.period == made.current_period
    running = await do("one", ref=made.ref)
    assert (running.status, running.fee_from) == (Status.ACTIVE, NOW + 60 * DAY)


async def test_another_tenants_segments_are_not_there(subscribed, roll, database):
    made = await subscribed(billing={"in_arrears": True})
    [turn] = await roll(made, now=made.current_period.ends_at)
    from_outside = [Ref(made.tenant_id, each.id) for each in turn.segments]
    async with database.transaction(actor="test") as tx:
        assert await subscriptions.segments_to_bill(tx, refs=from_outside, now=turn.at) == []
