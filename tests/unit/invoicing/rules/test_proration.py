"""What a change gives back and charges: tables, and what holds whatever happens."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest

from guilder.domain.catalog.model import Basis, Billing
from guilder.domain.invoicing.model import AppliedRate, LineKind
from guilder.domain.invoicing.rules import proration
from guilder.domain.invoicing.rules.captions import written
from guilder.domain.invoicing.rules.proration import BilledLine, GivenBack, Standing
from guilder.domain.subscriptions.model import Status, Subscription, Terms
from guilder.domain.subscriptions.rules.shares import Measure
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.kernel.period import Interval, Period, Unit

JUNE = Period(datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
MONTH, YEAR = Interval(Unit.MONTH), Interval(Unit.YEAR)
VAT = AppliedRate(name="VAT", percent=Decimal(19))


def eur(minor):
    return Money(minor, "EUR")


def terms(amount, *, interval=MONTH, quantity=1, name="Pro", basis=Basis.SECOND, **billing):
    return Terms(
        plan_id=UUID(int=9),
        plan_code=name.lower(),
        plan_version=1,
        plan_name=name,
        billing_cycle="monthly",
        interval=interval,
        unit_amount=eur(amount),
        quantity=quantity,
        billing=Billing(basis=basis, **billing),
    )


def a_subscription(on, *, period=JUNE, full=None, zone="UTC"):
    return Subscription(
        tenant_id=TenantId(UUID(int=1)),
        id=UUID(int=3),
        customer_id=CustomerId(UUID(int=2)),
        organization_id="org_1",
        terms=on,
        status=Status.ACTIVE,
        anchor_at=period.starts_at,
        time_zone=zone,
        period_number=0,
        current_period=period,
        full_period=full,
        created_at=period.starts_at,
    )


class Books:
    """What has been billed to one subscription: the lines that a database would hold."""

    def __init__(self, first, *, fee=None, is_discounted=False, period=JUNE, full=None, zone="UTC"):
        self.subscription = a_subscription(first, period=period, full=full, zone=zone)
        fee = first.amount.minor if fee is None else fee
        self.lines, self.backs, self.number = [], [], 0
        if fee or is_discounted:
            self._bill(first, eur(fee), period, VAT)

    def change(self, to, at, *, cause=None, discount=Fraction(0)):
        """Change the terms; what is discountable of what that bills has a share taken off."""
        before = self.subscription
        after = replace(before, terms=to)
        self.number += 1
        cause = cause or f"c{self.number}"
        made = proration.lines(before, after, standing=self.standing, cause=cause, changed_at=at)
        made = [
            replace(line, amount=line.amount - line.amount.times_half_up(discount)) if line.is_discountable else line
            for line in made
        ]
        for line in made:
            self._write(line, to, cause)
        self.subscription = after
        return made

    @property
    def standing(self):
        return Standing(billed=tuple(self.lines), given_back=tuple(self.backs))

    def _write(self, line, to, cause):
        if line.credits_line_id is None:
            self._bill(to, line.amount, line.period, line.taxed_as or VAT, line.tax)
            return
        [n] = [n for n, each in enumerate(self.lines) if each.line_id == line.credits_line_id]
        old = self.lines[n]
        tax = line.tax or line.amount.times_half_up(line.taxed_as.percent / 100)
        self.lines[n] = replace(
            old,
            left=old.left + line.amount,
            left_tax=max(old.left_tax + tax, eur(0)),
            unused_until=line.period.starts_at,
        )
        self.backs.append(
            GivenBack(
                cause=cause,
                name=old.name,
                sold=old.sold,
                amount=line.amount,
                tax=tax,
                period=line.period,
                taxed_as=line.taxed_as,
            )
        )

    def _bill(self, on, amount, period, rate, tax=None):
        tax = tax or amount.times_half_up(rate.percent / 100)
        self.lines.append(
            BilledLine(
                line_id=UUID(int=100 + len(self.lines)),
                name=on.plan_name,
                sold=proration.sold_as(on),
                amount=amount,
                tax=tax,
                left=amount,
                left_tax=tax,
                period=period,
                full_period=proration.full_period(self.subscription),
                unused_until=period.ends_at,
                taxed_as=rate,
            )
        )


def amounts(lines):
    return {line.kind.value.removeprefix("proration_"): line.amount.minor for line in lines}


def net(lines):
    return sum(line.amount.minor for line in lines)


def at(text):
    return datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(
    ("when", "old", "new", "credit", "charge"),
    [
        ("2026-06-01 00:00", 3_000, 5_000, -3_000, 5_000),
        ("2026-06-16 00:00", 3_000, 5_000, -1_500, 2_500),
        ("2026-06-21 00:00", 3_000, 5_000, -1_000, 1_667),  # a third of 50.00
        ("2026-06-30 23:59", 3_000, 5_000, 0, 0),  # a minute of it is less than half a cent
        ("2026-06-16 00:00", 1, 3, -1, 2),  # halves go up, on both sides
        ("2026-06-16 00:00", 5_000, 3_000, -2_500, 1_500),
        ("2026-06-16 00:00", 0, 3_000, 0, 1_500),
    ],
)
def test_the_unused_part_is_credited_and_the_rest_is_charged(when, old, new, credit, charge):
    made = Books(terms(old)).change(terms(new, name="Scale"), at(when))
    kinds = {"credit": credit, "charge": charge}
    assert amounts(made) == {kind: amount for kind, amount in kinds.items() if amount}


@pytest.mark.parametrize("when", [JUNE.ends_at, JUNE.ends_at + timedelta(days=9)])
def test_nothing_is_credited_or_charged_after_the_period(when):
    assert Books(terms(3_000)).change(terms(5_000), when) == []


def test_a_change_before_the_period_is_a_change_of_all_of_it():
    made = Books(terms(3_000)).change(terms(5_000), JUNE.starts_at - timedelta(days=1))
    assert [line.amount.minor for line in made] == [-3_000, 5_000]
    assert {line.period for line in made} == {JUNE}


def test_the_length_of_the_period_is_its_real_one_over_a_change_of_the_clock():
    # Amsterdam's March is an hour short: 743 hours, of which 372 are left.
    march = Period(datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 31, 22, tzinfo=UTC))
    made = Books(terms(0), period=march).change(terms(74_300), march.ends_at - timedelta(hours=372))
    assert amounts(made) == {"charge": 37_200}


def test_seats_prorate_as_prices_do():
    made = Books(terms(1_000, quantity=3)).change(terms(1_000, quantity=5), at("2026-06-16 00:00"))
    assert [(line.amount.minor, line.quantity) for line in made] == [(-1_500, 1), (2_500, 5)]


def test_what_was_billed_counts_and_not_the_price_of_today():
    made = Books(terms(3_000), fee=2_400).change(terms(5_000), at("2026-06-16 00:00"))
    assert amounts(made) == {"credit": -1_200, "charge": 2_500}


def test_a_credit_is_taxed_as_what_it_credits_and_names_it_and_is_not_discounted():
    credit, charge = Books(terms(3_000)).change(terms(5_000), at("2026-06-16 00:00"))
    assert (credit.taxed_as, credit.credits_line_id) == (VAT, UUID(int=100))
    assert (credit.is_discountable, credit.is_tax_inclusive) == (False, False)
    assert (charge.taxed_as, charge.credits_line_id, charge.is_discountable) == (None, None, True)


def test_with_the_net_goes_its_part_of_the_tax_and_with_all_that_is_left_all_of_it():
    books = Books(terms(3_001, is_tax_inclusive=True))  # tax 5.70
    [credit, _] = books.change(terms(5_000), at("2026-06-21 00:00"))
    assert (credit.amount, credit.tax) == (eur(-1_000), eur(-190))
    books = Books(terms(3_001, is_tax_inclusive=True))
    books.lines[0] = replace(books.lines[0], left=eur(7), left_tax=eur(1))
    [credit, _] = books.change(terms(5_000), at("2026-06-21 00:00"))
    assert (credit.amount, credit.tax) == (eur(-7), eur(-1))


def test_time_kept_in_a_pause_is_measured_as_the_time_that_it_was_paid_as():
    # Paused on the 11th for nine days: 20 days are left from the 20th on, up to 10 July.
    rest = Period(at("2026-06-20 00:00"), at("2026-07-10 00:00"))
    books = Books(terms(3_000))
    books.lines[0] = books.lines[0].moved(timedelta(days=9))
    books.subscription = replace(books.subscription, current_period=rest, full_period=books.lines[0].full_period)
    made = books.change(terms(6_000), at("2026-06-30 00:00"))
    assert amounts(made) == {"credit": -1_000, "charge": 2_000}
    assert {line.period for line in made} == {Period(at("2026-06-30 00:00"), rest.ends_at)}


def test_what_was_credited_by_hand_is_not_credited_again():
    books = Books(terms(3_000))
    books.lines[0] = replace(books.lines[0], left=eur(400))
    [credit, _] = books.change(terms(5_000), at("2026-06-16 00:00"))
    assert credit.amount == eur(-400)
    assert credit.explanation["is_capped"]
    assert "4.00 EUR is all that is left of the 30.00 EUR" in credit.explanation["sentence"]


def test_a_change_of_interval_credits_only_as_its_fee_is_the_callers_to_bill():
    before = a_subscription(terms(3_000))
    year = Period(at("2026-06-16 00:00"), at("2027-06-16 00:00"))
    after = replace(before, terms=terms(30_000, interval=YEAR), current_period=year)
    standing = Books(terms(3_000)).standing
    [line] = proration.lines(before, after, standing=standing, cause="c", changed_at=year.starts_at)
    assert (line.kind, line.amount.minor) == (LineKind.PRORATION_CREDIT, -1_500)


def test_a_fee_in_arrears_is_neither_given_back_nor_charged():
    late, early = terms(5_000, name="Late", in_arrears=True), terms(3_000)
    assert amounts(Books(early).change(late, at("2026-06-16 00:00"))) == {"credit": -1_500}
    assert amounts(Books(late, fee=0).change(early, at("2026-06-16 00:00"))) == {"charge": 1_500}
    assert Books(late, fee=0).change(terms(9_000, in_arrears=True), at("2026-06-16 00:00")) == []


NOON = "2026-06-16 12:00"


@pytest.mark.parametrize(
    ("basis", "credit", "charge"),
    [
        (Basis.SECOND, -1_450, 2_900),  # 14.5 of 30 days
        (Basis.DAY, -1_500, 3_000),  # the day of the change is the new plan's: 15 of 30
        (Basis.DAY_30, -1_500, 3_000),
        (Basis.NONE, 0, 0),
        (Basis.DIFFERENCE, -3_000, 6_000),
    ],
)
def test_each_basis_measures_its_own_way(basis, credit, charge):
    made = Books(terms(3_000)).change(terms(6_000, basis=basis), at(NOON))
    assert amounts(made) == {k: v for k, v in {"credit": credit, "charge": charge}.items() if v}
    assert {line.explanation["basis"] for line in made} <= {basis.value}


def test_by_dates_two_changes_on_one_day_leave_the_first_one_without_cost():
    books = Books(terms(3_000, basis=Basis.DAY))
    first = books.change(terms(6_000, name="Scale", basis=Basis.DAY), at("2026-06-16 09:00"))
    second = books.change(terms(9_000, name="Max", basis=Basis.DAY), at("2026-06-16 17:00"))
    assert amounts(first) == {"credit": -1_500, "charge": 3_000}
    assert amounts(second) == {"credit": -3_000, "charge": 4_500}


def test_by_dates_the_day_is_the_customers():
    # 23:30 UTC on the 15th is the 16th in Amsterdam.
    june = Period(datetime(2026, 5, 31, 22, tzinfo=UTC), datetime(2026, 6, 30, 22, tzinfo=UTC))
    books = Books(terms(3_000, basis=Basis.DAY), period=june, zone="Europe/Amsterdam")
    assert amounts(books.change(terms(6_000, basis=Basis.DAY), at("2026-06-15 23:30")))["credit"] == -1_500


def test_a_second_change_works_from_what_the_first_one_billed():
    books = Books(terms(3_000))
    assert amounts(books.change(terms(5_000, name="Scale"), at("2026-06-16 00:00"))) == {
        "credit": -1_500,
        "charge": 2_500,
    }
    # Of the 25.00 for 15 days 10 are left; the fee of the month was given back up to the 16th and is not touched.
    assert amounts(books.change(terms(8_000, name="Max"), at("2026-06-21 00:00"))) == {
        "credit": -1_667,
        "charge": 2_667,
    }


def test_a_stub_is_measured_against_the_full_period_that_holds_it():
    stub = Period(at("2026-06-11 00:00"), JUNE.ends_at)  # 20 of 30 days: 20.00 of 30.00
    books = Books(terms(3_000), fee=2_000, period=stub, full=JUNE)
    assert amounts(books.change(terms(6_000), at("2026-06-16 00:00"))) == {"credit": -1_500, "charge": 3_000}


def test_the_difference_of_a_stub_is_the_difference_of_the_stub():
    stub = Period(at("2026-06-11 00:00"), JUNE.ends_at)
    books = Books(terms(3_000), fee=2_000, period=stub, full=JUNE)
    made = books.change(terms(6_000, basis=Basis.DIFFERENCE), at("2026-06-16 00:00"))
    assert amounts(made) == {"credit": -2_000, "charge": 4_000}


def test_undoing_a_change_takes_back_what_it_gave_discount_and_tax_rate_and_all():
    books = Books(terms(3_000), fee=2_700)  # a tenth was taken off, by a code that is used up since
    books.lines[0] = replace(books.lines[0], taxed_as=AppliedRate(name="Reduced", percent=Decimal(7)))
    forth = books.change(terms(6_000, name="Scale"), at(NOON), discount=Fraction(1, 2))
    back = books.change(terms(3_000), at(NOON))
    assert net(forth) + net(back) == 0
    charge = back[-1]
    assert (charge.amount.minor, charge.is_discountable, charge.taxed_as.percent) == (1_305, False, 7)


def test_what_a_discount_took_off_whole_is_not_charged_anew_when_a_change_is_undone():
    books = Books(terms(3_000), fee=0, is_discounted=True)
    forth = books.change(terms(6_000, name="Scale"), at("2026-06-16 00:00"))
    assert amounts(forth) == {"credit": 0, "charge": 3_000}
    assert amounts(books.change(terms(3_000), at("2026-06-16 00:00"))) == {"credit": -3_000}


def test_where_the_rest_is_billed_at_these_terms_already_there_is_nothing_to_change():
    books = Books(terms(3_000))
    assert books.change(terms(6_000, name="Free", basis=Basis.NONE), at("2026-06-10 00:00")) == []
    assert books.change(terms(3_000), at("2026-06-20 00:00")) == []


def test_a_line_says_how_it_was_worked_out():
    credit, charge = Books(terms(3_000)).change(terms(5_000, name="Scale"), at("2026-06-21 00:00"))
    called = [written(each.description, "en") for each in (credit, charge)]
    assert called == ["Unused time on Pro", "Remaining time on Scale"]
    assert charge.period == replace(JUNE, starts_at=at("2026-06-21 00:00"))
    said = charge.explanation
    assert (said["full_amount"], said["share"], said["basis"], said["rounding"]) == (5_000, [1, 3], "second", "half_up")
    assert said["sentence"] == "33.33 % of the period is left at 2026-06-21 00:00 UTC: 1/3 of 50.00 EUR is 16.67 EUR."
    assert said["part"] == {"numerator": 864_000_000_000, "denominator": 2_592_000_000_000, "unit": "microsecond"}
    assert credit.explanation["sentence"] == (
        "33.33 % of the time billed is unused at 2026-06-21 00:00 UTC: 1/3 of the 30.00 EUR billed for it is 10.00 EUR."
    )


def test_each_change_is_a_thing_of_its_own_that_is_billed():
    def items(cause):
        made = Books(terms(300)).change(terms(500), JUNE.starts_at + timedelta(days=3), cause=cause)
        return {line.billed_item for line in made}

    assert len(items("a") | items("b")) == 4
    assert items("a") == items("a")


@pytest.mark.parametrize(
    ("basis", "when", "credit"),
    [
        (Basis.SECOND, "2026-06-16 12:00", 1_450),
        (Basis.DAY, "2026-06-16 12:00", 1_400),  # the day on which it ends was used
        (Basis.DAY_30, "2026-06-16 12:00", 1_400),
        (Basis.NONE, "2026-06-16 12:00", 0),
        (Basis.DIFFERENCE, "2026-06-16 12:00", 1_450),
        (Basis.DAY, "2026-06-01 12:00", 2_900),
        (Basis.DAY, "2026-06-30 12:00", 0),
        (Basis.SECOND, "2026-06-01 00:00", 3_000),
    ],
)
def test_what_ends_gives_back_what_is_unused(basis, when, credit):
    books = Books(terms(3_000, basis=basis))
    made = proration.unused(books.subscription, standing=books.standing, cause="end", at=at(when))
    assert [-line.amount.minor for line in made] == ([credit] if credit else [])


def test_what_was_charged_by_difference_is_for_the_whole_period():
    whole = Measure(30, 30, "day")
    books = Books(terms(6_000, basis=Basis.DIFFERENCE))
    [line] = books.lines
    half = Period(at("2026-06-16 00:00"), JUNE.ends_at)
    standing = Standing(billed=(replace(line, period=half, covers=whole),))
    # At the instant of the change all of it is unused; later, what is left of June, and not of its second half.
    for when, back in (("2026-06-16 00:00", -6_000), ("2026-06-16 12:00", -2_900), ("2026-06-24 00:00", -1_400)):
        [made] = proration.unused(books.subscription, standing=standing, cause="c", at=at(when), is_last_day_used=False)
        assert made.amount.minor == back, when


def test_another_interval_begins_anew_even_where_a_period_had_just_begun():
    before = a_subscription(terms(3_000), period=JUNE)
    quarter = replace(terms(9_200), interval=Interval(Unit.MONTH, 3))
    assert proration.begins_anew(before, replace(before, terms=quarter))
    assert not proration.begins_anew(before, replace(before, terms=terms(5_000)))
