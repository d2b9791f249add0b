"""Billing what the clock brought: periods that begin."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.invoicing import store
from guilder.domain.invoicing.model import Draft, Invoice
from guilder.domain.invoicing.rules import drafts
from guilder.domain.invoicing.service.finalizing import finalize
from guilder.domain.payments.model import Via
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Subscription
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money
from guilder.platform.db.tx import Tx


async def bill_due(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Roll what is due and bill every period that began with it, each dated by when it fell due; return how many steps.

    A run that comes late makes the invoices that runs on time would have made.
    """
    rolled = await subscriptions.roll_due(tx, refs=refs, now=now)
    made = [drafts.next_period(turn) for turn in rolled if turn.period is not None]
    # Numbers follow the dates, as far as one batch goes.
    await _finalize_new(tx, sorted(made, key=lambda draft: draft.issued_at), now=now)
    return len(rolled)


async def bill_periods(tx: Tx, *, begun: Sequence[Subscription], issued_at: datetime, now: datetime) -> list[Invoice]:
    """Bill the current period of subscriptions that began one otherwise than by rolling: a recovery, a new interval."""
    made = [drafts.first_period(each, order_id=None, issued_at=issued_at) for each in begun]
    return await _finalize_new(tx, made, now=now)


async def billed_for_period(tx: Tx, *, subscription: Subscription) -> tuple[Money, Money]:
    """Return what the current period was billed, and what of that is left uncredited; both net, and both nothing
    where it was not billed (a trial, a free plan)."""
    currency = subscription.terms.unit_amount.currency
    found = await store.billed_in_period(
        tx, subscription_id=subscription.id, starts_at=subscription.current_period.starts_at
    )
    billed, credited = found or (0, 0)
    return Money(billed, currency), Money(max(billed - credited, 0), currency)


async def _finalize_new(tx: Tx, made: Sequence[Draft], *, now: datetime) -> list[Invoice]:
    items = [(draft.tenant_id, line.billed_item) for draft in made for line in draft.lines]
    taken = await store.are_billed(tx, items)
    fresh = [draft for draft in made if not any((draft.tenant_id, line.billed_item) in taken for line in draft.lines)]
    return await finalize(tx, drafts=fresh, via=Via.EITHER, now=now)
