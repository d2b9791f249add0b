"""What HTTP says and hears of gateway accounts. A key that comes in never goes out again."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from guilder.domain.gateways.model import GatewayAccount, Health
from guilder.platform.http.fields import IdOf, In, Name, Out, Shape
from guilder.platform.outside.pacing import Pace

AccountRef = Annotated[UUID, IdOf("gwa")]
_name = Shape(r"[a-z][a-z0-9_]{0,31}", "up to 32 small letters, digits and _, a letter first")
GatewayName = Annotated[str, _name]
SecretKey = Annotated[str, Shape(r"[!-~]+", "letters, digits and signs without blanks", min=8, max=500)]


SettingName = Annotated[str, _name]
SettingValue = Annotated[str, Field(strict=True, max_length=2_000)]
Settings = Annotated[dict[SettingName, SettingValue], Field(max_length=16)]


class GatewayIn(In):
    """An account at a provider, and the secret key that it gave you; `settings` is what it wants beside it.

    `stripe`: a key `sk_…` or `rk_…`. `paypal`: the app's secret, and `settings` with its `client_id` and the
    `environment` (`sandbox` or `live`). `manual`: no key, and `settings` with the `instructions` for a transfer.
    `simulated`: `sk_sim_…`.
    """

    gateway: GatewayName
    name: Name
    secret_key: SecretKey | Literal[""] = ""
    settings: Settings = {}
    is_default: bool = False


class GatewayKeyIn(In):
    secret_key: SecretKey
    settings: Settings = {}


class GatewayOut(Out):
    id: AccountRef
    gateway: str
    name: str
    is_default: bool
    is_active: bool
    status: str
    webhook_path: str
    settings: dict[str, str]
    created_at: datetime


class PaceIn(In):
    """How many calls a second go out to this account at the most, from all processes together; null: as many as go."""

    calls_per_second: Annotated[int, Field(strict=True, ge=1, le=1_000)] | None


class PaceOut(Out):
    """`share_percent` is how much of it is used now: a provider that says "too many" is called half as fast, and a
    hundredth faster by the second from then on; before `paused_until` it is not called at all.
    """

    calls_per_second: int | None
    share_percent: int
    paused_until: datetime | None


class GatewayHealthOut(Out):
    id: AccountRef
    gateway: str
    name: str
    status: str
    is_down: bool
    down_until: datetime | None
    succeeded: int
    declined: int
    unknown: int
    outages: int
    success_percent: int | None


def to_wire(account: GatewayAccount) -> GatewayOut:
    return GatewayOut(
        id=account.id,
        gateway=account.gateway,
        name=account.name,
        is_default=account.is_default,
        is_active=account.is_active,
        status=_status(account),
        webhook_path=f"/api/webhooks/{account.gateway}/{account.endpoint_id}",
        settings=dict(account.settings),
        created_at=account.created_at,
    )


def health_to_wire(account: GatewayAccount, health: Health, *, now: datetime) -> GatewayHealthOut:
    is_down = account.down_until is not None and now < account.down_until
    return GatewayHealthOut(
        id=account.id,
        gateway=account.gateway,
        name=account.name,
        status=_status(account),
        is_down=is_down,
        down_until=account.down_until,
        succeeded=health.succeeded,
        declined=health.declined,
        unknown=health.unknown,
        outages=health.outages,
        success_percent=health.success_percent,
    )


def _status(account: GatewayAccount) -> str:
    if not account.is_active:
        return "retired"
    if account.quarantined_at is not None:
        return "quarantined"
    if account.refused_at is not None:
        return "key_refused"
    return "connected" if account.registered_at else "connecting"


def pace_to_wire(pace: Pace) -> PaceOut:
    return PaceOut(
        calls_per_second=None if pace.per_second is None else round(pace.per_second),
        share_percent=round(pace.share * 100),
        paused_until=pace.paused_until,
    )
