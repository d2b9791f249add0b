"""What is used of limits: counted anew from the readings, whenever use or a period changes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Meter
from guilder.domain.entitlements import store
from guilder.domain.entitlements.events import LimitReached
from guilder.domain.entitlements.model import Grant, LimitLeft
from guilder.domain.entitlements.rules import limits as rules
from guilder.domain.entitlements.rules.standing import limits, standing
from guilder.domain.usage import service as usage
from guilder.domain.usage.model import Question, Use
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.noun import replace
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

_Slot = tuple[Ref, str]  # a grant, and a meter that counts for one of its limits


async def count(tx: Tx, *, uses: Sequence[Use], now: datetime) -> None:
    """Bring what is left of limits in line with use that changed, and tell of thresholds, each once a period.

    It counts the readings anew rather than adding what was said, so it may be told late, twice, or out of order.
    """
    held = await store.lock_metered(tx, sorted({Ref(each.tenant_id, each.customer_id) for each in uses}))
    before = [grant for grant in held if any(_concerns(use, grant) for use in uses)]
    changed = [after for was, after in zip(before, await used(tx, before), strict=True) if after != was]
    await store.save_grants(tx, changed)
    await store.project(tx, [grant.customer_ref for grant in changed], now=now)
    await tell_reached(tx, [grant.customer_ref for grant in changed], now=now)


async def used(tx: Tx, grants: Sequence[Grant]) -> list[Grant]:
    """Return these grants with what is used of their limits, each in its own period."""
    wanted = list(dict.fromkeys((grant.ref, limit.meter) for grant in grants for limit in grant.limits if limit.meter))
    if not wanted:
        return list(grants)
    meters = await catalog.meters(tx, tenant_codes=sorted({(ref.tenant_id, code) for ref, code in wanted}))
    by_ref = {grant.ref: grant for grant in grants}
    questions = {slot: asked for slot in wanted if (asked := _question(by_ref[slot[0]], slot[1], meters)) is not None}
    answers = await usage.totals(tx, questions=list(questions.values()))
    counted = {slot: reading.quantity for slot, [reading] in zip(questions, answers, strict=True)}
    return [replace(grant, limits=tuple(_counted(grant, each, counted) for each in grant.limits)) for grant in grants]


async def tell_reached(tx: Tx, customers: Sequence[Ref], *, now: datetime) -> None:
    """Announce, of all that each of these customers has, the thresholds that its use has come to: the highest new one."""
    if not customers:
        return
    found = [
        store.Threshold(Ref(account.tenant_id, account.customer_id), limit, percent)
        for account in await store.standings(tx, sorted(set(customers)))
        for limit in limits(standing(account, now=now))
        for percent in rules.reached(limit)
    ]
    new = await store.reach(tx, found, now=now) if found else []
    highest = {(each.customer, each.limit.code): each for each in sorted(new, key=lambda each: each.percent)}
    outbox.announce(tx, [_told(each) for each in highest.values()], now=now)


def _concerns(use: Use, grant: Grant) -> bool:
    """Say whether this change of use is of a meter that counts for the grant, in its present period or before it: a level
    stands on from there."""
    return (
        use.tenant_id == grant.tenant_id
        and use.customer_id == grant.customer_id
        and any(limit.meter in use.meters for limit in grant.limits)
        and (grant.valid_until is None or use.earliest_at < grant.valid_until)
    )


def _question(grant: Grant, code: str, meters: Mapping[tuple[TenantId, str], Meter]) -> Question | None:
    starts_at, ends_at = grant.period_starts_at, grant.valid_until
    meter = meters.get((grant.tenant_id, code))
    if meter is None or starts_at is None or ends_at is None or starts_at >= ends_at:
        return None
    return Question(
        tenant_id=grant.tenant_id, customer_id=grant.customer_id, meter=meter, starts_at=starts_at, ends_at=ends_at
    )


def _counted(grant: Grant, limit: LimitLeft, counted: Mapping[_Slot, Decimal]) -> LimitLeft:
    quantity = counted.get((grant.ref, limit.meter))
    return limit if quantity is None else rules.counted(limit, quantity)


def _told(threshold: store.Threshold) -> LimitReached:
    limit = threshold.limit
    assert limit.included is not None, limit
    assert limit.starts_at is not None, limit
    return LimitReached(
        tenant_id=threshold.customer.tenant_id,
        customer_id=CustomerId(threshold.customer.id),
        code=limit.code,
        percent=threshold.percent,
        included=limit.included,
        used=limit.quantity,
        is_hard=limit.is_hard,
        period_starts_at=limit.starts_at,
    )
