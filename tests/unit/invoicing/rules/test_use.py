"""The tables of docs/design/use.md and commitments.md, and what is true of use whatever its numbers."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.catalog.model import Basis, Billing, ChargeModel, Plan, PlanStatus, PriceModel
from guilder.domain.invoicing.model import AppliedRate, LineKind
from guilder.domain.invoicing.rules import commitment, rerating, use
from guilder.domain.invoicing.rules.billed import Billed
from guilder.domain.invoicing.rules.captions import written
from guilder.domain.invoicing.rules.commitment import Counted, Part
from guilder.domain.invoicing.rules.rerating import CLOSED, LATE, PROGRESSIVE, Once
from guilder.domain.invoicing.rules.use import PricedCharge, Stretch
from guilder.domain.subscriptions.model import ChargeOverride, Terms
from guilder.domain.usage.model import Reading
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money, round_half_up
from guilder.kernel.noun import replace
from guilder.kernel.period import Interval, Period, Unit
from tests.support.builders.metered import a_charge, graduated, per_unit

JUNE = Period(datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
TERMS = Terms(
    plan_id=UUID(int=4),
    plan_code="pro",
    plan_version=1,
    plan_name="Pro",
    billing_cycle="monthly",
    interval=Interval(Unit.MONTH),
    unit_amount=Money(1_000, "EUR"),
    has_charges=True,
)
FREE_100 = graduated((100, "0"), (None, "0.5"))
VAT = AppliedRate(name="VAT", percent=Decimal(19))


def eur(minor):
    return Money(minor, "EUR")


def a_stretch(period=JUNE, terms=TERMS):
    return Stretch(
        tenant_id=TenantId(UUID(int=1)),
        customer_id=CustomerId(UUID(int=2)),
        subscription_id=UUID(int=3),
        terms=terms,
        period=period,
        full=JUNE,
        time_zone="UTC",
    )


def from_june(day):
    return Period(datetime(2026, 6, day, tzinfo=UTC), JUNE.ends_at)


def priced(model=None, **over):
    charge = a_charge(model, **over)
    return PricedCharge(charge=charge, model=charge.prices[0].model, cap_minor=charge.prices[0].cap_minor)


def reading(quantity, group=(), events=1, value=0):
    return Reading(group=group, quantity=Decimal(quantity), events=events, value=Decimal(value))


def rated(quantity, model=None, stretch=None, **over):
    [found] = use.rate(stretch or a_stretch(), priced(model, **over), [reading(quantity)])
    return found


def once(number, total, amount, *, cause=CLOSED, line=None, **over):
    return Once(
        charge="calls",
        group=(),
        group_key="",
        number=number,
        cause=cause,
        total=eur(total),
        amount=eur(amount),
        line_id=UUID(int=line) if line else None,
        **over,
    )


@pytest.mark.parametrize(
    ("period", "quantity", "amount"),
    [(from_june(16), 80, 300), (JUNE, 400, 2_000), (from_june(16), 50, 0), (from_june(16), 1_000, 1_000)],
)
def test_included_units_and_caps_are_for_full_periods(period, quantity, amount):
    found = rated(quantity, per_unit(10), a_stretch(period), included=Decimal(100), cap_minor=2_000)
    assert found.rated.amount == eur(amount)


def test_included_units_of_a_part_are_rounded_down_to_a_millionth():
    third = Period(JUNE.starts_at, JUNE.starts_at + timedelta(days=7))
    assert rated(1, stretch=a_stretch(third), included=Decimal(1)).included == Decimal("0.233333")


@pytest.mark.parametrize("basis", [Basis.NONE, Basis.DIFFERENCE, Basis.SECOND, Basis.DAY, Basis.DAY_30])
def test_what_is_included_in_half_a_period_is_half_on_every_basis(basis):
    terms = replace(TERMS, billing=Billing(basis=basis))
    assert a_stretch(from_june(16), terms).share == Fraction(1, 2)


def test_an_amount_whatever_is_used_is_charged_for_the_part():
    flat = PriceModel(model=ChargeModel.FLAT, unit_amount=Decimal(999))
    assert rated(0, flat).rated.amount == eur(999)
    assert rated(5, flat, a_stretch(from_june(16))).rated.amount == eur(500)


def test_nothing_used_is_no_line_and_a_line_says_how_it_came_about():
    assert use.line(a_stretch(), rated(0), None) is None
    line = use.line(a_stretch(), rated(7), None)
    assert line is not None
    assert (line.kind, line.amount, line.unit_amount, line.quantity) == (LineKind.USAGE, eur(70), eur(10), 7)
    assert line.billed_item == f"sub:{UUID(int=3)}:use:calls::2026-06-01T00:00:00+00:00"
    assert line.explanation["sentence"] == "7 units at 0.10 EUR = 0.70 EUR."
    assert line.is_deferred is False


def test_groups_are_rated_by_themselves_and_written_so_that_none_is_another():
    charge = priced(FREE_100, group_by=("region",))
    readings = [reading(150, (("region", "eu"),)), reading(120, (("region", "us&region=eu"),))]
    found = use.rate(a_stretch(), charge, readings)
    assert [each.rated.amount.minor for each in found] == [25, 10]
    lines = [use.line(a_stretch(), each, None) for each in found]
    assert len({line.billed_item for line in lines if line}) == 2
    assert use.rate(a_stretch(), charge, []) == []


def test_a_matrix_is_read_by_its_dimensions_beside_its_groups():
    model = PriceModel(
        model=ChargeModel.MATRIX,
        dimensions=("size",),
        unit_amount=Decimal(1),
        cells=(),
    )
    asked = use.question(a_stretch(), priced(model, group_by=("region",)), meter=None)  # type: ignore[arg-type]
    assert asked.group_by == ("region", "size")
    found = use.rate(
        a_stretch(),
        priced(model, group_by=("region",)),
        [reading(3, (("region", "eu"), ("size", "s"))), reading(4, (("region", "eu"), ("size", "l")))],
    )
    assert [(each.group, each.quantity) for each in found] == [((("region", "eu"),), 7)]


def test_what_was_agreed_with_one_goes_before_the_plan():
    plan = Plan(
        tenant_id=TenantId(UUID(int=1)),
        id=UUID(int=4),
        code="pro",
        version=1,
        name="Pro",
        description="",
        status=PlanStatus.ACTIVE,
        prices=(),
        features=(),
        limits=(),
        trial_days=0,
        created_at=JUNE.starts_at,
        charges=(a_charge(), a_charge(code="other"), replace(a_charge(code="dollars"), prices=())),
    )
    terms = replace(TERMS, overrides=(ChargeOverride(charge="other", model=per_unit(3), cap_minor=9),))
    found = use.priced(terms, plan)
    assert [(each.charge.code, each.model.unit_amount, each.cap_minor) for each in found] == [
        ("calls", 10, None),
        ("other", 3, 9),
    ]


def test_late_use_bills_the_difference_and_corrected_use_gives_it_back_as_it_was_taxed():
    more = use.adjustment(a_stretch(), rated(330, FREE_100), Billed(amount=eur(100), number=1))
    assert more is not None
    assert (more.amount, more.kind) == (eur(15), LineKind.USAGE_ADJUSTMENT)
    assert written(more.description, "en") == "Late use: Calls"
    before = Billed(amount=eur(115), number=2, line_id=UUID(int=9), taxed_as=VAT, kept=Fraction(9, 10))
    less = use.adjustment(a_stretch(), rated(280, FREE_100), before)
    assert less is not None
    # 0.25 less, of which 10 % had been taken off.
    assert (less.amount, less.taxed_as, less.credits_line_id) == (eur(-23), VAT, UUID(int=9))
    assert less.is_discountable is False
    assert less.billed_item.endswith(":late:3")
    assert use.adjustment(a_stretch(), rated(280, FREE_100), Billed(amount=eur(90), number=3)) is None
    capped = use.adjustment(a_stretch(), rated(280, FREE_100), replace(before, left=eur(20)))
    assert capped is not None
    assert capped.amount == eur(-20)
    assert use.adjustment(a_stretch(), rated(280, FREE_100), replace(before, left=eur(0))) is None


def test_while_it_is_open_what_stands_counts_and_when_it_is_over_what_was_rated():
    early = [
        once(1, 110, 110, cause=PROGRESSIVE, line=7, net_minor=99, discount_minor=11),
        once(2, 200, 90, cause=PROGRESSIVE),
    ]
    [open_] = rerating.billed(early).values()
    assert (open_.amount, open_.number, open_.kept) == (eur(110), 2, Fraction(9, 10))
    [over] = rerating.billed([*early, once(3, 250, 140), once(4, 240, -10, cause=LATE)]).values()
    assert (over.amount, over.number) == (eur(240), 4)


@given(
    st.lists(st.integers(0, 5_000), min_size=1, max_size=6),
    st.integers(0, 5_000),
)
def test_however_often_it_is_billed_on_the_way_it_comes_to_what_it_comes_to(on_the_way, in_the_end):
    """Thresholds, the period's end and late use add up to the price of what was used, and again adds nothing."""
    times, lines = [], []

    def bill(quantity, cause):
        known = rerating.billed(times).get(("calls", ""))
        found = rated(quantity, FREE_100)
        make = use.adjustment if cause == LATE else use.line
        if (line := make(a_stretch(), found, known)) is not None:
            lines.append(line)
        number = (known.number if known else 0) + 1
        amount = line.amount.minor if line else 0
        times.append(once(number, found.rated.amount.minor, amount, cause=cause, line=number, net_minor=abs(amount)))

    for quantity in on_the_way:
        bill(quantity, PROGRESSIVE)
    bill(in_the_end, CLOSED)
    assert sum(line.amount.minor for line in lines) == by_hand(in_the_end)
    before = len(lines)
    bill(in_the_end, LATE)
    assert len(lines) == before


