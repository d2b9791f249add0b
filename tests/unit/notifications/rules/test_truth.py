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


@pytest.mark.parametrize("kind", list(Kind))
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
    said = why_no_longer(kind, SimpleNamespace(status=status))
    assert bool(said) == (kind in ASKS_FOR_MONEY and not is_owed)


def test_money_is_never_asked_for_without_an_invoice():
    assert [kind for kind in Kind if why_no_longer(kind, None)] == [each for each in Kind if each in ASKS_FOR_MONEY]


def test_causes_are_the_same_when_heard_again_and_differ_where_they_are_others():
    made = [
        causes.retry(CASE, 0),
        causes.retry(CASE, 1),
        causes.reminder(CASE, 1),
        causes.trial_ending(CASE, 1),
        causes.end(CASE, NOW),
        causes.end(CASE, NOW + timedelta(days=1)),
        causes.retry(UUID(int=8), 0),
    ]
    assert len(set(made)) == len(made)
    assert causes.retry(CASE, 1) == made[1]
    assert causes.end(CASE, NOW) == made[4]
