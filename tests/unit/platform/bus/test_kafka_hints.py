"""What records told: used as far as it goes without a gap, forgotten without harm."""

from datetime import UTC, date, datetime

import pytest

from guilder.kernel import ids
from guilder.platform.bus.kafka.connection import Connection, connection
from guilder.platform.bus.kafka.hints import Hints
from guilder.platform.bus.kafka.record import EPOCH, POSITION, REF, Hint, to_hint, to_record
from guilder.platform.bus.store import Cursor, Ref
from guilder.platform.config import Settings

TENANT = ids.TenantId(ids.new(datetime(2026, 3, 1, tzinfo=UTC)))


def a_ref(position: int, topic: str = "a") -> Ref:
    return Ref(topic, position, TENANT, date(2026, 3, 1), 100 + position)


def a_cursor(position: int, topic: str = "a", epoch: int = 1) -> Cursor:
    return Cursor(topic, position, epoch, epoch, has_due=False)


@pytest.mark.parametrize(
    ("told", "stands_at", "rows_max", "found"),
    [
        ([1, 2, 3], 0, 10, [1, 2, 3]),
        ([3, 1, 2], 0, 10, [1, 2, 3]),  # in whatever order they came
        ([1, 1, 2, 2], 0, 10, [1, 2]),  # sent twice
        ([1, 2, 4, 5], 0, 10, [1, 2]),  # up to the gap, and nothing behind it
        ([2, 3], 0, 10, []),
        ([1, 2, 3], 2, 10, [3]),
        ([1, 2, 3], 3, 10, []),
        ([1, 2, 3], 0, 2, [1, 2]),
    ],
)
def test_finds_the_very_next_ones_without_a_gap(told, stands_at, rows_max, found):
    hints = Hints()
    hints.add([Hint(1, 7, a_ref(position)) for position in told])
    assert [ref.position for ref in hints.after(7, [a_cursor(stands_at)], rows_max=rows_max)] == found


def test_keeps_topics_partitions_and_lives_of_the_log_apart():
    hints = Hints()
    hints.add([Hint(1, 7, a_ref(1)), Hint(1, 7, a_ref(1, "b")), Hint(2, 7, a_ref(1)), Hint(1, 8, a_ref(1))])
    assert hints.after(7, [a_cursor(0), a_cursor(0, "b")], rows_max=9) == [a_ref(1), a_ref(1, "b")]
    assert hints.after(7, [a_cursor(0, "c")], rows_max=9) == []
    assert hints.after(7, [a_cursor(0, epoch=3)], rows_max=9) == []


def test_forgets_the_oldest_where_there_are_too_many():
    hints = Hints(hints_max=3)
    hints.add([Hint(1, 7, a_ref(position)) for position in range(1, 6)])
    assert len(hints) == 3
    assert hints.after(7, [a_cursor(0)], rows_max=9) == []
    assert [ref.position for ref in hints.after(7, [a_cursor(2)], rows_max=9)] == [3, 4, 5]


def test_a_record_says_where_its_row_lies():
    row = {
        "topic": "a", "partition": 7, "key": TENANT, "payload": "{}", "event_id": TENANT, "name": "a.b", "version": 1,
        "tenant_id": TENANT, "position": 5, "actor": "x", "request_id": None, "traceparent": None,
        "occurred_at": datetime(2026, 3, 1, tzinfo=UTC), "recorded_at": datetime(2026, 3, 1, tzinfo=UTC),
    }  # fmt: skip
    record = to_record(row, a_ref(5), epoch=3)
    assert to_hint("a", 7, record.headers) == Hint(3, 7, a_ref(5))


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(EPOCH, b"1"), (POSITION, b"1")],
        [(EPOCH, b"x"), (POSITION, b"1"), (REF, b"x/y/z")],
        [(EPOCH, b"1"), (POSITION, b"1"), (REF, b"no")],
        [(EPOCH, b"1"), (POSITION, b"1"), (REF, b"\xff\xfe")],
    ],
)
def test_what_others_wrote_tells_of_nothing(headers):
    assert to_hint("a", 7, headers) is None


def test_the_settings_name_the_brokers_and_how_to_speak_to_them():
    settings = Settings(
        kafka_bootstrap_servers="b1:9092,b2:9092",
        kafka_topic_prefix="billing.",
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_mechanism="SCRAM-SHA-512",
        kafka_sasl_username="guilder",
        kafka_sasl_password="s3cret",
        kafka_ssl_ca_file="/etc/ca.pem",
    )
    found = connection(settings)
    assert found is not None
    assert (found.topic("a.events"), found.group("audit")) == ("billing.a.events", "billing.guilder.audit")
    said = found.client()
    assert (said["bootstrap.servers"], said["security.protocol"]) == ("b1:9092,b2:9092", "SASL_SSL")
    assert (said["sasl.mechanism"], said["sasl.username"]) == ("SCRAM-SHA-512", "guilder")
    assert (said["sasl.password"], said["ssl.ca.location"]) == ("s3cret", "/etc/ca.pem")
    assert "s3cret" not in repr(found)


def test_without_brokers_there_is_no_connection():
    assert connection(Settings(kafka_bootstrap_servers=None)) is None


@pytest.mark.parametrize("name", ["a/b", "a b", "x" * 250])
def test_a_topic_has_a_name_that_brokers_take(name):
    with pytest.raises(AssertionError):
        Connection("b:1").topic(name)
