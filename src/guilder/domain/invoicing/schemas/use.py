"""Use that is not billed yet, on the wire. Quantities are exact, as text; amounts are minor units before tax."""

from datetime import datetime
from decimal import Decimal

from guilder.domain.invoicing.model import ChargeUse, CurrentUse, ProjectedBill
from guilder.domain.invoicing.schemas.invoices import SubscriptionRef
from guilder.platform.http.fields import Out


class ChargeUseOut(Out):
    charge: str
    name: str
    meter: str
    group: dict[str, str]
    quantity: str
    events: int
    amount: int
    explanation: str


class CurrentUseOut(Out):
    """`amount` is what all charges come to so far, of which `billed` was billed already."""

    subscription_id: SubscriptionRef
    currency: str
    period_start: datetime
    period_end: datetime
    charges: list[ChargeUseOut]
    amount: int
    billed: int


class ProjectedBillOut(Out):
    """`so_far` = fee + use so far; `projected` = fee + use if it went on as until now + what the commitment would miss.

    `missing` is what the commitment would miss if nothing more were used.
    """

    subscription_id: SubscriptionRef
    currency: str
    period_start: datetime
    period_end: datetime
    fee: int
    is_fee_billed: bool
    use_so_far: int
    so_far: int
    missing: int
    charges: list[ChargeUseOut]
    projected_charges: list[ChargeUseOut]
    projected_use: int
    projected_missing: int
    projected: int


def use_to_wire(use: CurrentUse) -> CurrentUseOut:
    return CurrentUseOut(
        subscription_id=use.subscription_id,
        currency=use.amount.currency,
        period_start=use.period.starts_at,
        period_end=use.period.ends_at,
        charges=[_charge(each) for each in use.uses],
        amount=use.amount.minor,
        billed=use.billed.minor,
    )


def projected_to_wire(bill: ProjectedBill) -> ProjectedBillOut:
    return ProjectedBillOut(
        subscription_id=bill.current.subscription_id,
        currency=bill.fee.currency,
        period_start=bill.current.period.starts_at,
        period_end=bill.current.period.ends_at,
        fee=bill.fee.minor,
        is_fee_billed=bill.is_fee_billed,
        use_so_far=bill.current.amount.minor,
        so_far=bill.so_far.minor,
        missing=bill.missing.minor,
        charges=[_charge(each) for each in bill.current.uses],
        projected_charges=[_charge(each) for each in bill.projected_uses],
        projected_use=bill.projected_use.minor,
        projected_missing=bill.projected_missing.minor,
        projected=bill.projected.minor,
    )


def _charge(use: ChargeUse) -> ChargeUseOut:
    return ChargeUseOut(
        charge=use.charge,
        name=use.name,
        meter=use.meter,
        group=dict(use.group),
        quantity=_plain(use.quantity),
        events=use.events,
        amount=use.amount.minor,
        explanation=use.sentence,
    )


def _plain(quantity: Decimal) -> str:
    return f"{quantity.normalize():f}" if quantity else "0"
