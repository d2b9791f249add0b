"""The last bill of what ended or was paused within a period: what it used, less what it paid for and will not use."""

from collections.abc import Collection, Sequence
from datetime import datetime

from guilder.domain.invoicing.model import Invoice
from guilder.domain.invoicing.rules import drafts
from guilder.domain.invoicing.service.arrears import Due, bill_segments
from guilder.domain.invoicing.service.billing import finalize_new
from guilder.domain.invoicing.service.changing import unused_lines
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Changed
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def bill_cut_off(
    tx: Tx, *, cut_off: Sequence[Changed], gives_back: Collection[Ref], now: datetime
) -> list[Invoice]:
    """Bill what stopped at `now`, each subscription on a bill of its own; `gives_back` names whose unused time is.

    What of its use still has its grace period is billed when that is over; what came late is billed now, also of one that
    was paused and closes nothing: no bill comes after this one. A bill below zero is a credit note.
    """
    back = [each for each in cut_off if each.after.ref in gives_back]
    unused = await unused_lines(tx, changed=back, at=now)
    given = dict(zip((each.after.ref for each in back), unused, strict=True))
    closed = [segment.ref for each in cut_off for segment in each.segments]
    due = await subscriptions.segments_to_bill(tx, refs=closed, now=now) if closed else []
    dues = [
        Due(
            subscription=each.after,
            at=now,
            segments=tuple(segment for segment in due if segment.subscription_id == each.after.id),
        )
        for each in cut_off
    ]
    over = await bill_segments(tx, dues=dues, now=now)
    used = dict(zip((each.subscription.ref for each in dues), over, strict=True))
    made = [
        drafts.of_lines(each.after, lines, issued_at=now, terms=each.before.terms)
        for each in cut_off
        if (lines := [*given.get(each.after.ref, []), *used.get(each.after.ref, [])])
    ]
    return await finalize_new(tx, made, now=now)
