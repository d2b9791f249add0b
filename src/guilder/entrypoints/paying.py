"""The payment providers that the environment names: the default tenant's, from the start of a server on."""

from dataclasses import dataclass, field

from guilder.domain.gateways import service as gateways
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Mode
from guilder.entrypoints.house import House
from guilder.platform import logging
from guilder.platform.config import BadSettings, Settings
from guilder.platform.db.tx import Tx
from guilder.wiring.ports import DEFAULT_TENANT

ACTOR = "settings"

_log = logging.get(__name__)


@dataclass(frozen=True, slots=True)
class Named:
    """An account at a provider, as the environment names it; `variable` is the name of its key."""

    gateway: str
    name: str
    variable: str
    secret_key: str = field(repr=False)
    settings: dict[str, str]
    endpoint_secret: str = field(default="", repr=False)


async def connect_named_gateways(house: House) -> None:
    """Connect STRIPE_* and PAYPAL_* with the default tenant; a changed key is used from now on.

    :raises BadSettings: a key is not one of its provider's, or moves money where none may be moved, or none where it must
    """
    wanted = named(house.settings)
    if not wanted:
        return
    async with house.database.transaction(actor=ACTOR) as tx:
        tenant_id = await identity.find_by_slug(tx, slug=DEFAULT_TENANT)
    if tenant_id is None:
        _log.warning("gateways_without_tenant", gateways=[each.gateway for each in wanted], create=DEFAULT_TENANT)
        return

    async def connect(tx: Tx) -> None:
        tenant = await identity.tenant(tx)
        for each in wanted:
            gateway = house.ports.gateways[each.gateway]
            try:
                mode = gateway.mode_of(each.secret_key, each.settings)
            except ValueError as error:
                raise BadSettings(f"{each.variable}: {error}.") from None
            refuse_other_mode(each.variable, mode=mode, tenant_mode=tenant.mode)
            await gateways.connect_named(
                tx,
                gateway=each.gateway,
                name=each.name,
                secret_key=each.secret_key,
                settings={**each.settings, "mode": mode},
                provider_account=gateway.account_of(each.secret_key),
                endpoint_secret=each.endpoint_secret,
                now=house.clock.now(),
            )

    await house.database.run(connect, [tenant_id], actor=ACTOR)


def refuse_other_mode(variable: str, *, mode: str, tenant_mode: Mode) -> None:
    """Refuse a key of another kind than its tenant.

    :raises BadSettings: it is
    """
    if tenant_mode is Mode.LIVE and mode == "test":
        raise BadSettings(f"{variable} is a test key, and the tenant {DEFAULT_TENANT!r} is live: no money would move.")
    if tenant_mode is not Mode.LIVE and mode == "live":
        raise BadSettings(f"{variable} moves money, and the tenant {DEFAULT_TENANT!r} is not live.")


def named(settings: Settings) -> list[Named]:
    """Return what the environment says of providers."""
    found: list[Named] = []
    if settings.stripe_secret_key:
        secret = settings.stripe_webhook_secret
        found.append(
            Named(
                gateway="stripe",
                name="Stripe",
                variable="STRIPE_SECRET_KEY",
                secret_key=settings.stripe_secret_key.get_secret_value(),
                settings={},
                endpoint_secret=secret.get_secret_value() if secret else "",
            )
        )
    if settings.paypal_client_id and settings.paypal_client_secret:
        found.append(
            Named(
                gateway="paypal",
                name="PayPal",
                variable="PAYPAL_CLIENT_SECRET",
                secret_key=settings.paypal_client_secret.get_secret_value(),
                settings={"client_id": settings.paypal_client_id, "environment": settings.paypal_environment},
            )
        )
    return found
