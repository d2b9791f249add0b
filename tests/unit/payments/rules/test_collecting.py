"""What becomes of a wish to collect, given what is under way."""

from datetime import timedelta

import pytest

from guilder.domain.payments.model import Status, Via
from guilder.domain.payments.rules import collecting
from guilder.domain.payments.rules.collecting import Plan
from tests.unit.payments.rules.test_recording import NOW, a_payment

LINK = {"via": Via.LINK}
UNASKED = {"via": Via.LINK, "account_id": None}


@pytest.mark.parametrize(
    ("holder", "via", "has_method", "expected"),
    [
        (None, Via.SAVED, True, Plan.BEGIN),
        (None, Via.SAVED, False, Plan.FAIL),
        (None, Via.LINK, False, Plan.BEGIN),
        (a_payment(Status.SUCCEEDED), Via.SAVED, True, Plan.KEEP),
        (a_payment(Status.SUCCEEDED), Via.LINK, False, Plan.KEEP),
        (a_payment(Status.REQUESTED), Via.SAVED, True, Plan.KEEP),
        (a_payment(Status.REQUESTED), Via.LINK, False, Plan.KEEP),
        (a_payment(Status.UNKNOWN), Via.SAVED, True, Plan.KEEP),
        (a_payment(Status.AWAITING_CUSTOMER, **UNASKED), Via.LINK, True, Plan.KEEP),
        (a_payment(Status.AWAITING_CUSTOMER, **UNASKED), Via.SAVED, True, Plan.REPLACE_HERE),
        (a_payment(Status.AWAITING_CUSTOMER, **UNASKED), Via.SAVED, False, Plan.KEEP),
        (a_payment(Status.REQUIRES_ACTION, **LINK), Via.SAVED, True, Plan.REPLACE_THERE),
        (a_payment(Status.REQUIRES_ACTION, **LINK), Via.LINK, True, Plan.KEEP),
        (a_payment(Status.CANCELING), Via.LINK, False, Plan.REPLACE_THERE),
    ],
)
def test_plan(holder, via, has_method, expected):
    assert collecting.plan(holder, via, has_method=has_method) is expected


def test_either_is_the_method_if_there_is_one():
    assert collecting.resolve(Via.EITHER, has_method=True) is Via.SAVED
    assert collecting.resolve(Via.EITHER, has_method=False) is Via.LINK


def test_a_page_is_opened_again_only_when_it_is_about_to_close():
    open_page = a_payment(Status.REQUIRES_ACTION, **LINK, action_url="https://x", opened_at=NOW)
    assert not collecting.needs_session(open_page, now=NOW + timedelta(hours=22))
    assert collecting.needs_session(open_page, now=NOW + timedelta(hours=23))
    assert not collecting.needs_session(a_payment(Status.SUCCEEDED, **LINK), now=NOW)