def by_hand(quantity):
    """Price unit by unit: the first hundred cost nothing, each other half a cent."""
    return round_half_up(sum((Fraction(1, 2) for unit in range(quantity) if unit >= 100), start=Fraction(0)))


COMMITTED = replace(TERMS, billing=Billing(commitments=(eur(5_000), Money(9, "USD"))))


@pytest.mark.parametrize(
    ("parts", "fees", "used", "missing"),
    [
        ([(5_000, Fraction(1))], 1_000, 3_900, 100),
        ([(5_000, Fraction(1))], 1_000, 5_000, 0),
        ([(5_000, Fraction(1, 2))], 500, 400, 1_600),
        ([(10_000, Fraction(1, 2)), (20_000, Fraction(1, 2))], 4_000, 6_000, 5_000),
        ([(0, Fraction(1))], 0, 0, 0),
    ],
)
def test_the_table_of_commitments(parts, fees, used, missing):
    made = [Part(terms=committed_to(minor), share=share) for minor, share in parts]
    assert commitment.missing(made, Counted(fees=eur(fees), use=eur(used))) == eur(missing)


def test_a_commitment_is_made_up_for_once_and_given_back_when_use_comes_late():
    parts = [Part(terms=COMMITTED, share=Fraction(1))]
    about = {"subscription_id": UUID(int=3), "period": JUNE}
    first = commitment.line(parts, Counted(fees=eur(0), use=eur(400)), **about)
    assert first is not None
    assert (first.amount, first.is_discountable, first.kind) == (eur(4_600), False, LineKind.COMMITMENT)
    known = Billed(amount=eur(4_600), number=1, line_id=UUID(int=9), taxed_as=VAT)
    again = commitment.line(parts, Counted(fees=eur(0), use=eur(700)), **about, billed=known)
    assert again is not None
    assert (again.amount, again.taxed_as, again.credits_line_id) == (eur(-300), VAT, UUID(int=9))
    assert again.billed_item != first.billed_item
    assert commitment.line(parts, Counted(fees=eur(0), use=eur(400)), **about, billed=known) is None


@given(st.integers(0, 20_000), st.integers(0, 20_000), st.fractions(0, 1))
def test_a_period_comes_to_its_least_or_to_more(fees, used, share):
    parts = [Part(terms=COMMITTED, share=share)]
    counted = Counted(fees=eur(fees), use=eur(used))
    missing = commitment.missing(parts, counted)
    assert missing.minor >= 0
    assert (counted.amount + missing).minor == max(fees + used, round_half_up(5_000 * share))


def committed_to(minor):
    return replace(TERMS, billing=Billing(commitments=(eur(minor),)))
