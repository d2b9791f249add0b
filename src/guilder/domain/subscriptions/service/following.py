"""What add-ons do with what they belong to: they pause, resume and end at the same instant."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from guilder.domain.subscriptions import store
from guilder.domain.subscriptions.model import Changed, Rolled, Subscription, Turn
from guilder.domain.subscriptions.rules import pauses, rolling
from guilder.domain.subscriptions.rules.rolling import ParentTurn
from guilder.domain.subscriptions.service import telling
from guilder.domain.subscriptions.service.arrears import fall_due_with_end
from guilder.domain.subscriptions.service.reading import check_rolled
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def follow(tx: Tx, parents: Mapping[Ref, ParentTurn], *, now: datetime) -> dict[Ref, tuple[Changed, ...]]:
    """Let the add-ons of `parents` do as they did now; return what happened to each parent's.

    :raises StillDue: an add-on has to be rolled first
    """
    done: defaultdict[Ref, tuple[Changed, ...]] = defaultdict(tuple)
    taken: list[tuple[Subscription, Rolled]] = []
    for add_on in await store.lock_add_ons(tx, sorted(parents)) if parents else ():
        assert add_on.parent_id is not None, add_on.ref
        parent = Ref(add_on.tenant_id, add_on.parent_id)
        check_rolled(add_on, now=now)
        rolled = rolling.follow(add_on, parents[parent])
        if rolled is not None:
            taken.append((add_on, rolled))
            done[parent] += (_changed(add_on, rolled),)
    await store.save(tx, [rolled.subscription for _, rolled in taken])
    await store.insert_segments(tx, [each for _, rolled in taken for each in rolled.segments])
    await fall_due_with_end(tx, ended=[rolled.subscription for _, rolled in taken if rolled.turn is Turn.ENDED])
    for before, rolled in taken:
        telling.turns(tx, before, [rolled], now=now)
    return done


def _changed(before: Subscription, rolled: Rolled) -> Changed:
    is_kept = rolled.turn is Turn.PAUSED and pauses.keeps_paid_time(before)
    is_cut_off = rolled.turn is not Turn.RESUMED and pauses.cuts_off(before, at=rolled.at)
    return Changed(
        before=before,
        after=rolled.subscription,
        segments=rolled.segments,
        began_period=rolled.turn is Turn.RESUMED and not pauses.time_left(before),
        gives_back=is_cut_off and not is_kept,
    )
