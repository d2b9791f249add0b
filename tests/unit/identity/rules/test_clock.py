from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from guilder.domain.identity.model import ClockState, SandboxClock
from guilder.domain.identity.rules.clock import ClockGoesBack, ClockIsAdvancing, TooFar, after, halted, moved, send
from guilder.kernel import ids
from guilder.kernel.ids import TenantId

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def a_clock(target: datetime | None = None, state: ClockState = ClockState.AT_REST) -> SandboxClock:
    return SandboxClock(tenant_id=TenantId(ids.new(NOW)), now=NOW, target=target, state=state)


def test_is_sent_forward():
    sent = send(a_clock(), to=NOW + DAY)
    assert (sent.now, sent.target, sent.state) == (NOW, NOW + DAY, ClockState.ADVANCING)


def test_may_be_sent_to_where_it_is_to_do_what_is_due():
    assert send(a_clock(), to=NOW).state is ClockState.ADVANCING


def test_may_be_sent_further_on_its_way_and_not_less_far():
    on_its_way = send(a_clock(), to=NOW + DAY)
    assert send(on_its_way, to=NOW + 2 * DAY).target == NOW + 2 * DAY
    with pytest.raises(ClockIsAdvancing):
        send(on_its_way, to=NOW + DAY / 2)


def test_may_be_sent_again_after_a_failure():
    failed = halted(send(a_clock(), to=NOW + DAY), reason="no rest")
    assert (failed.state, failed.target, failed.detail) == (ClockState.FAILED, None, "no rest")
    again = send(failed, to=NOW + DAY)
    assert (again.state, again.detail) == (ClockState.ADVANCING, "")


@pytest.mark.parametrize(
    ("to", "refusal"),
    [
        (NOW - timedelta(microseconds=1), ClockGoesBack),
        (NOW + timedelta(days=3661), TooFar),
        (datetime(2200, 1, 2, tzinfo=UTC), TooFar),
    ],
)
def test_refuses_the_past_and_the_far_future(to, refusal):
    with pytest.raises(refusal):
        send(a_clock(), to=to)


def test_arrives_at_rest_and_stays_on_its_way_before():
    on_its_way = send(a_clock(), to=NOW + DAY)
    half = moved(on_its_way, now=NOW + DAY / 2, arrived=False)
    assert (half.now, half.target, half.state) == (NOW + DAY / 2, NOW + DAY, ClockState.ADVANCING)
    there = moved(half, now=NOW + DAY, arrived=True)
    assert (there.now, there.target, there.state) == (NOW + DAY, None, ClockState.AT_REST)


@pytest.mark.parametrize(
    ("by", "there"),
    [
        ({"months": 1}, "2026-02-28T12:00:00+00:00"),
        ({"months": 2}, "2026-03-31T11:00:00+00:00"),  # noon stays noon where summer time has begun
        ({"days": 60}, "2026-04-01T11:00:00+00:00"),
        ({"hours": 1440}, "2026-04-01T12:00:00+00:00"),
        ({"months": 1, "days": 1, "hours": 1}, "2026-03-01T13:00:00+00:00"),
        ({}, "2026-01-31T12:00:00+00:00"),
    ],
)
def test_steps_as_a_calendar_does_and_hours_as_a_watch(by, there):
    steps = {"months": 0, "days": 0, "hours": 0, **by}
    assert after(NOW, **steps, zone=ZoneInfo("Europe/Amsterdam")) == datetime.fromisoformat(there)


def test_refuses_a_step_that_cannot_be_counted():
    with pytest.raises(TooFar):
        after(NOW, months=0, days=10**9, hours=0, zone=ZoneInfo("UTC"))
