"""How a subscription begins: when, with which trial, beside what."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from guilder.domain.catalog.model import Plan
from guilder.domain.orders.rules.change import MethodNeeded
from guilder.domain.subscriptions.model import Status, Subscription, Terms
from guilder.domain.subscriptions.rules import periods
from guilder.kernel.errors import Conflict, Invalid

FUTURE_MAX = timedelta(days=5 * 366)
PAST_MAX = timedelta(days=5 * 366)
_CARRYING = frozenset({Status.SCHEDULED, Status.PROCESSING, Status.TRIALING, Status.ACTIVE, Status.PAST_DUE})


class PastPeriods(StrEnum):
    """What becomes of the periods that are over, of a subscription that began in the past."""

    BILL = "bill"
    SKIP = "skip"


class AddOnGrid(StrEnum):
    """What the periods of an add-on are counted from."""

    OWN = "own"
    PARENT = "parent"


class StartsTooFar(Invalid):
    """This is more than five years away."""

    code = "starts_too_far"


class BadTrial(Invalid):
    """A trial has a length or an end, and it ends after it begins."""

    code = "bad_trial"


class NeedsParent(Invalid):
    """This is had beside another subscription only: say which."""

    code = "needs_parent"


class NotAnAddOn(Invalid):
    """This is not an add-on: it is had by itself."""

    code = "not_an_add_on"


class ParentNotRunning(Conflict):
    """What this is to be had beside is not running."""

    code = "parent_not_running"


class ParentBilledElsewhere(Conflict):
    """A provider bills what this is to be had beside: its periods are not ours to count by, nor its end to follow."""

    code = "parent_billed_elsewhere"


def check_start(starts_at: datetime, *, now: datetime) -> None:
    """Let a start pass that somebody could mean.

    :raises StartsTooFar: names the field
    """
    if not now - PAST_MAX <= starts_at <= now + FUTURE_MAX:
        raise StartsTooFar(field="starts_at")


def check_trial(*, days: int | None, ends_at: datetime | None, starts_at: datetime) -> None:
    """Let a trial pass that has a length or an end.

    :raises BadTrial: it has both, or ends before it begins; names the field
    """
    if ends_at is None:
        return
    if days is not None:
        raise BadTrial("say trial_days or trial_ends_at", field="trial_ends_at")
    if ends_at <= starts_at:
        raise BadTrial("the trial would end before it begins", field="trial_ends_at")


def check_method(terms: Terms, *, has_trial: bool, needs: bool | None, has_method: bool) -> None:
    """Let a trial begin without a payment method where none is needed.

    :raises MethodNeeded: names the field
    """
    is_needed = terms.billing.trial_needs_method if needs is None else needs
    if has_trial and is_needed and not has_method:
        raise MethodNeeded("this trial needs a payment method", field="payment_method_id")


def check_kind(plan: Plan, *, is_beside: bool, field: str) -> None:
    """Let an add-on pass beside something, and what is no add-on by itself.

    :raises NeedsParent, NotAnAddOn: names the field
    """
    if plan.is_add_on and not is_beside:
        raise NeedsParent(f"{plan.code} is an add-on", field=field)
    if is_beside and not plan.is_add_on:
        raise NotAnAddOn(f"{plan.code} is not an add-on", field=field)


def check_parent(plan: Plan, parent: Subscription | None, *, currency: str) -> None:
    """Let an add-on pass that is had beside something, and what is no add-on by itself.

    :raises NeedsParent, NotAnAddOn, ParentNotRunning, ParentBilledElsewhere: name the field
    """
    check_kind(plan, is_beside=parent is not None, field="parent_id")
    if parent is None:
        return
    if parent.parent_id is not None:
        raise NotAnAddOn("an add-on has no add-ons", field="parent_id")
    if parent.billed_by is not None:
        raise ParentBilledElsewhere(field="parent_id")
    if parent.status not in _CARRYING:
        raise ParentNotRunning(f"it is {parent.status.value}", field="parent_id")
    if parent.terms.currency != currency:
        raise Invalid(f"what it belongs to is billed in {parent.terms.currency}", field="currency")


def is_first_purchase(had: Sequence[Subscription], *, has_bought: bool) -> bool:
    """Say whether a customer has had nothing before. What was never paid for was not bought."""
    begun = [each for each in had if each.status is not Status.PROCESSING and not periods.never_began(each)]
    return not begun and not has_bought
