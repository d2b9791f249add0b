"""The least that a period comes to: what is missing from it when the period is over.

Everything is counted before discounts: a discount is not made up for. Prices that contain their tax are compared with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from uuid import UUID

from guilder.domain.invoicing.model import Caption, LineKind, NewLine, Phrase
from guilder.domain.invoicing.rules.billed import Billed
from guilder.domain.subscriptions.model import Terms
from guilder.kernel.money import Money, total, zero
from guilder.kernel.period import Period

CHARGE = ":commitment"  # beside the codes of charges: no charge is called so


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a fee's period on one set of terms, and the share that it is of the full period."""

    terms: Terms
    share: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What a period came to."""

    fees: Money
    use: Money

    @property
    def amount(self) -> Money:
        return self.fees + self.use


def committed(terms: Terms) -> Money:
    """Return the least that a full period on these terms comes to."""
    fitting = (each for each in terms.billing.commitments if each.currency == terms.currency)
    return next(fitting, zero(terms.currency))


def least(parts: Sequence[Part], currency: str) -> Money:
    """Return the least for a period, each of its parts rounded half-up."""
    return total([committed(part.terms).times_half_up(part.share) for part in parts], currency)


def missing(parts: Sequence[Part], counted: Counted) -> Money:
    """Return what is missing from the least; never less than nothing."""
    short = least(parts, counted.fees.currency) - counted.amount
    return short if short.minor > 0 else zero(short.currency)


def line(
    parts: Sequence[Part],
    counted: Counted,
    *,
    subscription_id: UUID,
    period: Period,
    billed: Billed | None = None,
) -> NewLine | None:
    """Bill what is missing, less what was billed for that before: late use gives some of it back."""
    terms = parts[-1].terms
    wanted, floor = missing(parts, counted), least(parts, counted.fees.currency)
    before = billed.amount if billed else zero(wanted.currency)
    amount = wanted - before
    is_credit = amount.minor < 0 and billed is not None
    if billed is not None and is_credit:
        amount = billed.back(amount)
    if amount.is_zero:
        return None
    again = f":late:{billed.number + 1}" if billed else ""
    return NewLine(
        kind=LineKind.COMMITMENT,
        description=Caption(Phrase.MINIMUM_COMMITMENT, terms.plan_name),
        amount=amount,
        quantity=1,
        period=period,
        subscription_id=subscription_id,
        tax_category=terms.billing.tax_category,
        is_tax_inclusive=terms.billing.is_tax_inclusive,
        is_discountable=False,
        taxed_as=billed.taxed_as if billed and is_credit else None,
        credits_line_id=billed.line_id if billed and is_credit else None,
        is_deferred=False,
        billed_item=f"sub:{subscription_id}:commitment:{period.starts_at.isoformat()}{again}",
        explanation={
            "rule": "minimum_commitment",
            "plan": terms.plan_code,
            "plan_name": terms.plan_name,
            "plan_version": terms.plan_version,
            "period": [period.starts_at.isoformat(), period.ends_at.isoformat()],
            "commitment": [committed(part.terms).minor for part in parts],
            "share": [[part.share.numerator, part.share.denominator] for part in parts],
            "least": floor.minor,
            "fees": counted.fees.minor,
            "use": counted.use.minor,
            "billed_before": before.minor,
            "amount": amount.minor,
            "rounding": "half_up",
            **({"left": -amount.minor} if amount != wanted - before else {}),
            "sentence": f"The period comes to {floor} at least; fees of {counted.fees} and use of {counted.use} leave "
            f"{wanted} to be made up" + (f", of which {before} was billed before." if billed else "."),
        },
    )
