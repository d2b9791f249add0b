"""What should have been billed, worked out from what a subscription was: a table of lives, and what is told of each."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from guilder.domain.catalog.model import Alignment, Basis, PaidTime
from guilder.domain.invoicing.rules import drafts, expected
from guilder.domain.invoicing.rules.expected import Billed, Fault
from guilder.domain.subscriptions.model import Past, Segment, SegmentKind, Status
from guilder.kernel.noun import replace
from guilder.kernel.period import Period
from tests.unit.invoicing.rules.test_proration import a_subscription, eur, terms

SUBSCRIPTION = a_subscription(terms(3_000))
LATER = datetime(2027, 1, 1, tzinfo=UTC)


def day(month, of=1):
    return datetime(2026, month, of, tzinfo=UTC)


def month(number, of=1):
    return Period(day(number, of), day(number + 1, of))


def past(status, period, *, on=SUBSCRIPTION.terms, **over):
    said = {
        "tenant_id": SUBSCRIPTION.tenant_id,
        "subscription_id": SUBSCRIPTION.id,
        "number": 1,
        "status": status,
        "terms": on,
        "anchor_at": period.starts_at,
        "period_number": 0,
        "current_period": period,
        "full_period": None,
        "trial_ends_at": None,
        "fee_from": None,
        "usage_from": None,
        "paused_at": None,
        "ended_at": None,
        "at": period.starts_at,
    }
    return Past(**{**said, **over})


def active(period, **over):
    return past(Status.ACTIVE, period, **over)


def paused(period, at, **billing):
    return past(Status.PAUSED, period, on=terms(3_000, **billing), paused_at=at)


def kept(period):
    return active(period, on=terms(3_000, paused_time=PaidTime.KEEP))


def billed(period, price=3_000, **over):
    said = {
        "subscription": SUBSCRIPTION.ref,
        "billed_item": drafts.fee_item(SUBSCRIPTION.id, period),
        "period": period,
        "price": eur(price),
        "invoice_id": UUID(int=1),
        "invoice_number": "INV-1",
        "is_standing": True,
    }
    return Billed(**{**said, **over})


def segment(period, kind=SegmentKind.FEE, *, full=None, is_billed=False, on=None):
    return Segment(
        tenant_id=SUBSCRIPTION.tenant_id,
        id=UUID(int=2),
        subscription_id=SUBSCRIPTION.id,
        customer_id=SUBSCRIPTION.customer_id,
        kind=kind,
        period=period,
        full_period=full or period,
        terms=on or terms(3_000, in_arrears=True),
        due_at=period.ends_at,
        billed_at=period.ends_at if is_billed else None,
    )


def faults(history, lines=(), segments=(), now=LATER):
    found = expected.differences(SUBSCRIPTION, history, segments, lines, now=now)
    return [
        (each.fault, f"{each.period.starts_at:%m-%d}", each.expected.minor if each.expected else None) for each in found
    ]


JAN, FEB, MAR = month(1), month(2), month(3)
TRIAL = Period(day(1), day(1, 15))
AFTER_TRIAL = month(1, 15)
IN_ARREARS = terms(3_000, in_arrears=True)


@pytest.mark.parametrize(
    ("history", "missing"),
    [
        ([active(JAN)], ["01-01"]),
        ([active(JAN), active(FEB), active(MAR)], ["01-01", "02-01", "03-01"]),
        ([past(Status.PROCESSING, JAN), active(JAN)], ["01-01"]),
        ([past(Status.PROCESSING, JAN)], ["01-01"]),
        ([past(Status.PROCESSING, JAN), past(Status.EXPIRED, JAN, ended_at=day(1, 3))], []),
        ([past(Status.SCHEDULED, JAN), active(JAN)], ["01-01"]),
        ([past(Status.SCHEDULED, JAN)], []),
        ([past(Status.TRIALING, TRIAL), active(AFTER_TRIAL)], ["01-15"]),
        ([past(Status.TRIALING, TRIAL), past(Status.CANCELED, TRIAL, ended_at=day(1, 9))], []),
        ([active(JAN), past(Status.PAST_DUE, JAN), past(Status.PAST_DUE, FEB)], ["01-01", "02-01"]),
        ([active(JAN), past(Status.SUSPENDED, JAN), active(month(3, 9))], ["01-01", "03-09"]),
        ([active(JAN), past(Status.SUSPENDED, JAN), active(JAN)], ["01-01"]),
        ([active(JAN), paused(JAN, day(1, 11)), kept(Period(day(2, 20), day(3, 13)))], ["01-01"]),
        (
            [active(JAN), paused(JAN, day(1, 11), paused_time=PaidTime.CREDIT), active(month(2, 20))],
            ["01-01", "02-20"],
        ),
        (
            [active(JAN), paused(JAN, day(1, 11), alignment=Alignment.CALENDAR), active(month(2, 20))],
            ["01-01", "02-20"],
        ),
        ([active(JAN), paused(JAN, JAN.ends_at), active(month(2, 20))], ["01-01", "02-20"]),
        ([active(JAN, on=terms(0))], []),
        ([active(JAN, on=IN_ARREARS)], []),
        ([active(JAN), active(JAN, on=terms(9_000))], ["01-01"]),
        ([active(Period(day(1, 11), day(2)), full_period=JAN, on=terms(3_000, basis=Basis.NONE))], []),
        ([active(JAN, is_first_known=True)], ["01-01"]),
        ([past(Status.SUSPENDED, JAN, is_first_known=True)], []),
    ],
)
def test_what_began_is_owed(history, missing):
    assert [starts for _, starts, _ in faults(history)] == missing
    assert {fault for fault, _, _ in faults(history)} <= {Fault.MISSING}


def test_nothing_is_owed_before_it_is_due():
    assert faults([active(FEB)], now=day(1, 31)) == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (billed(JAN), []),
        (billed(JAN, 2_999), [(Fault.WRONG_AMOUNT, "01-01", 3_000)]),
        (billed(JAN, is_held=False), [(Fault.UNHELD, "01-01", 3_000)]),
        (billed(JAN, 1, is_standing=False, is_held=False), []),
        (replace(billed(JAN), billed_item=f"{billed(JAN).billed_item}:ord_1"), []),
        (billed(Period(day(1), day(1, 20))), [(Fault.MISSING, "01-01", 3_000), (Fault.UNEXPECTED, "01-01", None)]),
    ],
)
def test_what_is_billed_is_compared_with_what_is_owed(line, told):
    assert faults([active(JAN)], [line]) == told


def test_a_stub_is_owed_its_share():
    stub = active(Period(day(6, 11), day(7)), full_period=month(6))
    assert faults([stub]) == [(Fault.MISSING, "06-11", 2_000)]


def test_what_was_voided_may_have_been_billed_again():
    lines = [billed(JAN, 1, is_standing=False), billed(JAN)]
    assert faults([active(JAN)], lines) == []
    assert faults([active(JAN)], [*lines, billed(JAN)]) == [(Fault.UNEXPECTED, "01-01", None)]


def test_what_waits_for_its_payment_and_what_was_before_the_history_are_not_judged():
    assert faults([active(FEB)], [billed(FEB), billed(MAR, is_waiting=True)]) == []
    assert faults([active(FEB, is_first_known=True)], [billed(JAN), billed(FEB)]) == []
    assert faults([active(FEB)], [billed(JAN), billed(FEB)]) == [(Fault.UNEXPECTED, "01-01", None)]
    assert faults([], [billed(JAN)]) == []


def test_two_periods_that_do_not_meet_leave_a_hole():
    lines = [billed(JAN), billed(MAR)]
    assert faults([active(JAN), active(MAR)], lines) == [(Fault.HOLE, "02-01", None)]
    assert faults([active(JAN), past(Status.SUSPENDED, JAN), active(MAR)], lines) == []


def test_a_fee_in_arrears_is_owed_when_it_is_over():
    history = [active(JAN, on=IN_ARREARS, fee_from=day(1)), active(FEB, on=IN_ARREARS, fee_from=day(2))]
    assert faults(history, (), [segment(JAN)]) == [(Fault.MISSING, "01-01", 3_000)]
    assert faults(history, (), [segment(JAN)], now=day(1, 31)) == []
    assert faults(history, [billed(JAN)], [segment(JAN, is_billed=True)]) == []
    assert faults(history, (), ()) == [(Fault.HOLE, "01-01", None)]


def test_use_that_is_over_and_not_billed_is_missing():
    on = replace(terms(0), has_charges=True)
    history = [active(JAN, on=on, usage_from=day(1)), active(FEB, on=on, usage_from=day(2))]
    assert faults(history, (), [segment(JAN, SegmentKind.USAGE)]) == [(Fault.MISSING, "01-01", None)]
    assert faults(history, (), [segment(JAN, SegmentKind.USAGE)], now=day(1, 9)) == []
    assert faults(history, (), [segment(JAN, SegmentKind.USAGE, is_billed=True)]) == []
    assert faults(history, (), ()) == [(Fault.HOLE, "01-01", None)]
    waiting = [replace(history[0], status=Status.PROCESSING), past(Status.EXPIRED, JAN, on=on, ended_at=day(1, 9))]
    assert faults(waiting) == []


def test_what_was_closed_at_its_very_start_needs_no_segment():
    ended = past(Status.CANCELED, JAN, on=IN_ARREARS, ended_at=day(1))
    assert faults([active(JAN, on=IN_ARREARS, fee_from=day(1)), ended]) == []


def test_what_leaves_arrears_at_its_very_start_leaves_no_hole():
    in_arrears = active(JAN, on=IN_ARREARS, fee_from=day(1))
    assert faults([in_arrears, active(JAN)]) == []
    # With the next period it is known how long it went on.
    assert faults([in_arrears, active(FEB)], [billed(FEB)]) == [(Fault.HOLE, "01-01", None)]
    use = replace(terms(0), has_charges=True)
    assert faults([active(JAN, on=use, usage_from=day(1)), active(JAN, on=terms(0))]) == []
