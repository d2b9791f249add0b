"""The payment protocol: prepare, confirm, and close what was declined. No answer is looked up, never taken for a no.

A request is asked fast at first, then left to the clock (see `next_check`), which revives it from its first step. Any
step but the very first look begins with looking the object up, so a lost answer never becomes a second charge.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from guilder.domain.gateways.model import Asked, GatewayRequest, Next, Outcome, OutcomeKind, RequestKind, Turn
from guilder.kernel.noun import replace

PREPARE = "prepare"
CONFIRM = "confirm"
CLOSE = "close"
ONCE = "once"

FIRST_STEPS = {
    RequestKind.CHARGE: PREPARE,
    RequestKind.CANCEL: ONCE,
    RequestKind.REFUND: ONCE,
    RequestKind.SETUP: ONCE,
}
assert set(FIRST_STEPS) == set(RequestKind)

# Fast tries in a row, doubling from a second; beyond them the tenant's clock says when.
TRIES_MAX = 5
BACKOFF_FIRST_S = 1
BACKOFF_MAX_S = 60
CHECK_FIRST = timedelta(minutes=5)
CHECK_LAST = timedelta(hours=1)
PAGE_CHECK_FIRST = timedelta(minutes=10)
PAGE_CHECK_LAST = timedelta(hours=6)
# The provider's page is closed after a day; what was paid on it is known soon after.
PAGE_LIFE = timedelta(hours=26)
NEEDS_CUSTOMER = "authentication_required"

_FINAL = frozenset({OutcomeKind.SUCCEEDED, OutcomeKind.DECLINED, OutcomeKind.CANCELED})


def turn(asked: Asked, *, step: str, outcome: Outcome, now: datetime) -> Turn:
    """Say what follows from this outcome of this step."""
    known = replace(asked, request=replace(asked.request, provider_ref=_ref(asked.request, outcome)))
    if outcome.kind is OutcomeKind.UNKNOWN:
        return _in_doubt(known, outcome, now=now)
    rule: dict[str, Callable[[Asked, Outcome, datetime], Turn]] = {
        PREPARE: _prepared,
        CONFIRM: _confirmed,
        CLOSE: _closed,
    }
    return rule.get(step, _answered)(replace(known, tries=0), outcome, now)


def _ref(request: GatewayRequest, outcome: Outcome) -> str:
    """Return the object that the request goes on with: what was made for it; a refund with the charge that it gives back.

    By that it is found again while it is on its way; taken for the charge, it would be found nowhere, and given up.
    """
    is_target = request.kind is RequestKind.REFUND
    return request.provider_ref if is_target else outcome.provider_ref or request.provider_ref


def next_check(asked: Asked, *, now: datetime) -> datetime | None:
    """Say when to look again, if no answer comes: less often as the request grows old."""
    if asked.is_settled or (asked.is_withdrawn and asked.request.kind is RequestKind.CHARGE):
        return None
    age = now - asked.requested_at
    if asked.outcome is OutcomeKind.REQUIRES_ACTION:
        # A card that nobody typed is given up by a look after its page has closed: there has to be one.
        is_over = age > PAGE_LIFE and asked.request.kind is not RequestKind.SETUP
        return None if is_over else now + min(max(age / 4, PAGE_CHECK_FIRST), PAGE_CHECK_LAST)
    return now + min(max(age / 8, CHECK_FIRST), CHECK_LAST)


def _prepared(asked: Asked, outcome: Outcome, now: datetime) -> Turn:
    if asked.is_withdrawn and asked.request.provider_ref:
        return Turn(asked=asked, next=Next.STEP, step=CLOSE)
    if outcome.kind is OutcomeKind.REQUIRES_ACTION and not asked.request.is_on_session:
        return Turn(asked=asked, next=Next.STEP, step=CONFIRM)
    if outcome.kind is OutcomeKind.DECLINED and asked.request.provider_ref:
        return _confirmed(asked, outcome, now)
    # Closed after all, though nobody answered when it was asked: it was declined before.
    return _closed(asked, outcome, now)


def _confirmed(asked: Asked, outcome: Outcome, now: datetime) -> Turn:
    """An attempt that was declined is final only when its object is closed: nobody can pay on it any more then."""
    if outcome.kind is OutcomeKind.DECLINED:
        declined = replace(asked, decline_code=outcome.decline_code, is_hard_decline=outcome.is_hard_decline)
        return Turn(asked=declined, next=Next.STEP, step=CLOSE)
    if outcome.kind is OutcomeKind.REQUIRES_ACTION:
        # The customer is not there to be asked.
        return Turn(asked=replace(asked, decline_code=NEEDS_CUSTOMER), next=Next.STEP, step=CLOSE)
    return _answered(asked, outcome, now)


def _closed(asked: Asked, outcome: Outcome, now: datetime) -> Turn:
    if outcome.kind is OutcomeKind.CANCELED and asked.decline_code:
        declined = replace(
            outcome,
            kind=OutcomeKind.DECLINED,
            decline_code=asked.decline_code,
            is_hard_decline=asked.is_hard_decline,
        )
        return _answered(asked, declined, now)
    return _answered(asked, outcome, now)


def _answered(asked: Asked, outcome: Outcome, now: datetime) -> Turn:
    if _is_abandoned(asked, outcome, now):
        outcome = Outcome(kind=OutcomeKind.CANCELED, provider_ref=outcome.provider_ref)
    settled = replace(asked, outcome=outcome.kind, is_settled=outcome.kind in _FINAL)
    if outcome.kind is OutcomeKind.DECLINED:
        settled = replace(settled, decline_code=outcome.decline_code, is_hard_decline=outcome.is_hard_decline)
    return Turn(asked=replace(settled, check_due_at=next_check(settled, now=now)), tells=outcome)


def _is_abandoned(asked: Asked, outcome: Outcome, now: datetime) -> bool:
    """Say whether a card was to be typed on a page that the provider has closed by now, and never was."""
    is_waiting = asked.request.kind is RequestKind.SETUP and outcome.kind is OutcomeKind.REQUIRES_ACTION
    return is_waiting and not outcome.is_approved and now - asked.requested_at > PAGE_LIFE


def _in_doubt(asked: Asked, outcome: Outcome, *, now: datetime) -> Turn:
    """Tell of it once; then look it up until it is known."""
    is_news = asked.outcome is not OutcomeKind.UNKNOWN or bool(outcome.alert)
    doubted = replace(asked, outcome=OutcomeKind.UNKNOWN, tries=asked.tries + 1)
    doubted = replace(doubted, check_due_at=next_check(doubted, now=now))
    tells = outcome if is_news else None
    # What the provider itself does not know yet takes days, and a wrong answer is looked at by a person.
    if outcome.is_pending or outcome.alert or doubted.tries >= TRIES_MAX:
        return Turn(asked=doubted, tells=tells)
    wait_s = max(BACKOFF_FIRST_S * 2 ** (doubted.tries - 1), outcome.retry_after_s or 0)
    return Turn(asked=doubted, tells=tells, next=Next.AGAIN, after_s=min(wait_s, BACKOFF_MAX_S))
