from datetime import timedelta
from decimal import Decimal

import pytest

from guilder.domain.catalog.model import Aggregation
from guilder.domain.usage.model import Amendment, Content, EventStatus
from guilder.domain.usage.rules.intake import (
    BadEventId,
    BadProperty,
    BadValue,
    Dates,
    EventIsCanceled,
    TimestampOutOfRange,
    amended,
    check_given,
    checked,
)
from guilder.kernel import ids
from guilder.kernel.ids import CustomerId
from tests.support.builders.identity import NOW
from tests.support.builders.usage import a_plain_meter, an_event

COUNT, SUM = a_plain_meter(Aggregation.COUNT), a_plain_meter(Aggregation.SUM)
GIGABYTES = a_plain_meter(Aggregation.SUM, "gb")
USERS = a_plain_meter(Aggregation.UNIQUE_COUNT, "user")
SECOND = timedelta(seconds=1)


def check(**over):
    return checked(
        an_event(**{"customer_id": CustomerId(ids.new(NOW)), "meter": SUM, **over}),
        path="events[3]",
        dates=Dates.at(NOW),
    )


@pytest.mark.parametrize("at", [NOW + timedelta(hours=1), NOW - timedelta(days=400), NOW])
def test_an_hour_ahead_and_400_days_back_are_taken(at):
    assert check(at=at).at == at


@pytest.mark.parametrize(
    ("over", "refusal", "field"),
    [
        ({"at": NOW + timedelta(hours=1) + SECOND}, TimestampOutOfRange, "timestamp"),
        ({"at": NOW - timedelta(days=400) - SECOND}, TimestampOutOfRange, "timestamp"),
        ({"event_id": ""}, BadEventId, "event_id"),
        ({"event_id": "x" * 256}, BadEventId, "event_id"),
        ({"event_id": "current"}, BadEventId, "event_id"),
        ({"event_id": "two\nlines"}, BadEventId, "event_id"),
        ({"value": Decimal(10) ** 18}, BadValue, "value"),
        ({"value": Decimal("1e-13")}, BadValue, "value"),
        ({"value": Decimal("NaN")}, BadValue, "value"),
        ({"meter": GIGABYTES}, BadProperty, "properties.gb"),
        ({"meter": GIGABYTES, "properties": {"gb": "many"}}, BadProperty, "properties.gb"),
        ({"meter": USERS, "properties": {"user": ""}}, BadProperty, "properties.user"),
        ({"properties": {str(each): "" for each in range(21)}}, BadProperty, "properties"),
        ({"properties": {"": "x"}}, BadProperty, "properties"),
        ({"properties": {"a": "x" * 201}}, BadProperty, "properties.a"),
    ],
)
def test_what_cannot_be_counted_is_refused_by_its_path(over, refusal, field):
    with pytest.raises(refusal) as refused:
        check(**over)
    assert refused.value.field == f"events[3].{field}"


def test_an_event_counts_for_the_number_that_its_meter_reads():
    assert check(meter=GIGABYTES, properties={"gb": "1.50"}, value=Decimal(9)).value == Decimal("1.5")
    assert check(meter=SUM, properties={"gb": "1.50"}, value=Decimal(9)).value == 9
    assert check(meter=USERS, properties={"user": "ada"}).value == 1


def test_a_value_beside_the_property_that_is_read_would_not_count():
    for meter in (COUNT, SUM, USERS):
        check_given(meter, Decimal(1))
    check_given(GIGABYTES, None)
    with pytest.raises(BadValue):
        check_given(GIGABYTES, Decimal(1))


CONTENT = Content(at=NOW - timedelta(days=500), value=Decimal(2), properties={"gb": "2"}, status=EventStatus.COUNTED)


def test_what_an_amendment_leaves_out_stays_though_it_be_old():
    assert amended(CONTENT, GIGABYTES, Amendment(), now=NOW) == CONTENT
    assert amended(CONTENT, SUM, Amendment(value=Decimal(7)), now=NOW).value == 7
    assert amended(CONTENT, SUM, Amendment(properties={}), now=NOW).properties == {}
    assert amended(CONTENT, GIGABYTES, Amendment(properties={"gb": "3"}), now=NOW).value == 3


@pytest.mark.parametrize(
    ("meter", "amendment", "refusal"),
    [
        (SUM, Amendment(at=NOW + timedelta(days=1)), TimestampOutOfRange),
        (SUM, Amendment(value=Decimal(10) ** 18), BadValue),
        (GIGABYTES, Amendment(value=Decimal(1)), BadValue),
        (GIGABYTES, Amendment(properties={}), BadProperty),
    ],
)
def test_an_amendment_is_held_to_what_a_reading_is(meter, amendment, refusal):
    with pytest.raises(refusal):
        amended(CONTENT, meter, amendment, now=NOW)


def test_what_was_canceled_stays_so():
    gone = Content(at=NOW, value=Decimal(1), properties={}, status=EventStatus.CANCELED)
    with pytest.raises(EventIsCanceled):
        amended(gone, SUM, Amendment(value=Decimal(2)), now=NOW)
