"""A planned try moves onto a pay day, or onto the hour at which its customer paid before."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.dunning.model import Policy, Rhythm
from guilder.domain.dunning.rules import paydays, schedule
from guilder.domain.dunning.rules.paydays import MOVE_MAX
from guilder.kernel.ids import TenantId

TENANT = TenantId(UUID(int=1))
AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# docs/design/dunning.md repeats this table. Times are UTC; the customer lives in Amsterdam (+1, from 29 March +2).
@pytest.mark.parametrize(
    ("planned", "usual_hour", "retry_hour", "is_aware", "expected"),
    [
        ("2026-03-13 08:20", None, None, False, "2026-03-13 08:20"),  # nothing asked for
        ("2026-03-13 08:20", None, None, True, "2026-03-15 08:20"),  # a Friday: the 15th is in reach
        ("2026-03-11 08:20", None, None, True, "2026-03-11 08:20"),  # the 15th is four days away
        ("2026-03-13 08:20", 18, None, True, "2026-03-15 17:00"),  # the pay day, at the hour: 18:00 there
        ("2026-03-11 08:20", 18, None, True, "2026-03-11 17:00"),  # the hour alone
        ("2026-03-11 18:20", 18, None, True, "2026-03-12 17:00"),  # it is over today
        ("2026-03-15 18:20", 18, None, True, "2026-03-15 18:20"),  # a pay day, its hour over: a try beats the hour
        ("2026-03-11 08:20", 18, 9, True, "2026-03-12 08:00"),  # the tenant's hour goes before what was learned
        ("2026-03-13 08:20", 18, 9, False, "2026-03-14 08:00"),  # the tenant's hour alone
        ("2026-03-13 08:20", 18, None, False, "2026-03-13 08:20"),  # learned, and not asked for
        ("2026-03-28 08:20", None, None, True, "2026-03-31 07:20"),  # the last working day; the clocks have changed
        ("2026-03-31 22:30", None, None, True, "2026-03-31 22:30"),  # it is the 1st there already
        ("2026-05-27 08:20", None, None, True, "2026-05-29 08:20"),  # 30 and 31 May are a weekend
    ],
)
def test_the_worked_table(planned, usual_hour, retry_hour, is_aware, expected):
    policy = Policy(tenant_id=TENANT, pay_day_aware=is_aware, retry_hour=retry_hour)
    rhythm = Rhythm(zone=AMSTERDAM, usual_hour=usual_hour)
    assert paydays.moved(policy, at(planned), following=None, rhythm=rhythm) == at(expected)


def test_it_does_not_move_onto_the_next_planned_try_or_past_it():
    policy = Policy(tenant_id=TENANT, pay_day_aware=True)
    planned = at("2026-03-13 08:20")
    for following, expected in (("2026-03-15 08:20", planned), ("2026-03-15 08:21", at("2026-03-15 08:20"))):
        assert paydays.moved(policy, planned, following=at(following), rhythm=Rhythm()) == expected


@pytest.mark.parametrize(
    ("month", "last"), [((2026, 1), 30), ((2026, 2), 27), ((2026, 5), 29), ((2026, 7), 31), ((2027, 1), 29)]
)
def test_the_last_working_day(month, last):
    assert paydays.last_working_day(date(*month, 3)) == date(*month, last)


@pytest.mark.parametrize(
    ("paid", "expected"),
    [
        ([], None),
        (["2026-01-05 17:40"], 18),
        (["2026-01-05 17:40", "2026-02-05 17:10", "2026-03-05 08:00"], 18),
        (["2026-01-05 17:40", "2026-03-05 08:00"], 9),  # as often: the later one
        (["2026-03-05 08:00", "2026-01-05 17:40"], 9),  # in whichever order they are named
        (["2026-03-05 23:30"], 0),
    ],
)
def test_the_usual_hour_is_the_customers_own(paid, expected):
    assert paydays.usual_hour([at(each) for each in paid], AMSTERDAM) == expected


@given(
    failed=st.datetimes(datetime(2025, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    days=st.lists(st.integers(1, 60), min_size=1, max_size=8, unique=True).map(sorted),
    zone=st.sampled_from(["UTC", "Europe/Amsterdam", "America/St_Johns", "Pacific/Kiritimati", "Australia/Lord_Howe"]),
    hour=st.none() | st.integers(0, 23),
    retry_hour=st.none() | st.integers(0, 23),
    is_aware=st.booleans(),
)
def test_tries_go_up_and_move_by_three_days_at_most(failed, days, zone, hour, retry_hour, is_aware):
    policy = Policy(tenant_id=TENANT, retry_days=tuple(days), pay_day_aware=is_aware, retry_hour=retry_hour)
    rhythm = Rhythm(zone=ZoneInfo(zone), usual_hour=hour)
    dates = [
        schedule.next_retry(policy, first_failed_at=failed, retries_made=n, rhythm=rhythm) for n in range(len(days))
    ]
    assert dates == sorted(set(dates))
    for n, date_ in zip(days, dates, strict=True):
        assert timedelta(0) <= date_ - (failed + timedelta(days=n)) <= MOVE_MAX
    if not is_aware and retry_hour is None:
        assert dates == [failed + timedelta(days=n) for n in days]


def test_an_example_says_what_a_policy_comes_to():
    failed = at("2026-03-10 08:00")
    policy = Policy(tenant_id=TENANT, retry_days=(1, 4), reminder_every_days=2, reminders_max=2, grace_days=3)
    found = schedule.example(policy, failed_at=failed)
    assert [each.day for each in found.retries] == [11, 14]
    assert [each.day for each in found.reminders] == [12, 14]
    assert (found.ends_at.day, found.blocks_at.day) == (14, 17)
