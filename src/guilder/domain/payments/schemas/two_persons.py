"""What HTTP says and hears of limits that take two persons."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from guilder.domain.payments.model import Limits, TwoPersonLimits
from guilder.platform.http.fields import CurrencyCode, In, NonNegativeAmount, Out

ByCurrency = Annotated[dict[CurrencyCode, NonNegativeAmount], Field(max_length=200)]


class TwoPersonLimitsIn(In):
    """What one person may give alone, by currency; 0 is nothing. A currency that is not named has no limit.

    Counted together over a day: refunds of one invoice, credit of one customer.
    """

    refunds: ByCurrency = {}
    credits: ByCurrency = {}

    def to_model(self) -> Limits:
        return Limits(refunds=self.refunds, credits=self.credits)


class WantedLimitsOut(Out):
    refunds: dict[str, int]
    credits: dict[str, int]
    asked_by: str
    asked_at: datetime


class TwoPersonLimitsOut(Out):
    refunds: dict[str, int]
    credits: dict[str, int]
    changed_by: str | None
    changed_at: datetime | None
    wanted: WantedLimitsOut | None


def to_wire(found: TwoPersonLimits) -> TwoPersonLimitsOut:
    wanted = None
    if found.wanted is not None and found.wanted_at is not None:
        wanted = WantedLimitsOut(
            refunds=dict(found.wanted.refunds),
            credits=dict(found.wanted.credits),
            asked_by=found.wanted_by,
            asked_at=found.wanted_at,
        )
    return TwoPersonLimitsOut(
        refunds=dict(found.limits.refunds),
        credits=dict(found.limits.credits),
        changed_by=found.changed_by or None,
        changed_at=found.changed_at,
        wanted=wanted,
    )
