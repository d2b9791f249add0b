"""The dates of a case: days of 24 hours from the first failure."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.dunning.model import Failure, Policy, Status
from guilder.domain.dunning.rules import lifecycle, progress, schedule
from guilder.domain.dunning.rules.lifecycle import Step
from guilder.domain.dunning.rules.schedule import BadPolicy
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.lifecycle import IllegalStep

T0 = datetime(2026, 3, 28, 23, 59, 59, 999999, tzinfo=UTC)  # the night before the clocks change in Europe
TENANT = TenantId(UUID(int=1))
USUAL = Policy(tenant_id=TENANT)
PAGE = Path(__file__).parents[4] / "docs" / "design" / "dunning.md"


def day(count):
    return T0 + timedelta(days=count)


def policy(**over):
    return Policy(tenant_id=TENANT, **over)


@pytest.mark.parametrize(
    ("made", "days", "expected"),
    [
        (0, (1, 3, 7), day(1)),
        (1, (1, 3, 7), day(3)),
        (2, (1, 3, 7), day(7)),
        (3, (1, 3, 7), None),
        (0, (), None),
        (0, (60,), day(60)),
    ],
)
def test_retries_by_the_days_from_the_first_failure(made, days, expected):
    found = schedule.next_retry(policy(retry_days=days), first_failed_at=T0, retries_made=made)
    assert found == expected


@pytest.mark.parametrize(
    ("after", "every", "most", "expected"),
    [
        (T0, 3, 10, day(3)),
        (day(3) - timedelta(microseconds=1), 3, 10, day(3)),
        (day(3), 3, 10, day(6)),
        (day(10), 3, 10, day(12)),
        (day(29), 3, 10, day(30)),
        (day(30), 3, 10, None),
        (T0, 3, 0, None),
        (T0, 1, 1, day(1)),
    ],
)
def test_reminds_every_so_many_days_and_never_twice_for_one(after, every, most, expected):
    rules = policy(reminder_every_days=every, reminders_max=most)
    assert schedule.next_reminder(rules, first_failed_at=T0, after=after) == expected


@pytest.mark.parametrize("days", [(0,), (3, 1), (1, 1), (61,), tuple(range(1, 10)), (-1,)])
def test_refuses_days_that_make_no_sense(days):
    with pytest.raises(BadPolicy):
        schedule.checked(policy(retry_days=days))


def failure(at=T0, *, is_hard=False, code="insufficient_funds"):
    return Failure(
        tenant_id=TENANT,
        payment_id=UUID(int=5),
        invoice_id=UUID(int=6),
        customer_id=CustomerId(UUID(int=7)),
        decline_code=code,
        is_hard=is_hard,
        failed_at=at,
    )


def opened(first=None, rules=USUAL, *, is_first_payment=False):
    return progress.opened(
        first or failure(),
        rules,
        case_id=UUID(int=9),
        subscription_id=UUID(int=8),
        is_first_payment=is_first_payment,
        now=day(2),
    )


def test_opens_with_the_failures_own_date_whenever_it_is_heard():
    case = opened()
    assert (case.first_failed_at, case.next_retry_at, case.next_reminder_at) == (T0, day(1), day(3))


def test_a_hard_decline_has_no_next_try():
    case = opened(failure(is_hard=True))
    assert (case.status, case.next_retry_at) == (Status.EXHAUSTED, None)


def test_a_strict_policy_blocks_what_runs_and_not_what_never_began():
    strict = policy(blocks_at_first_failure=True)
    assert opened(rules=strict).is_blocking
    assert not opened(rules=strict, is_first_payment=True).is_blocking


def test_a_try_by_hand_uses_up_none():
    case = progress.moved_on(opened(), failure(day(0.5)), USUAL)
    assert case.next_retry_at == day(1)
    case = progress.moved_on(progress.tried(case), failure(day(1)), USUAL)
    assert case.next_retry_at == day(3)


def test_what_is_exhausted_stays_so_when_a_try_by_hand_fails():
    case = progress.moved_on(opened(failure(is_hard=True)), failure(day(2)), USUAL)
    assert (case.status, case.next_retry_at) == (Status.EXHAUSTED, None)


def test_an_older_decline_heard_late_does_not_hide_a_newer_one():
    newer = progress.moved_on(opened(), failure(day(1), code="expired_card"), USUAL)
    after = progress.moved_on(newer, failure(day(0.5), code="insufficient_funds"), USUAL)
    assert (after.last_decline_code, after.last_failed_at) == ("expired_card", day(1))


def test_a_case_that_ended_watches_no_clock():
    case = progress.ended(progress.to_block(opened(failure(is_hard=True)), USUAL), Step.RECOVER, at=day(4))
    assert (case.next_retry_at, case.next_reminder_at, case.block_at, case.is_blocking) == (None, None, None, False)
    with pytest.raises(IllegalStep):
        progress.ended(case, Step.CLOSE, at=day(5))


@given(st.lists(st.integers(1, 60), min_size=0, max_size=8, unique=True))
def test_makes_as_many_tries_as_the_policy_has_days_and_one(days):
    rules = schedule.checked(policy(retry_days=tuple(sorted(days))))
    case, tries = opened(rules=rules), 1
    while case.next_retry_at is not None:
        at = case.next_retry_at
        case = progress.moved_on(progress.tried(case), failure(at), rules)
        tries += 1
    assert (tries, case.status) == (len(days) + 1, Status.EXHAUSTED)


def test_the_picture_in_the_docs_is_the_table():
    assert f"```mermaid\n{lifecycle.mermaid()}\n```" in PAGE.read_text()
