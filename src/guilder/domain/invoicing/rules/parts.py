"""Of a part of a period, what is for a full one counts for its share: included units, and a price whatever is used."""

from decimal import ROUND_DOWN, Decimal
from fractions import Fraction

from guilder.domain.catalog.model import ChargeModel, PriceModel
from guilder.kernel.money import round_half_up
from guilder.kernel.noun import replace

# Included units of a part of a period are rounded down to this, so that parts never include more than the whole.
_UNIT_STEP = Decimal("0.000001")


def included(units: Decimal, share: Fraction) -> Decimal:
    if not units or share == 1:
        return units
    exact = Fraction(units) * share
    return (Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(_UNIT_STEP, ROUND_DOWN)


def priced(model: PriceModel, share: Fraction) -> PriceModel:
    if model.model is not ChargeModel.FLAT or share == 1:
        return model
    return replace(model, unit_amount=Decimal(round_half_up(Fraction(model.unit_amount) * share)))
