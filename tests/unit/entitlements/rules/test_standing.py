from datetime import timedelta
from uuid import UUID

import pytest

from guilder.domain.entitlements.model import GrantKind, LimitLeft
from guilder.domain.entitlements.rules import standing as rules
from guilder.domain.entitlements.rules.standing import RENEWAL_LATE_MAX, standing
from tests.support.builders.entitlements import a_block, a_grant, a_revocation, an_account
from tests.support.builders.identity import NOW

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
PRODUCT = {"kind": GrantKind.PRODUCT, "code": "film", "invoice_id": UUID(int=5)}


@pytest.mark.parametrize(
    ("grant", "is_eligible", "reasons"),
    [
        ({}, True, ()),
        ({"valid_from": NOW + SECOND}, False, ("ran_out",)),
        ({"valid_from": NOW, "valid_until": NOW + SECOND}, True, ()),
        ({"valid_until": NOW}, False, ("ran_out",)),
        ({"valid_until": NOW, "is_renewing": True}, True, ()),
        ({"valid_until": NOW - RENEWAL_LATE_MAX + SECOND, "is_renewing": True}, True, ()),
        ({"valid_until": NOW - RENEWAL_LATE_MAX, "is_renewing": True}, False, ("ran_out",)),
        ({"is_suspended": True}, False, ("subscription_suspended",)),
        ({"ended_at": NOW - DAY}, False, ("ran_out",)),
        ({**PRODUCT, "valid_until": NOW + SECOND}, True, ()),
        ({**PRODUCT, "valid_until": NOW}, False, ("ran_out",)),
        ({**PRODUCT, "valid_until": None}, True, ()),
    ],
)
def test_whoever_has_a_live_grant_is_eligible(grant, is_eligible, reasons):
    found = standing(an_account(a_grant(**grant)), now=NOW)
    assert (found.is_eligible, found.reasons) == (is_eligible, reasons)
    assert bool(found.grants) == is_eligible


def test_whoever_bought_nothing_is_not_eligible():
    found = standing(an_account(), now=NOW)
    assert (found.is_eligible, found.is_blocked, found.reasons) == (False, False, ("nothing_bought",))


def test_a_block_shuts_out_in_spite_of_what_was_bought():
    blocks = (a_block(), a_block(cause_id=UUID(int=7)))
    found = standing(an_account(a_grant(), a_grant(**PRODUCT), blocks=blocks), now=NOW)
    assert (found.is_eligible, found.is_blocked, found.reasons) == (False, True, ("unpaid",))
    assert rules.content_until(found, "film") == (False, None)


@pytest.mark.parametrize(
    ("revocation", "takes_plan", "takes_film"),
    [
        ({}, False, True),
        ({"invoice_id": UUID(int=99)}, False, False),
        ({"subscription_id": UUID(int=3), "until": NOW + SECOND}, True, False),
        ({"subscription_id": UUID(int=3), "until": NOW}, False, False),
        ({"subscription_id": UUID(int=98), "until": NOW + DAY}, False, False),
    ],
)
def test_a_refund_takes_what_its_invoice_gave(revocation, takes_plan, takes_film):
    film = a_grant(**PRODUCT, source_id=UUID(int=8))
    account = an_account(a_grant(), film, revocations=(a_revocation(**revocation),))
    live = {grant.code for grant in standing(account, now=NOW).grants}
    assert ("pro" not in live, "film" not in live) == (takes_plan, takes_film)


def test_a_refund_is_named_as_the_reason_where_nothing_is_left():
    found = standing(an_account(a_grant(**PRODUCT), revocations=(a_revocation(),)), now=NOW)
    assert found.reasons == ("refunded",)


@pytest.mark.parametrize(
    ("ends", "answer"),
    [
        ([NOW + DAY], (True, NOW + DAY)),
        ([NOW + DAY, NOW + 2 * DAY], (True, NOW + 2 * DAY)),
        ([NOW + DAY, None], (True, None)),
        ([NOW], (False, None)),
        ([], (False, None)),
    ],
)
def test_content_may_be_used_until_the_last_of_its_ends(ends, answer):
    grants = [a_grant(**PRODUCT, source_id=UUID(int=n), valid_until=end) for n, end in enumerate(ends, start=20)]
    assert rules.content_until(standing(an_account(*grants), now=NOW), "film") == answer


def a_limit(included):
    return LimitLeft(code="seats", name="Seats", included=included, used=0, left=included)


@pytest.mark.parametrize(("included", "total"), [([5], 5), ([5, 7], 12), ([5, None], None), ([None, 5], None)])
def test_limits_add_up_over_plans(included, total):
    grants = [a_grant(source_id=UUID(int=n), limits=(a_limit(each),)) for n, each in enumerate(included)]
    [limit] = rules.limits(standing(an_account(*grants), now=NOW))
    assert (limit.included, limit.left) == (total, total)


def test_of_two_values_of_a_feature_the_later_plan_has_the_word():
    old = a_grant(source_id=UUID(int=30), features=(("storage", "1 GB"), ("api", "true")))
    new = a_grant(source_id=UUID(int=31), valid_from=NOW + DAY, features=(("storage", "10 GB"),))
    found = standing(an_account(new, old), now=NOW + DAY)
    assert rules.features(found) == {"storage": "10 GB", "api": "true"}
