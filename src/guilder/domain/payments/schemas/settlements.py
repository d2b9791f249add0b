"""What HTTP says and hears of settlements: providers' books beside ours."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from guilder.domain.payments.model import Difference, Found, Settlement
from guilder.domain.payments.schemas.payments import PaymentRef
from guilder.platform.http.fields import IdOf, In, Note, Out

AccountRef = Annotated[UUID, IdOf("gwa")]
DifferenceRef = Annotated[UUID, IdOf("dif")]
FoundRef = Annotated[UUID, IdOf("fnd")]


class SettlementOut(Out):
    """A day of one gateway account in one currency. Amounts are in minor units; `there` is the provider's books."""

    day: date
    account_id: AccountRef
    gateway: str
    currency: str
    charges_there: int
    charged_there: int
    refunds_there: int
    refunded_there: int
    fees: int
    net_there: int
    charges_here: int
    charged_here: int
    refunds_here: int
    refunded_here: int
    is_agreed: Annotated[
        bool, Field(description="Both sides have the same; what straddles midnight evens out the next day.")
    ]


class DifferenceOut(Out):
    """Where a provider's books and ours do not agree: `amount`, `only_there`, `only_here`, and the same of refunds."""

    id: DifferenceRef
    account_id: AccountRef
    what: str
    provider_ref: str
    payment_id: PaymentRef | None
    ours: int | None
    theirs: int | None
    currency: str
    happened_at: datetime
    found_at: datetime
    resolved_at: datetime | None
    resolution: str


class FoundOut(Out):
    """What a provider charged for us and is unknown here: it pays for what it was charged for when that is billed."""

    id: FoundRef
    account_id: AccountRef
    provider_ref: str
    business_key: str
    amount: int
    currency: str
    captured_at: datetime
    found_at: datetime


class ReasonIn(In):
    reason: Note


def settlement_to_wire(day: date, settlement: Settlement) -> SettlementOut:
    return SettlementOut(
        day=day,
        account_id=settlement.account_id,
        gateway=settlement.gateway,
        currency=settlement.currency,
        charges_there=settlement.charges_there,
        charged_there=settlement.charged_there_minor,
        refunds_there=settlement.refunds_there,
        refunded_there=settlement.refunded_there_minor,
        fees=settlement.fees_minor,
        net_there=settlement.net_there_minor,
        charges_here=settlement.charges_here,
        charged_here=settlement.charged_here_minor,
        refunds_here=settlement.refunds_here,
        refunded_here=settlement.refunded_here_minor,
        is_agreed=settlement.is_agreed,
    )


def difference_to_wire(difference: Difference) -> DifferenceOut:
    return DifferenceOut(
        id=difference.id,
        account_id=difference.account_id,
        what=difference.what,
        provider_ref=difference.provider_ref,
        payment_id=difference.payment_id,
        ours=difference.ours_minor,
        theirs=difference.theirs_minor,
        currency=difference.currency,
        happened_at=difference.happened_at,
        found_at=difference.found_at,
        resolved_at=difference.resolved_at,
        resolution=difference.resolution,
    )


def found_to_wire(found: Found) -> FoundOut:
    return FoundOut(
        id=found.id,
        account_id=found.account_id,
        provider_ref=found.provider_ref,
        business_key=found.business_key,
        amount=found.amount.minor,
        currency=found.amount.currency,
        captured_at=found.captured_at,
        found_at=found.found_at,
    )
