"""What gives and takes access. Each verb may be told the same thing twice, and of different topics in any order."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID, uuid5

from guilder.domain.catalog import service as catalog
from guilder.domain.customers import service as customers
from guilder.domain.entitlements import store
from guilder.domain.entitlements.events import AccessBlocked, AccessEnded, AccessGranted, AccessRestored
from guilder.domain.entitlements.model import (
    Grant,
    Lifting,
    NewAccount,
    NewBlock,
    Purchase,
    Refunded,
    Revocation,
)
from guilder.domain.entitlements.rules import granting
from guilder.domain.entitlements.service.counting import tell_reached, used
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Invoice
from guilder.domain.invoicing.rules import kept
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Subscription
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.noun import replace
from guilder.kernel.period import Period
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


async def follow(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> list[Grant]:
    """Bring the grants of these subscriptions in line with how they stand, and announce what opened or closed.

    It reads how they stand rather than what was said of them, so it may be told late, twice, or out of order.
    """
    found = await subscriptions.get(tx, refs=sorted(set(refs)))
    before = await store.lock_grants(tx, sorted(found))
    plans = await catalog.versions(
        tx, keys=[(each.tenant_id, each.terms.plan_id, each.terms.plan_version) for each in found.values()]
    )
    due = [
        granting.of_subscription(
            each, plans.get((each.tenant_id, each.terms.plan_id, each.terms.plan_version)), before.get(ref)
        )
        for ref, each in found.items()
    ]
    changed = await used(tx, [grant for grant in due if grant is not None and grant != before.get(grant.ref)])
    await _open_accounts(tx, [grant.customer_ref for grant in changed])
    await store.save_grants(tx, changed)
    taken = await _taken_back(tx, [found[grant.ref] for grant in changed], before)
    await store.project(tx, [grant.customer_ref for grant in changed], now=now)
    await tell_reached(
        tx, [grant.customer_ref for grant in changed if any(each.used for each in grant.limits)], now=now
    )
    for grant in changed:
        _announce_turn(tx, before.get(grant.ref), grant, taken.get(grant.ref, ()), now=now)
    return changed


async def grant_products(tx: Tx, *, purchases: Sequence[Purchase], now: datetime) -> list[Grant]:
    """Give access to what was bought, once an order."""
    grants = [granting.of_purchase(each) for each in purchases]
    await _open_accounts(tx, [grant.customer_ref for grant in grants])
    written = await store.insert_grants(tx, grants)
    new = [grant for grant in grants if grant.ref in written]
    await store.project(tx, [grant.customer_ref for grant in new], now=now)
    outbox.announce(tx, [_granted(grant) for grant in new], now=now)
    return new


async def block(tx: Tx, *, blocks: Sequence[NewBlock], now: datetime) -> None:
    """Shut customers out, each until its cause is lifted; a cause that was lifted already shuts nobody out."""
    assert all(each.reason for each in blocks), blocks
    await _open_accounts(tx, [_customer(each.tenant_id, each.customer_id) for each in blocks])
    written = await store.insert_blocks(tx, blocks)
    events = {
        ref: AccessBlocked(
            tenant_id=each.tenant_id, customer_id=each.customer_id, cause_id=each.cause_id, reason=each.reason
        )
        for each in blocks
        if (ref := Ref(each.tenant_id, each.cause_id)) in written
    }
    await store.project(tx, [_customer(each.tenant_id, each.customer_id) for each in events.values()], now=now)
    outbox.announce(tx, list(events.values()), now=now)


async def unblock(tx: Tx, *, liftings: Sequence[Lifting], now: datetime) -> None:
    """Lift causes for good. What was blocked by nothing else may be used again."""
    once = list({Ref(each.tenant_id, each.cause_id): each for each in liftings}.values())
    await _open_accounts(tx, [_customer(each.tenant_id, each.customer_id) for each in once])
    lifted = await store.lift(tx, once)
    events = [
        AccessRestored(tenant_id=each.tenant_id, customer_id=each.customer_id, cause_id=each.cause_id)
        for each in once
        if Ref(each.tenant_id, each.cause_id) in lifted
    ]
    await store.project(tx, [_customer(each.tenant_id, each.customer_id) for each in events], now=now)
    outbox.announce(tx, events, now=now)


async def revoke(tx: Tx, *, refunds: Sequence[Refunded], now: datetime) -> None:
    """Take back what refunded invoices had given: a product for good, a subscription until that period is over."""
    invoices = await invoicing.get(tx, refs=sorted({Ref(each.tenant_id, each.invoice_id) for each in refunds}))
    revocations = [
        revocation
        for each in refunds
        for revocation in _revocations(each, invoices.get(Ref(each.tenant_id, each.invoice_id)))
    ]
    revocations, had_again = await _until_paid_again(tx, revocations)
    owners = sorted({_customer(each.tenant_id, each.customer_id) for each in revocations})
    await _open_accounts(tx, owners)
    before = _by_subscription(await store.revocations_of(tx, owners))
    written = await store.insert_revocations(tx, revocations)
    closed = await store.of_invoices(tx, sorted(written))
    taken = [
        Ref(each.tenant_id, each.subscription_id)
        for each in revocations
        if each.subscription_id and each.ref in written and each.ref not in had_again
    ]
    held = await store.lock_grants(tx, sorted(set(taken)))
    after = await _taken_back(tx, list((await subscriptions.get(tx, refs=sorted(held))).values()), {})
    # Not of a period that is over, nor a second time.
    shut = [
        grant
        for ref, grant in held.items()
        if granting.is_had(grant, before.get(ref, ())) and not granting.is_had(grant, after.get(ref, ()))
    ]
    # After the grants, as everywhere.
    await store.project(tx, owners, now=now)
    outbox.announce(tx, [_ended(grant) for grant in [*closed, *shut]], now=now)


async def paid_again(tx: Tx, *, paid: Mapping[Ref, datetime], customers: Sequence[Ref], now: datetime) -> None:
    """End what refunds took back of subscriptions where `paid` invoices of these customers bill that time anew: what a
    change charges within a refunded period is had, whatever it was paid with."""
    held = await store.revocations_of(tx, sorted(set(customers)))
    if not held:
        return
    invoices = (await invoicing.get(tx, refs=sorted(paid))).values()
    ended = {
        each.ref: paid[invoice.ref]
        for _, each in held
        for invoice in invoices
        if granting.is_paid_again(each, invoice, at=paid[invoice.ref])
    }
    if not ended:
        return
    await store.end_revocations(tx, ended)
    found = await store.lock_grants(tx, sorted({subscription for subscription, each in held if each.ref in ended}))
    before = _by_subscription(held)
    after = _by_subscription([(of, replace(each, until=ended.get(each.ref, each.until))) for of, each in held])
    # Not what another refund took as well.
    opened = [
        grant
        for ref, grant in found.items()
        if granting.is_had(grant, after[ref]) and not granting.is_had(grant, before[ref])
    ]
    await store.project(tx, [grant.customer_ref for grant in found.values()], now=now)
    outbox.announce(tx, [_granted(grant) for grant in opened], now=now)


async def _until_paid_again(tx: Tx, taken: Sequence[Revocation]) -> tuple[list[Revocation], set[Ref]]:
    """Return what refunds take back, and which of it was paid for anew already: payments may be heard of before refunds."""
    since: dict[Ref, datetime] = {}
    for each in taken:
        if each.subscription_id:
            ref = Ref(each.tenant_id, each.subscription_id)
            since[ref] = min(each.since, since.get(ref, each.since))
    ended: dict[Ref, datetime] = {}
    for invoice in await invoicing.paid_since(tx, since=since):
        assert invoice.paid_at is not None, invoice.ref
        for each in taken:
            if each.tenant_id == invoice.tenant_id and granting.is_paid_again(each, invoice, at=invoice.paid_at):
                ended[each.ref] = min(invoice.paid_at, ended.get(each.ref, invoice.paid_at))
    return [replace(each, until=ended.get(each.ref, each.until)) for each in taken], set(ended)


async def _taken_back(
    tx: Tx, moved: Sequence[Subscription], before: Mapping[Ref, Grant]
) -> dict[Ref, list[Revocation]]:
    """Return what refunds took back of these subscriptions. What they took of a period stays taken back of the rest of it,
    which a pause kept for later: whether the refund came before the pause, or when that time runs."""
    found = {each.ref: each for each in moved}
    owners = sorted({Ref(each.tenant_id, each.customer_id) for each in moved})
    held = await store.revocations_of(tx, owners) if owners else []
    taken = _by_subscription([(ref, revocation) for ref, revocation in held if ref in found])
    now_kept = {ref: found[ref] for ref in taken if kept.is_kept(found[ref])}
    history = await subscriptions.history(tx, refs=sorted(now_kept)) if now_kept else {}
    made: list[Revocation] = []
    for ref, subscription in now_kept.items():
        periods = kept.periods(history[ref], subscription.current_period) or _two(before.get(ref), subscription)
        again = granting.of_kept_time(taken[ref], periods)
        taken[ref] += again
        made += again
    await store.insert_revocations(tx, made)
    return taken


def _by_subscription(found: Sequence[tuple[Ref, Revocation]]) -> dict[Ref, list[Revocation]]:
    taken: dict[Ref, list[Revocation]] = {}
    for ref, revocation in found:
        taken.setdefault(ref, []).append(revocation)
    return taken


def _two(before: Grant | None, now: Subscription) -> tuple[Period, ...]:
    """Return the period of which time was kept and that time itself, where no history says it."""
    if before is None or before.period_starts_at is None or before.valid_until is None:
        return (now.current_period,)
    return (Period(before.period_starts_at, before.valid_until), now.current_period)


async def register(tx: Tx, *, accounts: Sequence[NewAccount], now: datetime) -> None:
    """Know customers by both of their names, so that the first question about them is answered in one read."""
    await store.open_accounts(tx, accounts)
    await store.project(tx, [_customer(each.tenant_id, each.customer_id) for each in accounts], now=now)


async def _open_accounts(tx: Tx, refs: Sequence[Ref]) -> None:
    missing = await store.without_account(tx, sorted(set(refs))) if refs else []
    found = await customers.get(tx, refs=missing) if missing else {}
    await store.open_accounts(
        tx,
        [
            NewAccount(tenant_id=each.tenant_id, customer_id=each.id, organization_id=each.organization_id)
            for each in found.values()
        ],
    )


def _customer(tenant_id: TenantId, customer_id: CustomerId) -> Ref:
    return Ref(tenant_id, customer_id)


def _revocations(refund: Refunded, invoice: Invoice | None) -> list[Revocation]:
    """Return what a refund takes back: of an invoice that several subscriptions share, of each its own time."""
    periods = [(line.subscription_id or _only(invoice), line.period) for line in invoice.lines] if invoice else []
    ends: dict[UUID, datetime] = {}
    for subscription_id, period in periods:
        if subscription_id is not None and period is not None:
            ends[subscription_id] = max(period.ends_at, ends.get(subscription_id, period.ends_at))
    begun = [period.starts_at for _, period in periods if period is not None]
    whole = Revocation(
        tenant_id=refund.tenant_id,
        customer_id=refund.customer_id,
        refund_id=refund.refund_id,
        invoice_id=refund.invoice_id,
        subscription_id=None,
        since=max(refund.settled_at, *begun) if begun else refund.settled_at,
        until=None,
    )
    # Each is named by the refund once: what it takes of a second subscription has a name of its own, always the same.
    return [
        replace(
            whole,
            refund_id=uuid5(refund.refund_id, str(subscription_id)) if n else refund.refund_id,
            subscription_id=subscription_id,
            until=ends[subscription_id],
        )
        for n, subscription_id in enumerate(sorted(ends))
    ] or [whole]


def _only(invoice: Invoice | None) -> UUID | None:
    return invoice.subscription_id if invoice else None


def _announce_turn(
    tx: Tx, before: Grant | None, after: Grant, revocations: Sequence[Revocation], *, now: datetime
) -> None:
    if granting.opens(before, after, revocations):
        outbox.announce(tx, [_granted(after)], now=now)
    if granting.closes(before, after, revocations):
        outbox.announce(tx, [_ended(after)], now=now)


def _granted(grant: Grant) -> AccessGranted:
    return AccessGranted(
        tenant_id=grant.tenant_id,
        customer_id=grant.customer_id,
        kind=grant.kind.value,
        source_id=grant.source_id,
        code=grant.code,
    )


def _ended(grant: Grant) -> AccessEnded:
    return AccessEnded(
        tenant_id=grant.tenant_id,
        customer_id=grant.customer_id,
        kind=grant.kind.value,
        source_id=grant.source_id,
        code=grant.code,
    )
