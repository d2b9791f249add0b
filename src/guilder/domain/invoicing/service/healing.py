"""Self-healing: what is owed and was never billed is found, and billed once; what is there is never touched."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.customers import service as customers
from guilder.domain.invoicing.model import Draft, Invoice
from guilder.domain.invoicing.rules import drafts, expected
from guilder.domain.invoicing.rules.expected import Difference, Fault, Owed
from guilder.domain.invoicing.service.billing import bill_segments_due, finalize_new
from guilder.domain.invoicing.store import claim_items
from guilder.domain.invoicing.store import healing as store
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import SegmentKind, Subscription
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace
from guilder.platform.db.tx import Tx

BATCH = 200


async def differences(tx: Tx, *, refs: Sequence[Ref] | None, limit: int, now: datetime) -> list[Difference]:
    """Compare what should have been billed up to `now` with what was; return at most `limit` differences.

    Of these subscriptions, or of all of the transaction's tenants: those that are due and not rolled yet are owed no more
    than what they have come to so far.
    """
    found: list[Difference] = []
    async for batch in _batches(tx, refs):
        found += await _compared(tx, batch, now=now)
        if len(found) >= limit:
            return found[:limit]
    return found


async def heal(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> list[Invoice]:
    """Bill what is missing of these subscriptions, dated by when it fell due, and only that; return the invoices made.

    An amount that is wrong, what is billed and not owed, and a hole are reported by `differences`, and left to people.
    What is billed and not held is held again. Segments that are over and due are billed as their own job would have
    done. Healing again changes nothing.
    """
    found = await subscriptions.get(tx, refs=refs)
    # Whoever bills one of these at the same time holds its customer, and bills before or after this, not meanwhile.
    await customers.lock(tx, refs=sorted({Ref(each.tenant_id, each.customer_id) for each in found.values()}))
    compared = await _compared(tx, sorted(found), now=now)
    await claim_items(
        tx,
        [
            (each.subscription.tenant_id, each.billed_item, each.invoice_id)
            for each in compared
            if each.fault is Fault.UNHELD and each.invoice_id is not None
        ],
    )
    missing = [(each.subscription, each.owed) for each in compared if each.fault is Fault.MISSING and each.owed]
    waiting = [owed.segment.ref for _, owed in missing if owed.segment is not None and owed.segment.billed_at is None]
    if waiting:
        await bill_segments_due(tx, refs=waiting, now=now)
    made = [
        _draft(found[ref], owed) for ref, owed in missing if owed.segment is None or owed.segment.billed_at is not None
    ]
    return await finalize_new(tx, sorted(made, key=lambda draft: draft.issued_at), now=now)


def _draft(subscription: Subscription, owed: Owed) -> Draft:
    """Bill what is missing as it would have been billed then: at the terms of that time, dated by when it fell due."""
    if owed.segment is not None:
        assert owed.segment.kind is SegmentKind.FEE, owed
        line = drafts.arrears_fee(subscription, owed.segment)
        return drafts.of_lines(subscription, [line], issued_at=owed.due_at, terms=owed.segment.terms)
    past = owed.past
    assert past is not None, owed
    then = replace(
        subscription,
        terms=past.terms,
        anchor_at=past.anchor_at,
        current_period=past.current_period,
        full_period=past.full_period,
    )
    line = drafts.fee_line(then, past.terms, owed.period)
    assert line.amount == owed.amount, (line, owed)
    return drafts.of_lines(then, [line], issued_at=owed.due_at)


async def _batches(tx: Tx, refs: Sequence[Ref] | None) -> AsyncIterator[Sequence[Ref]]:
    if refs is not None:
        for start in range(0, len(refs), BATCH):
            yield refs[start : start + BATCH]
        return
    after: UUID | None = None
    while batch := await subscriptions.some(tx, after=after, limit=BATCH):
        yield batch
        after = batch[-1].id


async def _compared(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> list[Difference]:
    if not refs:
        return []
    found = await subscriptions.get(tx, refs=refs)
    history = await subscriptions.history(tx, refs=refs)
    segments = [
        *await subscriptions.billed_segments(tx, subscriptions=refs),
        *await subscriptions.open_segments(tx, subscriptions=refs),
    ]
    billed = await store.billed_fees(tx, refs)
    return [
        difference
        for ref in refs
        # What a provider bills itself is billed by nobody here.
        if ref in found and found[ref].billed_by is None
        for difference in expected.differences(
            found[ref],
            history[ref],
            [each for each in segments if Ref(each.tenant_id, each.subscription_id) == ref],
            billed[ref],
            now=now,
        )
    ]
