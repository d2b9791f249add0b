"""What becomes of a subscription that was behind, once what it owed is paid."""

from datetime import datetime

from guilder.domain.subscriptions.model import Status, Subscription
from guilder.domain.subscriptions.rules import pauses, periods
from guilder.domain.subscriptions.rules.lifecycle import MOVES, Step
from guilder.kernel import lifecycle
from guilder.kernel.noun import replace


def recover(subscription: Subscription, *, at: datetime) -> tuple[Subscription, bool]:
    """What was owed is paid. Return the subscription, and whether a new period began that is not billed yet.

    Where the period ran out while it was suspended, what was planned for its end happens now: it ends if it was opted
    out of, it pauses if it was to be paused, or the new period begins on the pending terms.
    """
    status = lifecycle.take(MOVES, subscription.status, Step.RECOVER)
    was_suspended = subscription.status is Status.SUSPENDED
    recovered = periods.planned(replace(subscription, status=status))
    if not was_suspended or subscription.current_period.ends_at > at:
        return recovered, False
    is_over = subscription.cancel_at is not None and subscription.cancel_at <= at
    if subscription.cancel_at_period_end or is_over:
        return periods.end(recovered, step=Step.EXPIRE, at=at), False
    if subscription.pause_at_period_end:
        resumes = subscription.resume_at
        if resumes is None or resumes > at:
            return pauses.pause(recovered, step=Step.LAPSE, at=at)[0], False
        # It would have been resumed before it was paid: nothing is left of the pause.
        recovered = replace(recovered, pause_at_period_end=False, resume_at=None)
    return periods.restart(periods.take_pending(recovered, at=at), at=at), True
