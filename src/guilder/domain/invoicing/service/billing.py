"""Billing what the clock brought: periods that begin, what is over, what changed or ended on its date."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from guilder.domain.catalog.model import TrialEnd, Unused
from guilder.domain.invoicing import store
from guilder.domain.invoicing.model import Draft, Invoice, NewLine
from guilder.domain.invoicing.rules import drafts, happenings
from guilder.domain.invoicing.rules.happenings import Happening
from guilder.domain.invoicing.service import changing, issuing, prepaid
from guilder.domain.invoicing.service.arrears import Due, bill_segments
from guilder.domain.invoicing.service.consolidating import consolidated
from guilder.domain.invoicing.service.finalizing import finalize
from guilder.domain.invoicing.service.paying_back import refund_unused
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Via
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Changed, Rolled, Segment, Subscription, Terms, Turn
from guilder.domain.subscriptions.rules import pauses
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def bill_due(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Roll what is due and bill all that came of it, each dated by when it fell due; return how many steps.

    A run that comes late makes the invoices that runs on time would have made.
    """
    rolled = await subscriptions.roll_due(
        tx, refs=refs, without_method=await _without_method(tx, refs=refs, now=now), now=now
    )
    current = {turn.subscription.ref: turn.subscription for turn in rolled}
    if others := sorted(set(refs) - current.keys()):
        found = await subscriptions.get(tx, refs=others)
        # Where somebody else is at a subscription, what it brings is theirs to bill.
        current |= {ref: each for ref, each in found.items() if not _is_due(each, now=now)}
    closed = [each for each in await _closed(tx, sorted(current), now=now) if each.due_at <= now]
    for wave in happenings.waves(happenings.put_together(rolled, closed, current)):
        await _bill(tx, wave, now=now)
    return len(rolled)


