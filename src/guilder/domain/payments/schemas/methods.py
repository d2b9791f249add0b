"""What HTTP says and hears of payment methods."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from guilder.domain.payments.model import MethodStatus, PaymentMethod
from guilder.domain.payments.rules.ordering import METHODS_MAX
from guilder.domain.payments.schemas.payments import AccountRef, CustomerRef, MethodRef, label_of
from guilder.platform.http.fields import In, Out, Shape

_name = Shape(r"[a-z][a-z0-9_]{0,31}", "up to 32 small letters, digits and _, a letter first")
Kind = Annotated[str, _name]
GatewayName = Annotated[str, _name]
# A provider's token: never a number that somebody could pay with.
Token = Annotated[
    str,
    Shape(r"[A-Za-z][A-Za-z0-9_]{2,254}", "what the provider calls it: 3 to 255 letters, digits and _, a letter first"),
]


def _web_address(value: str) -> str:
    if not value.startswith(("https://", "http://")) or any(ord(each) <= 32 for each in value):
        raise PydanticCustomError("bad_url", "should be an http(s) address")
    return value


WebAddress = Annotated[str, Field(strict=True, max_length=2000), AfterValidator(_web_address)]


class MethodIn(In):
    """A provider's token of a card; or nothing, and the customer types a card on the provider's page.

    Which account keeps it is said by `gateway_account_id`, else by the tenant's routes (for a `kind`, such as `card`).
    """

    token: Token | None = None
    return_url: WebAddress | None = None
    kind: Kind | None = None
    gateway_account_id: AccountRef | None = None
    make_default: bool = False


class MethodOrderIn(In):
    ids: Annotated[list[MethodRef], Field(min_length=1, max_length=METHODS_MAX)]


class MethodOut(Out):
    id: MethodRef
    customer_id: CustomerRef
    gateway: str
    gateway_account_id: AccountRef
    kind: str
    label: str | None
    status: MethodStatus
    brand: str | None
    last4: str | None
    exp_month: int | None
    exp_year: int | None
    is_default: bool
    position: int
    decline_code: str | None
    action_url: str | None
    created_at: datetime


def method_to_wire(method: PaymentMethod) -> MethodOut:
    return MethodOut(
        id=method.id,
        customer_id=method.customer_id,
        gateway=method.gateway,
        gateway_account_id=method.account_id,
        kind=method.kind,
        label=label_of(method),
        status=method.status,
        brand=method.brand or None,
        last4=method.last4 or None,
        exp_month=method.exp_month or None,
        exp_year=method.exp_year or None,
        is_default=method.is_default,
        position=method.position,
        decline_code=method.decline_code or None,
        action_url=method.action_url or None,
        created_at=method.created_at,
    )
