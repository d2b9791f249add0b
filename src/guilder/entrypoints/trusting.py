"""The issuers of tokens that the environment names: believed by the default tenant, from the start of a server on."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import TrustKind
from guilder.entrypoints.house import House
from guilder.platform import logging
from guilder.platform.config import Settings
from guilder.platform.db.tx import Tx
from guilder.wiring.ports import DEFAULT_TENANT

ACTOR = "settings"

_log = logging.get(__name__)


async def trust_named_issuers(house: House) -> None:
    """Register CLERK_*, OIDC_* and AUTH_INTROSPECTION_* with the default tenant; what is registered stays as it is."""
    wanted = named(house.settings)
    if not wanted:
        return
    async with house.database.transaction(actor=ACTOR) as tx:
        tenant_id = await identity.find_by_slug(tx, slug=DEFAULT_TENANT)
    if tenant_id is None:
        _log.warning("issuers_without_tenant", issuers=[each["issuer"] for each in wanted], create=DEFAULT_TENANT)
        return

    async def register(tx: Tx) -> None:
        known = {(each.kind, each.issuer) for each in await identity.trusts(tx)}
        for each in wanted:
            if (each["kind"], each["issuer"]) not in known:
                await identity.trust(tx, **each, now=house.clock.now())
        await _give_clerk_keys(tx, house.settings, now=house.clock.now())

    await house.database.run(register, [tenant_id], actor=ACTOR)


async def _give_clerk_keys(tx: Tx, settings: Settings, *, now: datetime) -> None:
    """Keep what the environment says now of asking and hearing Clerk: a key that was changed there counts from here on."""
    secret_key, webhook_secret = settings.clerk_secret_key, settings.clerk_webhook_secret
    if not settings.clerk_issuer or not (secret_key or webhook_secret):
        return
    for each in await identity.trusts(tx):
        if (each.kind, each.issuer) == (TrustKind.CLERK, settings.clerk_issuer):
            await identity.set_clerk_keys(
                tx,
                trust_id=each.id,
                secret_key=secret_key.get_secret_value() if secret_key else None,
                webhook_secret=webhook_secret.get_secret_value() if webhook_secret else None,
                now=now,
            )


def named(settings: Settings) -> list[Mapping[str, Any]]:
    """Return what the environment says of issuers, as `identity.trust` takes it."""
    found: list[Mapping[str, Any]] = []
    if settings.clerk_issuer:
        key = settings.clerk_jwt_key
        found.append(
            {
                "kind": TrustKind.CLERK,
                "issuer": settings.clerk_issuer,
                # An environment holds a key on one line.
                "public_key_pem": key.get_secret_value().replace("\\n", "\n") if key else "",
                "authorized_parties": settings.clerk_authorized_parties or (settings.base_url,),
            }
        )
    if settings.oidc_issuer and settings.oidc_audience:
        found.append(
            {
                "kind": TrustKind.OIDC,
                "issuer": settings.oidc_issuer,
                "jwks_url": settings.oidc_jwks_url or "",
                "audience": settings.oidc_audience,
            }
        )
    if settings.auth_introspection_url:
        secret = settings.auth_introspection_client_secret
        found.append(
            {
                "kind": TrustKind.INTROSPECTION,
                "issuer": "/".join(settings.auth_introspection_url.split("/")[:3]),
                "introspection_url": settings.auth_introspection_url,
                "client_id": settings.auth_introspection_client_id or "",
                "client_secret": secret.get_secret_value() if secret else "",
            }
        )
    return found
