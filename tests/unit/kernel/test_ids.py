"""Ids: in order, prefixed, and read strictly."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.kernel import ids
from guilder.kernel.ids import Ref, TenantId

# A minute that no other test lives in: a process keeps its ids in order within one, so those of others would go before.
NOW = datetime(2031, 7, 3, 4, 56, tzinfo=UTC)


def test_are_uuids_of_version_7_dated_now():
    made = ids.new(NOW)
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert abs((made.int >> 80) - int(NOW.timestamp() * 1000)) < 1000


def test_keep_their_order_within_a_millisecond():
    made = ids.new_many(NOW, 10_000)
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_nothing_that_is_made_at_an_instant_or_later_comes_before_its_first():
    first = ids.first_of(NOW)
    assert (first.version, first.variant) == (7, ids.new(NOW).variant)
    assert all(ids.new(NOW + timedelta(milliseconds=each)) > first for each in (0, 1, 60_000))
    assert ids.new(NOW - timedelta(minutes=1)) < first
    assert ids.first_of(datetime(1, 1, 1, tzinfo=UTC)) < ids.new(NOW) < ids.first_of(datetime(9999, 12, 31, tzinfo=UTC))


def test_are_not_dated_by_a_sandbox_that_lives_years_ahead():
    ids.new(NOW.replace(year=2040))
    made = ids.new(NOW)
    assert abs((made.int >> 80) - int(NOW.timestamp() * 1000)) < 1000


@given(st.uuids())
def test_are_read_as_they_were_written(value):
    assert ids.from_text("sub", ids.to_text("sub", value)) == value
    assert ids.from_text("sub", str(value)) == value


def test_are_written_as_typeids():
    # The example of the TypeID specification.
    assert ids.to_text("prefix", UUID("01890a5d-ac96-774b-bcce-b302099a8057")) == "prefix_01h455vb4pex5vsknk084sn02q"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sub_",
        "inv_01h455vb4pex5vsknk084sn02q",
        "sub_01h455vb4pex5vsknk084sn02",
        "sub_81h455vb4pex5vsknk084sn02q",
        "sub_01h455vb4pex5vsknk084sn02u",
        "sub_01H455VB4PEX5VSKNK084SN02Q",
        "{01890a5d-ac96-774b-bcce-b302099a8057}",
        "urn:uuid:01890a5d-ac96-774b-bcce-b302099a",
        "01890a5d-ac96-774b-bcce-b302099a805g",
    ],
)
def test_refuse_anything_else(text):
    assert ids.from_text("sub", text) is None


def test_are_named_within_their_tenant():
    tenant, row = TenantId(ids.new(NOW)), ids.new(NOW)
    assert ids.in_tenant(tenant, [row]) == [Ref(tenant, row)]