async def bill_segments_due(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Bill segments that are due without anything else: after their grace period, or of what has ended.

    What their subscriptions bring comes first, so that one instant is one invoice whichever job gets to it.
    """
    due = await subscriptions.segments_to_bill(tx, refs=refs, now=now)
    await bill_due(tx, refs=sorted({Ref(each.tenant_id, each.subscription_id) for each in due}), now=now)
    return len(due)


async def bill_closed(tx: Tx, *, closed: Sequence[Subscription], now: datetime) -> list[Invoice]:
    """Bill what is closed and due of subscriptions that were rolled, such as those that have just ended."""
    current = {each.ref: each for each in closed}
    due = [each for each in await _closed(tx, sorted(current), now=now) if each.due_at <= now]
    made = []
    for wave in happenings.waves(happenings.put_together([], due, current)):
        made += await _bill(tx, wave, now=now)
    return made


async def bill_periods(
    tx: Tx, *, begun: Sequence[Subscription], issued_at: datetime, cause: str = "", now: datetime
) -> list[Invoice]:
    """Bill the current period of subscriptions that began one otherwise than by rolling: a recovery, a new interval.

    `cause` tells it from a period that began at the same instant, and was billed and given back. A fee in arrears is
    billed when the period is over.
    """
    made = [
        drafts.caused(drafts.first_period(each, order_id=None, issued_at=issued_at), cause)
        for each in begun
        if not each.terms.billing.in_arrears
    ]
    return await finalize_new(tx, made, now=now)


async def finalize_new(tx: Tx, made: Sequence[Draft], *, now: datetime) -> list[Invoice]:
    """Make drafts owed without what is billed already, and let prepaid credits pay for use first."""
    items = [(draft.tenant_id, line.billed_item) for draft in made for line in draft.lines]
    taken = await store.are_billed(tx, items)
    fresh = [
        drafts.without(draft, frozenset(item for tenant_id, item in taken if tenant_id == draft.tenant_id))
        for draft in made
    ]
    issued = await issuing.named(tx, drafts=[draft for draft in fresh if draft.lines])
    shared = await consolidated(tx, drafts=issued)
    paid = await prepaid.draw(tx, made=shared)
    final = await finalize(tx, drafts=[each.draft for each in paid], via=Via.EITHER, now=now)
    await prepaid.record(tx, drawn=paid, invoices=final, now=now)
    return final


async def _bill(tx: Tx, wave: Sequence[Happening], *, now: datetime) -> list[Invoice]:
    prorated = await _prorated(tx, wave)
    dues = [
        Due(
            subscription=each.subscription,
            at=each.at,
            segments=each.segments,
            given_back=tuple(prorated.get((each.at, each.ref), ())),
        )
        for each in wave
    ]
    arrears = await bill_segments(tx, dues=dues, now=now)
    made = [
        drafts.of_lines(each.subscription, lines, issued_at=each.at, terms=_terms(each))
        for each, over in zip(wave, arrears, strict=True)
        if (lines := [*over, *prorated.get((each.at, each.ref), []), *_fees(each)])
    ]
    final = await finalize_new(tx, made, now=now)
    if refunded := [turn.subscription.ref for each in wave for turn in each.turns if _is_refunded(turn)]:
        await refund_unused(tx, made=final, of=refunded, is_due=True, now=now)
    return final


def _fees(happening: Happening) -> list[NewLine]:
    return [
        drafts.fee_line(turn.subscription, turn.terms, turn.period)
        for turn in happening.turns
        if turn.period is not None
    ]


def _terms(happening: Happening) -> Terms:
    return happening.turns[-1].terms if happening.turns else happening.subscription.terms


async def _prorated(tx: Tx, wave: Sequence[Happening]) -> Mapping[tuple[datetime, Ref], list[NewLine]]:
    """Return what changes and ends within a period give back and charge, by when and whose they are."""
    found: dict[tuple[datetime, Ref], list[NewLine]] = {}
    turns = [turn for each in wave for turn in each.turns if turn.before is not None]
    for at in sorted({turn.at for turn in turns}):
        changed = [turn for turn in turns if turn.at == at and turn.turn is Turn.CHANGED]
        cut = [turn for turn in turns if turn.at == at and _gives_back(turn)]
        lines = await changing.change_lines(
            tx, changed=[_change(turn) for turn in changed], cause=[_cause(turn) for turn in changed], at=at
        )
        unused = await changing.unused_lines(tx, changed=[_change(turn) for turn in cut], at=at)
        for turn, own in [*zip(changed, lines, strict=True), *zip(cut, unused, strict=True)]:
            found.setdefault((at, turn.subscription.ref), []).extend(own)
    return found


def _change(turn: Rolled) -> Changed:
    assert turn.before is not None, turn
    return Changed(before=turn.before, after=turn.subscription, segments=turn.segments)


def _cause(turn: Rolled) -> str:
    """Name a planned change by its date: it happens once, whoever gets to it."""
    return f"planned:{turn.at.isoformat()}"


def _gives_back(turn: Rolled) -> bool:
    if turn.before is None:
        return False
    if turn.turn is Turn.PAUSED:
        return not pauses.keeps_paid_time(turn.before)
    return turn.turn is Turn.ENDED and turn.before.terms.billing.unused_on_cancel is not Unused.NOTHING


def _is_refunded(turn: Rolled) -> bool:
    if turn.before is None or turn.turn is not Turn.ENDED:
        return False
    return turn.before.terms.billing.unused_on_cancel is Unused.REFUND


def _is_due(subscription: Subscription, *, now: datetime) -> bool:
    return subscription.next_due_at is not None and subscription.next_due_at <= now


async def _closed(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> list[Segment]:
    if not refs:
        return []
    waiting = await subscriptions.open_segments(tx, subscriptions=refs)
    if not waiting:
        return []
    return await subscriptions.segments_to_bill(tx, refs=[each.ref for each in waiting], now=now)


async def _without_method(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> list[Ref]:
    """Return those whose trial ends, and would end otherwise for want of a payment method."""
    ending = [
        each
        for each in await subscriptions.trials_due(tx, refs=refs, now=now)
        if (each.pending_terms or each.terms).billing.trial_end is not TrialEnd.INVOICE
    ]
    if not ending:
        return []
    charged = [(Ref(each.tenant_id, each.customer_id), each.payment_method_id) for each in ending]
    have = await payments.chargeable(tx, charged=charged)
    return [each.ref for each, wanted in zip(ending, charged, strict=True) if wanted not in have]
