"""What providers' books say beside ours."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from guilder.kernel.ids import Ref, TenantId
from guilder.kernel.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class BooksTold:
    """That an account's books were read over a time, and under which reading stands what they brought."""

    tenant_id: TenantId
    account_id: UUID
    reading_id: UUID
    since: datetime
    until: datetime

    @property
    def account(self) -> Ref:
        return Ref(self.tenant_id, self.account_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a provider charged of which we know nothing though it bears our mark: a restore lost it. Each pays once."""

    tenant_id: TenantId
    id: UUID
    account_id: UUID
    provider_ref: str
    charge_ref: str
    business_key: str
    claim: str
    amount: Money
    captured_at: datetime
    found_at: datetime

    @property
    def account(self) -> Ref:
        return Ref(self.tenant_id, self.account_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Where a provider's books and ours do not agree; amounts are None where a side has nothing."""

    tenant_id: TenantId
    id: UUID
    account_id: UUID
    what: str
    provider_ref: str
    payment_id: UUID | None
    ours_minor: int | None
    theirs_minor: int | None
    currency: str
    happened_at: datetime
    found_at: datetime
    resolved_at: datetime | None = None
    resolution: str = ""

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class OurDay:
    """What we booked over a time at one account, in one currency."""

    account_id: UUID
    currency: str
    charges: int
    charged_minor: int
    refunds: int
    refunded_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """A day of one account in one currency: what the provider's books have, what ours have, and what it cost."""

    account_id: UUID
    gateway: str
    currency: str
    charges_there: int
    charged_there_minor: int
    refunds_there: int
    refunded_there_minor: int
    fees_minor: int
    charges_here: int
    charged_here_minor: int
    refunds_here: int
    refunded_here_minor: int

    @property
    def net_there_minor(self) -> int:
        return self.charged_there_minor - self.refunded_there_minor - self.fees_minor

    @property
    def is_agreed(self) -> bool:
        return (self.charged_there_minor, self.refunded_there_minor) == (
            self.charged_here_minor,
            self.refunded_here_minor,
        )
