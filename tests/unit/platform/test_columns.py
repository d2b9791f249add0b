"""A batch as columns: short where it may be, and the same rows whatever was short."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from guilder.platform.db.columns import Columns

ITEM = Columns({"tenant_id": "uuid", "name": "text", "share": "numeric", "at": "timestamptz"})
ONE, TWO = UUID(int=1), UUID(int=2)
AT = datetime(2026, 1, 31, tzinfo=UTC)


def rows(*given):
    return [dict(zip(ITEM.kinds, each, strict=True)) for each in given]


def test_what_is_the_same_in_every_row_is_sent_once():
    found = ITEM.of(rows((ONE, "a", Decimal(1), None), (ONE, "b", Decimal(2), None)))
    assert found == [[ONE], ["a", "b"], ["1", "2"], [None]]


def test_an_equal_decimal_that_is_written_otherwise_is_sent_as_it_is():
    found = ITEM.of(rows((ONE, "a", Decimal("1.0"), AT), (TWO, "a", Decimal("1.00"), AT)))
    assert [str(each) for each in found[2]] == ["1.0", "1.00"]


def test_rows_that_are_all_alike_are_as_many_as_they_were():
    found = ITEM.of(rows((ONE, "a", None, AT), (ONE, "a", None, AT), (ONE, "a", None, AT)))
    assert found == [[ONE] * 3, ["a"], [None], [AT]]


def test_one_row_is_sent_as_it_is():
    assert ITEM.of(rows((ONE, "a", None, AT))) == [[ONE], ["a"], [None], [AT]]


def test_columns_of_two_lengths_are_a_mistake():
    with pytest.raises(AssertionError):
        ITEM.sent([ONE, TWO], ["a"], [None, None], [AT, AT])


def test_joined_columns_are_one_text_each_and_say_how_many_rows_there_are():
    item = Columns({"id": "uuid", "name": "text"}, joined=("id",))
    assert item.sent([ONE, ONE], ["a", "a"]) == [f"{ONE}\n{ONE}", ["a"]]
    assert item.sent([ONE], ["a"]) == [str(ONE), ["a"]]


def test_a_joined_value_of_several_lines_is_a_mistake():
    with pytest.raises(AssertionError, match="several lines"):
        Columns({"body": "jsonb"}, joined=("body",)).sent(['{"a":\n1}'])
