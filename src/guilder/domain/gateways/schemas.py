"""What HTTP says and hears of gateway accounts. A key that comes in never goes out again."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from guilder.domain.gateways.model import GatewayAccount
from guilder.platform.http.fields import IdOf, In, Name, Out

AccountRef = Annotated[UUID, IdOf("gwa")]
GatewayName = Annotated[str, Field(strict=True, pattern=r"^[a-z][a-z0-9_]{0,31}$")]
SecretKey = Annotated[str, Field(strict=True, min_length=8, max_length=500, pattern=r"^[!-~]+$")]


class GatewayIn(In):
    """An account at a provider: `simulated`, and the secret key that it gave you (`sk_sim_…`)."""

    gateway: GatewayName
    name: Name
    secret_key: SecretKey
    is_default: bool = False


class GatewayKeyIn(In):
    secret_key: SecretKey


class GatewayOut(Out):
    id: AccountRef
    gateway: str
    name: str
    is_default: bool
    is_active: bool
    status: str
    webhook_path: str
    created_at: datetime


def to_wire(account: GatewayAccount) -> GatewayOut:
    return GatewayOut(
        id=account.id,
        gateway=account.gateway,
        name=account.name,
        is_default=account.is_default,
        is_active=account.is_active,
        status=_status(account),
        webhook_path=f"/api/webhooks/{account.gateway}/{account.endpoint_id}",
        created_at=account.created_at,
    )


def _status(account: GatewayAccount) -> str:
    if account.refused_at is not None:
        return "key_refused"
    return "connected" if account.registered_at else "connecting"
