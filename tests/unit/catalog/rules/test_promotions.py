"""Whether a code may be redeemed: each refusal has its own code."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from guilder.domain.catalog.model import PromoCode, PromoStatus
from guilder.domain.catalog.rules.promotions import check_redeemable
from guilder.kernel.errors import Invalid
from guilder.kernel.ids import TenantId
from guilder.kernel.money import Money
from guilder.kernel.noun import replace

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PLAN, OTHER = UUID(int=7), UUID(int=8)
PROMO = PromoCode(
    tenant_id=TenantId(UUID(int=1)),
    id=UUID(int=2),
    code="SPRING",
    name="Spring",
    percent=Decimal(10),
    status=PromoStatus.ACTIVE,
    created_at=NOW,
)
USE = {"now": NOW, "plan_id": PLAN, "product": None, "is_first_purchase": False, "redemptions_of_customer": 0}


@pytest.mark.parametrize(
    ("says", "use", "code"),
    [
        ({}, {}, None),
        ({"status": PromoStatus.ARCHIVED}, {}, "promo_expired"),
        ({"ends_at": NOW}, {}, "promo_expired"),
        ({"ends_at": NOW + SECOND}, {}, None),
        ({"starts_at": NOW + SECOND}, {}, "promo_not_started"),
        ({"starts_at": NOW}, {}, None),
        ({"redemptions": 4, "redemptions_max": 4}, {}, "promo_used_up"),
        ({"redemptions": 3, "redemptions_max": 4}, {}, None),
        ({"redemptions_max_per_customer": 2}, {"redemptions_of_customer": 2}, "promo_used_up_by_customer"),
        ({"redemptions_max_per_customer": 2}, {"redemptions_of_customer": 1}, None),
        ({"plan_ids": (OTHER,)}, {}, "promo_not_for_plan"),
        ({"plan_ids": (OTHER, PLAN)}, {}, None),
        ({"plan_ids": (PLAN,)}, {"plan_id": None, "product": UUID(int=9)}, "promo_not_for_plan"),
        ({}, {"plan_id": None, "product": UUID(int=9)}, None),
        ({"first_purchase_only": True}, {}, "promo_first_purchase_only"),
        ({"first_purchase_only": True}, {"is_first_purchase": True}, None),
        ({"percent": None, "amount": Money(1, "EUR")}, {"currency": "USD"}, "promo_wrong_currency"),
        ({"percent": None, "amount": Money(1, "EUR")}, {"currency": "EUR"}, None),
        ({"percent": None, "amount": Money(1, "EUR")}, {}, None),
        ({}, {"currency": "USD"}, None),
    ],
)
def test_a_code_passes_or_says_why_not(says, use, code):
    promo = replace(PROMO, **says)
    if code is None:
        check_redeemable(promo, **{**USE, **use})
        return
    with pytest.raises(Invalid) as caught:
        check_redeemable(promo, **{**USE, **use})
    assert (caught.value.code, caught.value.field) == (code, "promo_code")
    assert caught.value.detail
