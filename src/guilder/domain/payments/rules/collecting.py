"""What becomes of a wish to collect, given the payment that holds the invoice already."""

from datetime import datetime, timedelta
from enum import StrEnum

from guilder.domain.payments.model import Payment, Status, Via
from guilder.domain.payments.rules.lifecycle import Step, after
from guilder.kernel.noun import replace

# A provider's page is open for a day; a new one is asked for a little before that.
SESSION_OPEN = timedelta(hours=23)
START_WITHIN = timedelta(minutes=5)
START_WITHIN_MAX = timedelta(hours=1)
NO_METHOD = "no_payment_method"


class Plan(StrEnum):
    KEEP = "keep"  # it is being collected already, or is paid
    BEGIN = "begin"
    FAIL = "fail"  # there is nothing to collect with
    REPLACE_HERE = "replace_here"  # no provider knows of the open one: cancel it, and begin
    REPLACE_THERE = "replace_there"  # close the open one at its provider first, then begin


def resolve(via: Via, *, has_method: bool) -> Via:
    """Say which way `either` is: with the method if there is one."""
    if via is Via.EITHER:
        return Via.SAVED if has_method else Via.LINK
    return via


def plan(holder: Payment | None, via: Via, *, has_method: bool) -> Plan:
    if via is Via.SAVED and not has_method:
        return Plan.FAIL if holder is None else Plan.KEEP
    if holder is None:
        return Plan.BEGIN
    if holder.status is Status.CANCELING:
        return Plan.REPLACE_THERE
    if holder.status is Status.SUCCEEDED or via is Via.LINK or holder.via is Via.SAVED:
        # The customer who opens a link while the card is being charged waits for that: two paths are one too many.
        return Plan.KEEP
    return Plan.REPLACE_THERE if holder.is_asked else Plan.REPLACE_HERE


def needs_session(payment: Payment, *, now: datetime) -> bool:
    """Say whether the customer needs a (new) page of the provider to pay on."""
    if payment.status is Status.AWAITING_CUSTOMER:
        return True
    if payment.via is not Via.LINK or payment.status is not Status.REQUIRES_ACTION or payment.is_by_hand:
        return False
    return not payment.action_url or payment.opened_at is None or now - payment.opened_at >= SESSION_OPEN


def next_check(requested_at: datetime, *, now: datetime) -> datetime:
    """Say when to look again at what was requested and never asked: less often as it grows old."""
    return now + min(max((now - requested_at) / 4, START_WITHIN), START_WITHIN_MAX)


def is_to_start(payment: Payment) -> bool:
    return payment.status is Status.REQUESTED and payment.via is Via.SAVED and not payment.is_asked


def without_method(payment: Payment, *, now: datetime) -> Payment:
    return replace(
        payment,
        status=after(payment.status, Step.DECLINE),
        decline_code=NO_METHOD,
        holds_invoice=False,
        settled_at=now,
        check_due_at=None,
    )


def canceled(payment: Payment, *, now: datetime) -> Payment:
    return replace(
        payment, status=after(payment.status, Step.CANCEL), holds_invoice=False, settled_at=now, check_due_at=None
    )


def kept_back(payment: Payment, *, now: datetime, well_at: datetime | None) -> Payment:
    """Return a payment that nobody can take at the moment: it fails for nothing, and is looked at again.

    `well_at`: when one of the accounts that are down may be back.
    """
    usual = next_check(payment.requested_at, now=now)
    return replace(payment, check_due_at=usual if well_at is None else min(usual, max(well_at, now + START_WITHIN / 5)))
