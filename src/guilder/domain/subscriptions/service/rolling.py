"""Taking what has fallen due: each step at its own instant, add-ons together with what they belong to."""

from collections.abc import Collection, Sequence
from datetime import datetime

from guilder.domain.subscriptions import store
from guilder.domain.subscriptions.model import Rolled, Status, Subscription
from guilder.domain.subscriptions.rules import rolling
from guilder.domain.subscriptions.rules.rolling import SHARED, ParentTurn
from guilder.domain.subscriptions.service import telling
from guilder.domain.subscriptions.service.arrears import fall_due_with_end
from guilder.domain.subscriptions.service.beginning import plan_reminders
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx

Steps = list[tuple[Subscription, Subscription, list[Rolled]]]  # before, after, and what brought it there


async def roll_due(tx: Tx, *, refs: Sequence[Ref], without_method: Collection[Ref] = (), now: datetime) -> list[Rolled]:
    """Take every step that is due up to `now`: starts, new periods, changes, pauses, resumptions and ends on their dates.

    One subscription may take several, in order; rows that somebody else is at are left to them. Add-ons of `refs`,
    and what `refs` belong to, are taken too where they are due. `without_method` names those that could not be charged: their trials end as their terms say.
    What is billed in arrears is written down as segments, and returned with the step that closed it.
    """
    claimed = await _with_parents(tx, await store.claim_due(tx, refs, now=now), now=now)
    missing = set(without_method)
    steps: Steps = [_roll(s, (), missing, now=now) for s in claimed if s.parent_id is None]
    shared = {before.ref: _shared(turns) for before, _, turns in steps if _shared(turns)}
    belonging = {s.ref: s for s in claimed if s.parent_id is not None}
    if shared:
        belonging |= {s.ref: s for s in await store.lock_add_ons(tx, sorted(shared))}
    for ref in sorted(belonging):
        add_on = belonging[ref]
        assert add_on.parent_id is not None, ref
        parent = Ref(add_on.tenant_id, add_on.parent_id)
        steps.append(_roll(add_on, shared.get(parent, ()), missing, now=now))
    await _save(tx, steps, now=now)
    return [turn for _, _, turns in steps for turn in turns]


async def _with_parents(tx: Tx, claimed: list[Subscription], *, now: datetime) -> list[Subscription]:
    """Add the due parents of add-ons, whose own instants come first; leave those whose parent somebody else is at."""
    parents = {Ref(s.tenant_id, s.parent_id) for s in claimed if s.parent_id is not None} - {s.ref for s in claimed}
    if not parents:
        return claimed
    claimed = list({s.ref: s for s in [*claimed, *await store.claim_due(tx, sorted(parents), now=now)]}.values())
    elsewhere = await store.due_among(tx, sorted(parents), now=now) - {s.ref for s in claimed}
    return [s for s in claimed if s.parent_id is None or Ref(s.tenant_id, s.parent_id) not in elsewhere]


def _roll(
    before: Subscription, parent: Sequence[ParentTurn], without_method: set[Ref], *, now: datetime
) -> tuple[Subscription, Subscription, list[Rolled]]:
    after, turns = rolling.roll(before, now=now, has_method=before.ref not in without_method, parent=parent)
    return before, after, turns


def _shared(turns: Sequence[Rolled]) -> tuple[ParentTurn, ...]:
    return tuple(ParentTurn.of(turn) for turn in turns if turn.turn in SHARED)


async def _save(tx: Tx, steps: Steps, *, now: datetime) -> None:
    # A late run passes through states that are never saved, and were real all the same.
    await store.passed(tx, [turn.subscription for _, _, turns in steps for turn in turns[:-1]])
    await store.save(tx, [after for _, after, turns in steps if turns])
    await store.insert_segments(tx, [each for _, _, turns in steps for turn in turns for each in turn.segments])
    await fall_due_with_end(tx, ended=[after for _, after, turns in steps if turns and after.ended_at is not None])
    begun = [after for before, after, _ in steps if before.status is Status.SCHEDULED]
    await plan_reminders(tx, [each for each in begun if each.status is Status.TRIALING])
    # A change on its date took another plan's trial.
    trying = [(before, after) for before, after, _ in steps if before.status is after.status is Status.TRIALING]
    retimed = [after for before, after in trying if after.trial_ends_at != before.trial_ends_at]
    await plan_reminders(tx, retimed, now=now)
    for before, _, turns in steps:
        telling.turns(tx, before, turns, now=now)
