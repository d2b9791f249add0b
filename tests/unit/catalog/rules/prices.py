"""Prices that several tests look at."""

from decimal import Decimal

from guilder.domain.catalog.model import ChargeModel, MatrixCell, PriceModel, Tier

D = Decimal

TWO_TIERS = (
    Tier(up_to=D(10), unit_amount=D(100), flat_amount=D(500)),
    Tier(up_to=None, unit_amount=D(50), flat_amount=D(200)),
)
THREE_TIERS = (
    Tier(up_to=D(100), unit_amount=D(10)),
    Tier(up_to=D(1000), unit_amount=D("5.5")),
    Tier(up_to=None, unit_amount=D("2.25")),
)
SHARES = (Tier(up_to=D(10000), percent=D(2)), Tier(up_to=None, percent=D(1), flat_amount=D(30)))
REGIONS = (
    MatrixCell(values=(("region", "eu"),), unit_amount=D(20)),
    MatrixCell(values=(("region", "us"),), unit_amount=D(30)),
)


def model(kind: str, **said: object) -> PriceModel:
    return PriceModel(model=ChargeModel(kind), **said)


def matrix(**said: object) -> PriceModel:
    return model("matrix", unit_amount=D("45.5"), dimensions=("region",), cells=REGIONS, **said)
