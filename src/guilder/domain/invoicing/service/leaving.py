"""The last bill of what ended or was paused within a period: what it used, less what it paid for and will not use."""

from collections.abc import Collection, Sequence
from datetime import datetime

from guilder.domain.catalog.model import Unused
from guilder.domain.invoicing.model import Invoice
from guilder.domain.invoicing.rules import drafts
from guilder.domain.invoicing.service.arrears import Due, bill_segments
from guilder.domain.invoicing.service.billing import finalize_new
from guilder.domain.invoicing.service.changing import unused_lines
from guilder.domain.invoicing.service.paying_back import refund_unused
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Changed
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def settle_up(
    tx: Tx, *, stopped: Sequence[Changed], unused: Unused | None = None, at: datetime, now: datetime
) -> list[Invoice]:
    """Bill what ended or was paused at `at`, each subscription on a bill of its own, with what of it was paid for and is
    not used: of what ended that is lost, becomes credit, or is refunded, by `unused`, None: as each one's plan says; of
    what was paused it becomes credit, unless the time is kept.

    What of its use still has its grace period is billed when that is over; what came late is billed now, also of one that
    was paused and closes nothing: no bill comes after this one. A bill below zero is a credit note.
    """
    back = {each.after.ref: _becomes(each, unused) for each in stopped}
    gives_back = [ref for ref, what in back.items() if what is not Unused.NOTHING]
    made = await _bill(tx, stopped, gives_back, at=at, now=now)
    refunded = [ref for ref, what in back.items() if what is Unused.REFUND]
    await refund_unused(tx, made=made, of=refunded, is_wished=unused is not None, now=now)
    return made


def _becomes(stopped: Changed, unused: Unused | None) -> Unused:
    if stopped.after.ended_at is not None:
        return unused or stopped.before.terms.billing.unused_on_cancel
    return Unused.CREDIT if stopped.gives_back else Unused.NOTHING


async def _bill(
    tx: Tx, stopped: Sequence[Changed], gives_back: Collection[Ref], *, at: datetime, now: datetime
) -> list[Invoice]:
    back = [each for each in stopped if each.after.ref in gives_back]
    unused = await unused_lines(tx, changed=back, at=at)
    given = dict(zip((each.after.ref for each in back), unused, strict=True))
    closed = [segment.ref for each in stopped for segment in each.segments]
    # What changes had closed before is due with the end, too.
    ended = [each.after.ref for each in stopped if each.after.ended_at is not None]
    closed += [each.ref for each in await subscriptions.open_segments(tx, subscriptions=ended)] if ended else []
    due = await subscriptions.segments_to_bill(tx, refs=sorted(set(closed)), now=now) if closed else []
    dues = [
        Due(
            subscription=each.after,
            at=at,
            segments=tuple(segment for segment in due if segment.subscription_id == each.after.id),
            given_back=tuple(given.get(each.after.ref, ())),
        )
        for each in stopped
    ]
    over = await bill_segments(tx, dues=dues, now=now)
    used = dict(zip((each.subscription.ref for each in dues), over, strict=True))
    made = [
        drafts.of_lines(each.after, lines, issued_at=at, terms=each.before.terms)
        for each in stopped
        if (lines := [*given.get(each.after.ref, []), *used.get(each.after.ref, [])])
    ]
    return await finalize_new(tx, made, now=now)
