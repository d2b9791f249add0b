"""What a plan, a meter, a promo code or a tax rate may say: each case is refused by the field at fault."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as Exact
from uuid import UUID

import pytest

from guilder.domain.catalog.model import (
    Aggregation,
    Alignment,
    Billing,
    Charge,
    ChargePrice,
    Duration,
    MatrixCell,
    NewMeter,
    NewPrice,
    NewPromoCode,
    TaxRate,
    Tier,
)
from guilder.domain.catalog.rules import checking
from guilder.kernel.errors import Invalid
from guilder.kernel.ids import TenantId
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.kernel.period import Interval, Unit
from tests.support.builders.catalog import a_plan_content
from tests.unit.catalog.rules.prices import SHARES, TWO_TIERS, D, matrix, model

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def refused(field, check, *said, **named):
    with pytest.raises(Invalid) as caught:
        check(*said, **named)
    assert caught.value.field == field
    assert field.split(".")[-1].split("[")[0] in str(caught.value)


def tiers(*bounds):
    return tuple(Tier(up_to=None if each is None else D(each), unit_amount=D(1)) for each in bounds)


@pytest.mark.parametrize(
    ("price", "field"),
    [
        (model("graduated"), "model.tiers"),
        (model("graduated", tiers=tiers(10, 10, None)), "model.tiers[1].up_to"),
        (model("volume", tiers=tiers(10, 5, None)), "model.tiers[1].up_to"),
        (model("volume", tiers=tiers(0, None)), "model.tiers[0].up_to"),
        (model("volume", tiers=tiers(10, 20)), "model.tiers[1].up_to"),
        (model("volume", tiers=tiers(None, None)), "model.tiers[0].up_to"),
        (model("graduated", tiers=(Tier(up_to=None, unit_amount=D(-1)),)), "model.tiers[0].unit_amount"),
        (model("graduated", tiers=(Tier(up_to=None, flat_amount=D(-1)),)), "model.tiers[0].flat_amount"),
        (model("graduated", tiers=(Tier(up_to=None, percent=D(1)),)), "model.tiers[0].percent"),
        (model("graduated_percentage", tiers=TWO_TIERS), "model.tiers[0].unit_amount"),
        (model("graduated", tiers=tiers(None) * 101), "model.tiers"),
        (model("graduated", tiers=TWO_TIERS, unit_amount=D(1)), "model.unit_amount"),
        (model("per_unit", unit_amount=D(-1)), "model.unit_amount"),
        (model("per_unit", unit_amount=D("NaN")), "model.unit_amount"),
        (model("per_unit", unit_amount=D(10) ** 15), "model.unit_amount"),
        (model("per_unit", unit_amount=D(1), tiers=TWO_TIERS), "model.tiers"),
        (model("flat", unit_amount=D(1), free_units=D(1)), "model.free_units"),
        (model("package", unit_amount=D(1), package_size=D(0)), "model.package_size"),
        (model("percentage", percent=D(-1)), "model.percent"),
        (model("percentage", percent=D(1), free_events=-1), "model.free_events"),
        (model("percentage", percent=D(1), free_value=D(-1)), "model.free_value"),
        (model("percentage", percent=D(1), unit_amount=D(1)), "model.unit_amount"),
        (model("dynamic", percent=D(1)), "model.percent"),
        (model("matrix", unit_amount=D(1)), "model.dimensions"),
        (model("matrix", unit_amount=D(1), dimensions=("a",)), "model.cells"),
        (replace(matrix(), dimensions=("region", "region")), "model.dimensions"),
        (replace(matrix(), dimensions=("country",)), "model.cells[0].values"),
        (replace(matrix(), cells=matrix().cells * 2), "model.cells"),
        (
            replace(matrix(), cells=(MatrixCell(values=(("region", "eu"),), unit_amount=D(-1)),)),
            "model.cells[0].unit_amount",
        ),
    ],
)
def test_a_price_that_cannot_be_worked_out_is_refused(price, field):
    refused(field, checking.check_model, price)


@pytest.mark.parametrize(
    "price",
    [
        model("flat", unit_amount=D(0)),
        model("per_unit", unit_amount=D("0.000001"), free_units=D(5)),
        model("graduated", tiers=TWO_TIERS),
        model("volume", tiers=tiers(None)),
        model("package", unit_amount=D(1), package_size=D("0.5"), free_units=D(1)),
        model("percentage", percent=D("1.4"), fixed_amount=D(25), free_events=1, free_value=D(1)),
        model("graduated_percentage", tiers=SHARES),
        model("dynamic", free_units=D(1)),
        matrix(free_units=D(1)),
    ],
)
def test_a_price_that_can_be_worked_out_passes(price):
    checking.check_model(price)


def billing_refused(field, *, intervals=(Interval(Unit.MONTH),), **said):
    refused(f"billing.{field}", checking.check_billing, Billing(**said), intervals=intervals)


def eur(minor):
    return Money(minor, "EUR")


def test_a_billing_day_goes_with_its_alignment_and_is_a_day():
    billing_refused("billing_day", billing_day=1)
    billing_refused("billing_day", alignment=Alignment.BILLING_DAY)
    billing_refused("billing_day", alignment=Alignment.BILLING_DAY, billing_day=32)
    billing_refused("billing_day", alignment=Alignment.BILLING_DAY, billing_day=0)
    billing_refused("alignment", alignment=Alignment.BILLING_DAY, billing_day=31, intervals=[Interval(Unit.WEEK)])
    billing_refused("alignment", alignment=Alignment.CALENDAR, intervals=[Interval(Unit.MONTH, 2)])
    good = Billing(alignment=Alignment.BILLING_DAY, billing_day=31)
    checking.check_billing(good, intervals=[Interval(Unit.MONTH), Interval(Unit.YEAR)])


@pytest.mark.parametrize(
    ("part", "whole", "divides"),
    [
        (Interval(Unit.MONTH), Interval(Unit.YEAR), True),
        (Interval(Unit.QUARTER), Interval(Unit.YEAR), True),
        (Interval(Unit.MONTH, 5), Interval(Unit.YEAR), False),
        (Interval(Unit.MONTH), Interval(Unit.MONTH), True),
        (Interval(Unit.YEAR), Interval(Unit.MONTH), False),
        (Interval(Unit.WEEK), Interval(Unit.MONTH), False),
        (Interval(Unit.DAY), Interval(Unit.WEEK, 2), True),
        (Interval(Unit.DAY, 3), Interval(Unit.WEEK), False),
    ],
)
def test_use_is_billed_as_often_as_it_goes_into_the_fee(part, whole, divides):
    assert checking.divides(part, whole) is divides
    if divides:
        checking.check_billing(Billing(usage_interval=part), intervals=[whole])
    else:
        billing_refused("usage_interval", usage_interval=part, intervals=[whole])


def test_days_commitments_and_thresholds_are_bounded():
    billing_refused("grace_days", grace_days=-1)
    billing_refused("grace_days", grace_days=91)
    billing_refused("net_days", net_days=366)
    billing_refused("commitments", commitments=(eur(1), eur(2)))
    billing_refused("commitments[0].amount", commitments=(eur(0),))
    billing_refused("progressive[1].amount", progressive=(eur(100), eur(100)))
    billing_refused("progressive[0].amount", progressive=(eur(0),))
    good = Billing(commitments=(eur(1), Money(1, "USD")), progressive=(eur(100), Money(50, "USD"), eur(200)))
    checking.check_billing(good, intervals=[Interval(Unit.MONTH)])


def a_charge(**over):
    said = {
        "code": "calls",
        "name": "Calls",
        "meter": "calls",
        "prices": (ChargePrice(currency="EUR", model=model("per_unit", unit_amount=D(1))),),
    }
    return Charge(**{**said, **over})


def priced(price, **over):
    return (ChargePrice(currency="EUR", model=price, **over),)


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"prices": ()}, "prices"),
        ({"prices": priced(model("per_unit")) * 2}, "prices"),
        ({"prices": priced(model("graduated"))}, "prices[0].tiers"),
        ({"prices": priced(model("per_unit"), cap_minor=-1)}, "prices[0].cap_amount"),
        ({"included": D(-1)}, "included"),
        ({"included": D(1), "prices": priced(model("percentage", percent=D(1)))}, "included"),
        ({"included": D(1), "prices": priced(model("flat", unit_amount=D(1)))}, "included"),
        ({"filters": (("region", ()),)}, "filters.region"),
        ({"filters": (("region", ("eu",)), ("region", ("us",)))}, "filters"),
        ({"filters": tuple((f"p{n}", ("eu",)) for n in range(11))}, "filters"),
        ({"group_by": ("a", "a")}, "group_by"),
        ({"group_by": tuple("abcdef")}, "group_by"),
    ],
)
def test_a_charge_that_cannot_be_is_refused(over, field):
    refused(f"charges[0].{field}", checking.check_plan, a_plan_content(charges=(a_charge(**over),)))


def test_a_plan_has_each_charge_once_and_in_all_of_its_currencies():
    refused("charges", checking.check_plan, a_plan_content(charges=(a_charge(), a_charge())))
    dollars = NewPrice(interval=Interval(Unit.MONTH), unit_amount=Money(1, "USD"), cycle="monthly")
    refused("charges[0].prices", checking.check_plan, a_plan_content(prices=(dollars,), charges=(a_charge(),)))
    many = tuple(a_charge(code=f"c{n}") for n in range(51))
    refused("charges", checking.check_plan, a_plan_content(charges=many))
    checking.check_plan(a_plan_content(charges=many[:50]))


def test_a_fee_has_no_model_of_use():
    for price, field in ((matrix(), "model"), (model("graduated"), "tiers")):
        said = NewPrice(interval=Interval(Unit.MONTH), unit_amount=eur(0), cycle="monthly", model=price)
        refused(f"prices[0].{field}", checking.check_plan, a_plan_content(prices=(said,)))


def test_a_meter_names_a_property_where_it_needs_one():
    refused("property", checking.check_meter, NewMeter(code="m", name="M", aggregation=Aggregation.UNIQUE_COUNT))
    refused("property", checking.check_meter, NewMeter(code="m", name="M", aggregation=Aggregation.COUNT, property="x"))
    for aggregation in Aggregation:
        said = "" if aggregation is Aggregation.COUNT else "x"
        checking.check_meter(NewMeter(code="m", name="M", aggregation=aggregation, property=said))


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"percent": None}, "percent"),
        ({"amount": eur(1)}, "percent"),
        ({"percent": D(0)}, "percent"),
        ({"percent": D("100.1")}, "percent"),
        ({"percent": None, "amount": eur(0)}, "amount"),
        ({"duration": Duration.PERIODS}, "periods"),
        ({"periods": 3}, "periods"),
        ({"duration": Duration.PERIODS, "periods": 0}, "periods"),
        ({"starts_at": NOW, "ends_at": NOW}, "ends_at"),
        ({"redemptions_max": 0}, "redemptions_max"),
        ({"redemptions_max_per_customer": 0}, "redemptions_max_per_customer"),
    ],
)
def test_a_promo_code_that_cannot_be_is_refused(over, field):
    said = {"code": "SPRING", "name": "Spring", "percent": D(10), **over}
    refused(field, checking.check_promo_code, NewPromoCode(**said))


def test_a_promo_code_that_can_be_passes():
    checking.check_promo_code(NewPromoCode(code="A", name="A", percent=D(100), duration=Duration.FOREVER))
    several = NewPromoCode(
        code="A",
        name="A",
        amount=eur(1),
        duration=Duration.PERIODS,
        periods=3,
        starts_at=NOW,
        ends_at=NOW + timedelta(days=1),
        redemptions_max=1,
    )
    checking.check_promo_code(several)


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"percent": D(-1)}, "percent"),
        ({"percent": D(101)}, "percent"),
        ({"percent": Exact("1.00001")}, "percent"),
        ({"country": "", "region": "BY", "category": "books"}, "region"),
        ({"country": ""}, "country"),
        ({"is_default": True, "region": "BY"}, "region"),
        ({"is_default": True, "category": "books"}, "category"),
        ({"valid_from": date(2026, 1, 1), "valid_until": date(2026, 1, 1)}, "valid_until"),
    ],
)
def test_a_tax_rate_that_contradicts_itself_is_refused(over, field):
    said = {"name": "VAT", "percent": D(21), "country": "NL", **over}
    refused(field, checking.check_tax_rate, TaxRate(tenant_id=TenantId(UUID(int=1)), id=UUID(int=2), **said))
