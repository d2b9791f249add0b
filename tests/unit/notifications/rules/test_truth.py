from datetime import timedelta
from types import SimpleNamespace
from uuid import UUID

import pytest

from guilder.domain.invoicing.model import Status
from guilder.domain.notifications.model import Kind
from guilder.domain.notifications.rules import causes
from guilder.domain.notifications.rules.truth import ASKS_FOR_MONEY, why_no_longer
from tests.support.builders.identity import NOW

CASE = UUID(int=7)


PLANNED = SimpleNamespace(kind=Kind.CHANGE_PLANNED)
OF_INVOICES = [kind for kind in Kind if kind not in (Kind.CHANGE_PLANNED, Kind.UPCOMING_RENEWAL)]


@pytest.mark.parametrize("kind", OF_INVOICES)
@pytest.mark.parametrize(
    ("status", "is_owed"),
    [
        (Status.OPEN, True),
        (Status.UNCOLLECTIBLE, True),
        (Status.PAID, False),
        (Status.VOID, False),
        (Status.DRAFT, False),
    ],
)
def test_money_is_asked_for_only_while_it_is_owed(kind, status, is_owed):
    said = why_no_longer(SimpleNamespace(kind=kind), SimpleNamespace(status=status), None)
    assert bool(said) == (kind in ASKS_FOR_MONEY and not is_owed)


def test_money_is_never_asked_for_without_an_invoice():
    assert [kind for kind in OF_INVOICES if why_no_longer(SimpleNamespace(kind=kind), None, None)] == [
        each for each in Kind if each in ASKS_FOR_MONEY
    ]


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("pending", "at", "ends_at", "is_planned"),
    [
        (object(), None, None, True),
        (None, None, None, False),
        (object(), None, NOW + DAY, False),
        (object(), NOW, NOW + DAY, True),
        (object(), NOW + 2 * DAY, NOW + DAY, False),
    ],
)
def test_a_change_is_announced_only_while_it_is_planned_and_will_come(pending, at, ends_at, is_planned):
    period = SimpleNamespace(ends_at=NOW + DAY)
    said = {"pending_terms": pending, "pending_at": at, "cancel_at_period_end": False, "cancel_at": ends_at}
    assert (why_no_longer(PLANNED, None, SimpleNamespace(current_period=period, **said)) == "") == is_planned
    assert why_no_longer(PLANNED, None, None)


def test_causes_are_the_same_when_heard_again_and_differ_where_they_are_others():
    made = [
        causes.retry(CASE, 0, 1),
        causes.retry(CASE, 1, 1),
        causes.reminder(CASE, 1),
        causes.trial_ending(CASE, 1, NOW),
        causes.trial_ending(CASE, 1, NOW + timedelta(days=7)),
        causes.end(CASE, NOW),
        causes.end(CASE, NOW + timedelta(days=1)),
        causes.retry(UUID(int=8), 0, 1),
        causes.pause(CASE, NOW),
        causes.resumption(CASE, NOW, NOW + timedelta(days=1)),
        causes.resumption(CASE, NOW, NOW + timedelta(days=2)),
        causes.trial_extended(CASE, NOW),
        causes.alert(CASE, NOW),
    ]
    assert len(set(made)) == len(made)
    assert causes.retry(CASE, 1, 1) == made[1]
    assert causes.end(CASE, NOW) == made[5]
