"""May this customer use anything now? Whoever has a live grant and no block may."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from guilder.domain.entitlements.model import Account, Grant, GrantKind, LimitLeft, Revocation, Standing
from guilder.domain.entitlements.rules.limits import over_all

# A subscription that renews is rolled by a job. Were access to end with the very period, a job that comes a minute late
# would shut out everyone who pays; so it ends when we are told so, or after this long without any word.
RENEWAL_LATE_MAX = timedelta(days=1)

NOTHING_BOUGHT = "nothing_bought"
SUSPENDED = "subscription_suspended"
REFUNDED = "refunded"
RAN_OUT = "ran_out"


def standing(account: Account, *, now: datetime) -> Standing:
    """Return the whole answer, from what was heard and the time."""
    live = tuple(grant for grant in account.grants if is_live(grant, account.revocations, now=now))
    reasons = tuple(dict.fromkeys(block.reason for block in account.blocks))
    if not live:
        reasons += _why_not(account, now)
    return Standing(
        tenant_id=account.tenant_id,
        customer_id=account.customer_id,
        organization_id=account.organization_id,
        is_eligible=is_eligible(live, is_blocked=bool(account.blocks)),
        is_blocked=bool(account.blocks),
        blocks=account.blocks,
        grants=live,
        reasons=reasons,
    )


def is_eligible(live: Sequence[Grant], *, is_blocked: bool) -> bool:
    return bool(live) and not is_blocked


def is_live(grant: Grant, revocations: Sequence[Revocation], *, now: datetime) -> bool:
    return (
        grant.is_open
        and grant.valid_from <= now
        and not _has_run_out(grant, now)
        and not _is_revoked(grant, revocations, now)
    )


def content_until(standing: Standing, code: str) -> tuple[bool, datetime | None]:
    """Tell whether this product may be used, and until when (None: for ever). The longest of several counts."""
    ends = [each.valid_until for each in standing.grants if each.kind is GrantKind.PRODUCT and each.code == code]
    if not ends or standing.is_blocked:
        return False, None
    known = [end for end in ends if end is not None]
    return True, max(known) if len(known) == len(ends) else None


def features(standing: Standing) -> dict[str, str]:
    """Return what the plans can do; where two say something of one feature, the one that began last."""
    grants = sorted(standing.grants, key=lambda each: each.valid_from)
    return {code: value for grant in grants for code, value in grant.features}


def limits(standing: Standing) -> tuple[LimitLeft, ...]:
    """Return what is left over all plans."""
    return over_all(limit for grant in standing.grants for limit in grant.limits)


def _has_run_out(grant: Grant, now: datetime) -> bool:
    if grant.valid_until is None:
        return False
    return grant.valid_until + (RENEWAL_LATE_MAX if grant.is_renewing else timedelta(0)) <= now


def _is_revoked(grant: Grant, revocations: Sequence[Revocation], now: datetime) -> bool:
    return any(takes(each, grant) and (each.until is None or now < each.until) for each in revocations)


def takes(revocation: Revocation, grant: Grant) -> bool:
    """Say whether a refund took something of a grant back; until when is another matter."""
    if revocation.subscription_id is not None:
        # A period that began later was paid for by itself.
        is_of_then = grant.period_starts_at is None or grant.period_starts_at <= revocation.since
        return revocation.subscription_id == grant.source_id and is_of_then
    return revocation.invoice_id == grant.invoice_id


def _why_not(account: Account, now: datetime) -> tuple[str, ...]:
    if not account.grants:
        return (NOTHING_BOUGHT,)
    if any(grant.is_suspended for grant in account.grants):
        return (SUSPENDED,)
    if any(_is_revoked(grant, account.revocations, now) for grant in account.grants):
        return (REFUNDED,)
    return (RAN_OUT,)
