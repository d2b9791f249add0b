"""Use: what a stretch of time comes to by the charges of its plan, and what of that is still to be billed.

What is billed is always a difference: what the use of a stretch comes to now, less what was billed for it before. So
billing the use so far, billing the rest of it, and billing what came late are one rule, and doing any of them again
bills nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from hashlib import sha256
from urllib.parse import quote
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Struct

from guilder.domain.catalog.model import Basis, Charge, ChargeModel, Meter, Plan, PriceModel
from guilder.domain.catalog.rules import rating
from guilder.domain.catalog.rules.rating import Rated
from guilder.domain.invoicing.model import Caption, LineKind, NewLine, Phrase
from guilder.domain.invoicing.rules import parts
from guilder.domain.invoicing.rules.billed import Billed
from guilder.domain.subscriptions.model import Segment, Subscription, Terms
from guilder.domain.subscriptions.rules import shares
from guilder.domain.usage.model import Group, Question, Reading
from guilder.domain.usage.rules.aggregation import together
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money, round_half_up, zero
from guilder.kernel.period import Interval, Period

_GROUP_TEXT_MAX = 200
# Where a part of a price counts nothing, or all of it, what is included in it is still measured by time.
_BY_TIME = {Basis.NONE: Basis.SECOND, Basis.DIFFERENCE: Basis.SECOND}


@dataclass(frozen=True, kw_only=True)  # no slots: what is the same of all its lines is worked out once
class Stretch:
    """Time on the same terms, whose use is rated for itself. `full` is the period that its included units are for."""

    tenant_id: TenantId
    customer_id: CustomerId
    subscription_id: UUID
    terms: Terms
    period: Period
    full: Period
    time_zone: str

    @cached_property
    def starts(self) -> str:
        return self.period.starts_at.isoformat()

    @cached_property
    def said(self) -> Mapping[str, object]:
        """Return what every line of it says of its time and terms."""
        said: dict[str, object] = {
            "plan": self.terms.plan_code,
            "plan_version": self.terms.plan_version,
            "period": [self.starts, self.period.ends_at.isoformat()],
            "time_zone": self.time_zone,
        }
        if self.share != 1:
            said["full_period"] = [self.full.starts_at.isoformat(), self.full.ends_at.isoformat()]
            said["share"] = [self.share.numerator, self.share.denominator]
        return said

    @cached_property
    def share(self) -> Fraction:
        """Return what part of the full period this is."""
        basis = self.terms.billing.basis
        interval: Interval = self.terms.billing.usage_interval or self.terms.interval
        return shares.measure(
            _BY_TIME.get(basis, basis),
            part=self.period,
            full=self.full,
            interval=interval,
            zone=ZoneInfo(self.time_zone),
        ).share


class PricedCharge(Struct, frozen=True, kw_only=True):
    """A charge as one subscription pays for it."""

    charge: Charge
    model: PriceModel
    cap_minor: int | None


class Use(Struct, frozen=True, kw_only=True):
    """What one charge and group of a stretch come to."""

    charge: Charge
    group: Group
    quantity: Decimal
    events: int
    rated: Rated
    included: Decimal
    cap_minor: int | None

    @property
    def key(self) -> tuple[str, str]:
        return self.charge.code, group_text(self.group)


Key = tuple[str, str]  # charge code, group as text


def of_segment(segment: Segment, time_zone: str) -> Stretch:
    return Stretch(
        tenant_id=segment.tenant_id,
        customer_id=segment.customer_id,
        subscription_id=segment.subscription_id,
        terms=segment.terms,
        period=segment.period,
        full=segment.full_period,
        time_zone=time_zone,
    )


def still_open(subscription: Subscription, period: Period, full: Period) -> Stretch:
    """Return the stretch that a subscription is in."""
    return Stretch(
        tenant_id=subscription.tenant_id,
        customer_id=subscription.customer_id,
        subscription_id=subscription.id,
        terms=subscription.terms,
        period=period,
        full=full,
        time_zone=subscription.time_zone,
    )


def priced(terms: Terms, plan: Plan) -> list[PricedCharge]:
    """Return the charges of the plan version with the prices that were agreed; one without a price in the currency of
    the subscription is not charged for."""
    overrides = {each.charge: each for each in terms.overrides}
    found = []
    for charge in plan.charges:
        if (own := overrides.get(charge.code)) is not None:
            found.append(PricedCharge(charge=charge, model=own.model, cap_minor=own.cap_minor))
            continue
        price = next((each for each in charge.prices if each.currency == terms.currency), None)
        if price is not None:
            found.append(PricedCharge(charge=charge, model=price.model, cap_minor=price.cap_minor))
    return found


def question(stretch: Stretch, charge: PricedCharge, meter: Meter) -> Question:
    """Ask for the readings that a charge prices; a matrix needs them by its dimensions too."""
    dimensions = charge.model.dimensions if charge.model.model is ChargeModel.MATRIX else ()
    group_by = charge.charge.group_by
    return Question(
        tenant_id=stretch.tenant_id,
        customer_id=stretch.customer_id,
        meter=meter,
        starts_at=stretch.period.starts_at,
        ends_at=stretch.period.ends_at,
        subscription_id=stretch.subscription_id,
        filters=charge.charge.filters,
        group_by=(*group_by, *(each for each in dimensions if each not in group_by)),
        amount_property=charge.charge.amount_property,
    )


def rate(stretch: Stretch, charge: PricedCharge, readings: Sequence[Reading]) -> list[Use]:
    """Price the readings, one for each group. Of a part of a period, what is for a full one counts for its share:
    included units, the cap, and an amount that is charged whatever is used."""
    share = stretch.share
    included = parts.included(charge.charge.included, share)
    model = rating.with_included(parts.priced(charge.model, share), included)
    cap = None if charge.cap_minor is None else round_half_up(charge.cap_minor * share)
    made = []
    for group, found in _by_group(charge.charge, readings).items():
        whole = found[0] if len(found) == 1 else together(found)
        quantity, events = whole.quantity, whole.events
        rated = rating.rate(
            model,
            quantity=quantity,
            events=events,
            value=whole.value,
            groups={each.group: each.quantity for each in found},
            currency=stretch.terms.currency,
            cap_minor=cap,
        )
        made.append(
            Use(
                charge=charge.charge,
                group=group,
                quantity=quantity,
                events=events,
                rated=rated,
                included=included,
                cap_minor=cap,
            )
        )
    return made


def line(stretch: Stretch, use: Use, billed: Billed | None, *, cause: str = "") -> NewLine | None:
    """Bill what a charge comes to beyond what was billed of it; None where that is nothing.

    `cause` says why it is billed before its time is over, and makes it one thing of its own.
    """
    before = billed.amount if billed else zero(stretch.terms.currency)
    amount = use.rated.amount - before
    if amount.is_zero:
        return None
    if amount.minor < 0:
        assert billed is not None
        return _given_back(stretch, use, billed, amount, item=_item(stretch, use, cause), why=Phrase.LESS_USE)
    is_plain = before.is_zero and _is_plain(use)
    return NewLine(
        kind=LineKind.USAGE,
        description=_described(use),
        amount=amount,
        quantity=use.quantity,
        unit_amount=Money(int(use.rated.steps[0].unit_amount), amount.currency) if is_plain else None,
        period=stretch.period,
        subscription_id=stretch.subscription_id,
        plan_id=stretch.terms.plan_id,
        charge=use.charge.code,
        tax_category=_tax_category(stretch, use),
        is_tax_inclusive=stretch.terms.billing.is_tax_inclusive,
        is_deferred=False,
        billed_item=_item(stretch, use, cause),
        explanation=_why("use_in_arrears", stretch, use, billed, amount),
    )


def adjustment(stretch: Stretch, use: Use, billed: Billed | None) -> NewLine | None:
    """Bill the difference that late or corrected use makes to a stretch that was billed; None where there is none."""
    before = billed.amount if billed else zero(stretch.terms.currency)
    amount = use.rated.amount - before
    if amount.is_zero:
        return None
    number = (billed.number if billed else 0) + 1
    item = _item(stretch, use, f"late:{number}")
    if amount.minor < 0:
        assert billed is not None
        return _given_back(stretch, use, billed, amount, item=item, why=Phrase.CORRECTED_USE)
    return NewLine(
        kind=LineKind.USAGE_ADJUSTMENT,
        description=Caption(Phrase.LATE_USE, _described(use)),
        amount=amount,
        quantity=1,
        period=stretch.period,
        subscription_id=stretch.subscription_id,
        plan_id=stretch.terms.plan_id,
        charge=use.charge.code,
        tax_category=_tax_category(stretch, use),
        is_tax_inclusive=stretch.terms.billing.is_tax_inclusive,
        is_deferred=False,
        billed_item=item,
        explanation=_why("late_use", stretch, use, billed, amount),
    )


def unused(charge: Charge, group: Group, currency: str) -> Use:
    """Return a use that came to nothing: what is left of one whose readings were all taken back."""
    nothing = Rated(amount=zero(currency), exact=Fraction(0), steps=())
    return Use(
        charge=charge, group=group, quantity=Decimal(0), events=0, rated=nothing, included=Decimal(0), cap_minor=None
    )


def group_text(group: Group) -> str:
    """Write a group so that no two are written alike; a long one by its digest."""
    if not group:
        return ""
    text = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in group)
    return text if len(text) <= _GROUP_TEXT_MAX else sha256(text.encode()).hexdigest()


def _given_back(stretch: Stretch, use: Use, billed: Billed, amount: Money, *, item: str, why: Phrase) -> NewLine | None:
    """Give back what was billed too much, at what it was billed for: after its discounts, and taxed as it was."""
    back = billed.back(amount)
    if back.is_zero:
        return None
    return NewLine(
        kind=LineKind.USAGE_ADJUSTMENT,
        description=Caption(why, _described(use)),
        amount=back,
        quantity=1,
        period=stretch.period,
        subscription_id=stretch.subscription_id,
        plan_id=stretch.terms.plan_id,
        charge=use.charge.code,
        tax_category=_tax_category(stretch, use),
        is_tax_inclusive=stretch.terms.billing.is_tax_inclusive,
        is_discountable=False,
        taxed_as=billed.taxed_as,
        credits_line_id=billed.line_id,
        is_deferred=False,
        billed_item=item,
        explanation=_why("late_use", stretch, use, billed, back),
    )


def _by_group(charge: Charge, readings: Sequence[Reading]) -> Mapping[Group, list[Reading]]:
    """Put readings together by the properties that make a line; a matrix has them by its dimensions too."""
    if not charge.group_by:
        return {(): list(readings)}
    groups: dict[Group, list[Reading]] = {}
    for reading in readings:
        values = dict(reading.group)
        groups.setdefault(tuple((name, values.get(name, "")) for name in charge.group_by), []).append(reading)
    return dict(sorted(groups.items()))


def _is_plain(use: Use) -> bool:
    """Say whether quantity times a whole unit price is all that there is to it."""
    [*steps] = use.rated.steps
    return (
        len(steps) == 1
        and steps[0].kind is rating.StepKind.UNITS
        and steps[0].unit_amount == int(steps[0].unit_amount)
        and use.rated.exact == use.rated.amount.minor
    )


def _tax_category(stretch: Stretch, use: Use) -> str:
    return use.charge.tax_category or stretch.terms.billing.tax_category


def _item(stretch: Stretch, use: Use, cause: str) -> str:
    charge, group = use.key
    return f"sub:{stretch.subscription_id}:use:{charge}:{group}:{stretch.starts}" + (f":{cause}" if cause else "")


def _described(use: Use) -> str:
    values = ", ".join(f"{name} {value or '-'}" for name, value in use.group)
    return f"{use.charge.name} ({values})" if values else use.charge.name


def _why(rule: str, stretch: Stretch, use: Use, billed: Billed | None, amount: Money) -> dict[str, object]:
    said: dict[str, object] = {
        "rule": rule,
        **stretch.said,
        "charge": use.charge.code,
        "name": use.charge.name,
        "meter": use.charge.meter,
        "group": dict(use.group),
        "quantity": f"{use.quantity:f}",
        "events": use.events,
        "total": use.rated.amount.minor,
        "amount": amount.minor,
        "steps": use.rated.walk(),
        "rounding": "half_up",
    }
    if use.included:
        said["included"] = f"{use.included:f}"
    if use.cap_minor is not None:
        said |= {"cap": use.cap_minor, "is_capped": use.rated.is_capped}
    if billed and not billed.amount.is_zero:
        said |= {"billed_before": billed.amount.minor, "billed_on": billed.invoice_number}
    if billed and amount.minor < 0 and billed.kept != 1:
        said["kept"] = [billed.kept.numerator, billed.kept.denominator]
    by_share = (use.rated.amount - billed.amount).times_half_up(billed.kept) if billed else amount
    if billed and billed.left is not None and amount.minor < 0 and amount != by_share:
        said |= {"left": billed.left.minor, "is_all": amount < by_share}
    said["sentence"] = _sentence(use, billed, amount)
    return said


def _sentence(use: Use, billed: Billed | None, amount: Money) -> str:
    words = rating.sentence(use.rated)
    if not billed or billed.amount.is_zero:
        return words
    where = f" on {billed.invoice_number}" if billed.invoice_number else ""
    difference = use.rated.amount - billed.amount
    after = difference.times_half_up(billed.kept) if difference.minor < 0 else difference
    kept = "" if after == difference else f", after its discount {after}"
    of_which = "of which" if amount > after else "with what was rounded before"
    left = "" if amount == after else f", {of_which} {-amount} is left to be given back"
    return f"{words} Billed before{where}: {billed.amount}; the difference is {difference}{kept}{left}."
