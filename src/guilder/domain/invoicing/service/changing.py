"""What a change of terms gives back and charges, and what ending or pausing gives back: lines for the caller's draft."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.invoicing.model import NewLine
from guilder.domain.invoicing.rules import kept, proration
from guilder.domain.invoicing.service import giving_back
from guilder.domain.invoicing.store import billed
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Changed, Status, Subscription
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx

# In these nothing of the current period was billed, whatever its terms.
_UNBILLED = frozenset({Status.SCHEDULED, Status.TRIALING})


async def change_lines(
    tx: Tx, *, changed: Sequence[Changed], cause: Sequence[str], at: datetime
) -> list[list[NewLine]]:
    """Return what changes of terms at `at` give back and charge for the rest of the period, each named by its cause.

    They are worked out from what is billed in the database: what a change follows on has to be finalized before it.
    There are none in a trial, nor where the rest is billed at these terms already; and where a change begins a new
    period, the fee of that period is the caller's to bill.
    """
    standing = await _standing(tx, changed, [at] * len(changed))
    return [
        []
        if each.before.status in _UNBILLED or each.after.status in _UNBILLED
        else proration.lines(each.before, each.after, standing=standing[each.before.ref], cause=name, changed_at=at)
        for each, name in zip(changed, cause, strict=True)
    ]


async def unused_lines(
    tx: Tx, *, changed: Sequence[Changed], at: datetime, is_last_day_used: bool = True
) -> list[list[NewLine]]:
    """Return what gives the unused time back of subscriptions that ended or were paused at `at`. What is not given back for
    now, since its money is on its way back or with a bank, is said on its line: `give_withheld` gives it.

    Of one that was paused before, what was kept for later is unused since its pause.
    """
    since = [
        each.before.paused_at if each.before.status is Status.PAUSED and each.before.paused_at else at
        for each in changed
    ]
    asked = await _asked(tx, changed, since)
    billed_on = await billed.invoices(tx, asked) if asked else []
    gone = await giving_back.gone(tx, invoices=billed_on)
    standing = await billed.standing(tx, asked, gone=gone) if asked else {}
    for_good = standing
    if gone and (fewer := await giving_back.gone_for_good(tx, invoices=billed_on)) != gone:
        for_good = await billed.standing(tx, asked, gone=fewer)
    return [
        []
        if each.before.status in _UNBILLED
        else proration.unused(
            each.before,
            standing=standing[each.before.ref],
            for_good=for_good[each.before.ref],
            cause=f"{each.after.status.value}:{at.isoformat()}",
            at=from_then,
            is_last_day_used=is_last_day_used,
        )
        for each, from_then in zip(changed, since, strict=True)
    ]


async def _standing(tx: Tx, changed: Sequence[Changed], at: Sequence[datetime]) -> dict[Ref, proration.Standing]:
    asked = await _asked(tx, changed, at)
    if not asked:
        return {}
    gone = await giving_back.gone(tx, invoices=await billed.invoices(tx, asked))
    return await billed.standing(tx, asked, gone=gone)


async def _asked(tx: Tx, changed: Sequence[Changed], at: Sequence[datetime]) -> list[billed.Asked]:
    ends = await _kept_ends(tx, [each.before for each in changed])
    return [
        billed.Asked(
            ref=each.before.ref,
            period=each.before.current_period,
            at=instant,
            is_kept=each.before.ref in ends,
            ends=ends.get(each.before.ref, frozenset()),
        )
        for each, instant in zip(changed, at, strict=True)
    ]


async def _kept_ends(tx: Tx, found: Sequence[Subscription]) -> dict[Ref, frozenset[datetime]]:
    """Return of those whose period is time kept in a pause with which ends it was billed, as far as that is known."""
    current = {each.ref: each.current_period for each in found if kept.is_kept(each)}
    if not current:
        return {}
    history = await subscriptions.history(tx, refs=sorted(current))
    return {ref: kept.ends(history[ref], period) for ref, period in current.items()}
