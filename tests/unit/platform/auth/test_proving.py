"""When the person behind a token last proved who they are."""

from datetime import UTC, datetime

import pytest

from guilder.platform.auth.proving import verified_at

MADE = 1_772_366_400


def at(seconds):
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.shows("ASVS 6.8.4", "ASVS 10.3.4")
@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({}, None),
        ({"auth_time": MADE - 30}, at(MADE - 30)),
        ({"auth_time": MADE + 5}, at(MADE + 5)),
        ({"auth_time": MADE + 6}, None),
        ({"auth_time": -1}, None),
        ({"auth_time": str(MADE)}, None),
        ({"auth_time": True}, None),
        ({"auth_time": float("nan")}, None),
        ({"auth_time": None, "fva": [0, 0]}, None),
        ({"fva": [0, -1]}, at(MADE)),
        ({"fva": [7, -1]}, at(MADE - 420)),
        ({"fva": [0, 600]}, at(MADE - 36_000)),
        ({"fva": [600, 0]}, at(MADE)),
        ({"fva": [-1, 3]}, at(MADE - 180)),
        ({"fva": [-1, -1]}, None),
        ({"fva": [7]}, None),
        ({"fva": ["7", "-1"]}, None),
        ({"fva": [True, False]}, None),
        ({"fva": 7}, None),
        ({"iat": None, "auth_time": MADE}, None),
    ],
)
def test_is_what_the_issuer_says_and_nothing_else(claims, expected):
    assert verified_at({"iat": MADE, **claims}) == expected


@pytest.mark.parametrize(
    ("acr", "counts"), [("urn:mfa", True), ("urn:pwd", False), (None, False), (["urn:mfa"], False)]
)
def test_a_way_that_is_not_good_enough_proves_nothing(acr, counts):
    claims = {"iat": MADE, "auth_time": MADE, "acr": acr}
    assert (verified_at(claims, acr_values=frozenset({"urn:mfa"})) is not None) is counts
