"""Tax rates: which percentage is owed on what is sold where."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from guilder.kernel.ids import TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxRate:
    """A percentage on net prices, with the words that the law wants beside it.

    It is for what is sold to `country`, `region` and of product `category`, where these are said: the rate that says
    most applies, and the default where none fits. It holds from `valid_from` up to, not including, `valid_until`.
    """

    tenant_id: TenantId
    id: UUID
    name: str
    percent: Decimal
    country: str = ""
    region: str = ""
    category: str = ""
    is_default: bool = False
    legal_note: str = ""
    valid_from: date | None = None
    valid_until: date | None = None
