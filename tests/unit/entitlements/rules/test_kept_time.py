"""What is taken back anew of time that pauses moved."""

from datetime import timedelta
from uuid import UUID

import pytest

from guilder.domain.entitlements.rules.granting import of_kept_time
from guilder.kernel.noun import replace
from guilder.kernel.period import Period
from tests.support.builders.entitlements import a_revocation
from tests.support.builders.identity import NOW

DAY = timedelta(days=1)
# Three weeks, of which a pause kept two, and another one a week.
WEEKS = [Period(NOW + begins * DAY, NOW + ends * DAY) for begins, ends in ((0, 21), (30, 44), (60, 67))]


def refunded(until):
    return a_revocation(subscription_id=UUID(int=3), until=NOW + until * DAY)


@pytest.mark.parametrize(
    ("until", "taken_anew"),
    [
        (21, [(30, 44), (60, 67)]),
        (44, [(60, 67)]),
        (67, []),
        (5, []),  # paid for anew on the fifth day
        (20, []),
    ],
)
def test_what_was_taken_of_the_whole_is_taken_of_what_is_left_each_time(until, taken_anew):
    made = of_kept_time([refunded(until)], WEEKS)
    assert [((each.since - NOW).days, (each.until - NOW).days) for each in made] == taken_anew


def test_it_is_taken_once_and_not_after_it_was_paid_for_anew():
    first = refunded(21)
    made = of_kept_time([first], WEEKS[:2])
    assert of_kept_time([first, *made], WEEKS[:2]) == []
    paid_for = replace(made[0], until=NOW + 35 * DAY)
    assert of_kept_time([first, paid_for], WEEKS) == []
