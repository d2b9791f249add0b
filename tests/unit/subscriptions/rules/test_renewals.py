from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from guilder.domain.subscriptions.model import RenewalReminders, Status, Subscription, Terms
from guilder.domain.subscriptions.rules import renewals
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.kernel.period import Interval, Period, Unit

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
TERMS = Terms(
    plan_id=UUID(int=1),
    plan_code="pro",
    plan_version=1,
    plan_name="Pro",
    billing_cycle="monthly",
    interval=Interval(Unit.MONTH),
    unit_amount=Money(3000, "EUR"),
)
FREE = replace(TERMS, unit_amount=Money(0, "EUR"))
RUNNING = Subscription(
    tenant_id=TenantId(UUID(int=2)),
    id=UUID(int=3),
    customer_id=CustomerId(UUID(int=4)),
    organization_id="acme",
    terms=TERMS,
    status=Status.ACTIVE,
    anchor_at=START,
    time_zone="UTC",
    period_number=0,
    current_period=Period(START, END),
    created_at=START,
    next_due_at=END,
)


@pytest.mark.parametrize(
    ("over", "renews"),
    [
        ({}, True),
        ({"cancel_at": END + timedelta(days=1)}, True),
        ({"terms": FREE, "pending_terms": TERMS}, True),
        ({"cancel_at": END}, False),
        ({"cancel_at_period_end": True}, False),
        ({"pause_at_period_end": True}, False),
        ({"pause_at_period_end": True, "resume_at": END + timedelta(days=1)}, False),
        ({"pause_at_period_end": True, "resume_at": END}, True),
        ({"status": Status.TRIALING}, False),
        ({"status": Status.PAST_DUE}, False),
        ({"next_due_at": None}, False),
        ({"parent_id": UUID(int=9)}, False),
        ({"terms": FREE}, False),
        ({"pending_terms": FREE}, False),
    ],
)
def test_only_what_is_charged_again_by_itself_renews(over, renews):
    assert renewals.renews_at(replace(RUNNING, **over)) == (END if renews else None)


@pytest.mark.parametrize(
    ("interval", "is_yearly"),
    [
        (Interval(Unit.YEAR), True),
        (Interval(Unit.MONTH, 12), True),
        (Interval(Unit.HALF_YEAR, 2), True),
        (Interval(Unit.MONTH, 11), False),
        (Interval(Unit.DAY, 365), False),
    ],
)
def test_a_year_is_twelve_months_however_it_is_written(interval, is_yearly):
    assert renewals.renews_yearly(replace(RUNNING, terms=replace(TERMS, interval=interval))) == is_yearly


@pytest.mark.parametrize(("now", "left"), [(END - timedelta(days=7), 7), (END - timedelta(hours=1), 0), (END, 0)])
def test_days_left_are_whole(now, left):
    assert renewals.days_left(END, now=now) == left


@pytest.mark.parametrize("over", [{"days": -1}, {"days": 61}, {"yearly_days": 61}])
def test_days_that_cannot_be_are_refused(over):
    with pytest.raises(renewals.BadReminderDays):
        renewals.checked(RenewalReminders(tenant_id=RUNNING.tenant_id, **over))
