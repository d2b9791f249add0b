"""Connecting: the tenants' accounts at providers, and our webhook address there."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.gateways.events import GatewayConnected
from guilder.domain.gateways.model import GatewayAccount, OpenAccount, OutcomeKind, Registration
from guilder.domain.gateways.store import accounts as rows
from guilder.domain.identity import service as identity
from guilder.kernel import ids
from guilder.kernel.errors import Conflict, Invalid, NotFound
from guilder.kernel.ids import Ref, TenantId
from guilder.platform import crypto
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx
from guilder.platform.outside import intents
from guilder.platform.outside.intents import Intent, NewIntent

CONNECT = "gateway.connect"
SIMULATED = "simulated"


class UnknownGateway(Invalid):
    """There is no such gateway."""

    code = "unknown_gateway"


class DefaultIsNeeded(Conflict):
    """This is the account that everything else falls back on: make another one the default first."""

    code = "default_gateway_needed"


async def connect(
    tx: Tx,
    *,
    gateway: str,
    name: str,
    secret_key: str,
    is_default: bool,
    now: datetime,
    provider_account: str = "",
    settings: Mapping[str, str] | None = None,
    endpoint_secret: str = "",
    hears_bare_path: bool = False,
) -> GatewayAccount:
    """Connect the tenant's account at a provider, and have our webhook address registered there.

    The first one is the default whatever is said. With an `endpoint_secret` our address is known to the provider, and
    nothing is registered. `hears_bare_path`: the address without an endpoint's id is its, too.
    """
    tenant = await identity.tenant(tx)
    await rows.lock_accounts(tx, tx.tenant_id)
    others = await rows.default_accounts(tx, [tx.tenant_id])
    if is_default and others:
        await rows.clear_default(tx, tx.tenant_id)
    account = GatewayAccount(
        tenant_id=tx.tenant_id,
        id=ids.new(now),
        gateway=gateway,
        name=name,
        is_default=is_default or not others,
        is_active=True,
        created_at=now,
        endpoint_id=ids.new(now),
        provider_account=provider_account,
        settings=settings or {},
        is_on_own_clock=tenant.is_sandbox,
    )
    await rows.insert_account(
        tx,
        account,
        secret_key=secret_key,
        endpoint_secret=endpoint_secret or f"whsec_{crypto.new_secret()}",
        hears_bare_path=hears_bare_path,
        now=now,
    )
    if endpoint_secret:
        await rows.mark_registered(tx, [(account, Registration(kind=OutcomeKind.SUCCEEDED))], now=now)
    else:
        await intents.intend(tx, intents=[_connection(account)], now=now)
    return account


async def connect_named(
    tx: Tx,
    *,
    gateway: str,
    name: str,
    secret_key: str,
    settings: Mapping[str, str],
    provider_account: str,
    endpoint_secret: str = "",
    now: datetime,
) -> GatewayAccount:
    """Connect the account that the environment names, or use its new key; however many processes do so at once.

    The address without an endpoint's id is its.
    """
    await rows.lock_named(tx)
    ref = await rows.find_bare_endpoint(tx, gateway)
    if ref is None or ref.tenant_id != tx.tenant_id:
        return await connect(
            tx,
            gateway=gateway,
            name=name,
            secret_key=secret_key,
            is_default=False,
            provider_account=provider_account,
            settings=settings,
            endpoint_secret=endpoint_secret,
            hears_bare_path=ref is None,
            now=now,
        )
    known = (await rows.open_accounts(tx, [ref]))[ref]
    if known.secret_key == secret_key and (endpoint_secret in {"", known.endpoint_secret}):
        return known.account
    return await renew_secret(
        tx,
        account_id=ref.id,
        secret_key=secret_key,
        provider_account=provider_account,
        settings=settings,
        endpoint_secret=endpoint_secret,
        now=now,
    )


async def furnish_sandboxes(tx: Tx, *, tenant_ids: Sequence[TenantId], now: datetime) -> None:
    """Connect each of these sandboxes to an account of its own at the simulated provider, once."""
    furnished = await rows.default_accounts(tx, tenant_ids)
    seen = tx.tenants
    for tenant_id in sorted(set(tenant_ids) - {account.tenant_id for account in furnished}):
        await tx.narrow({tenant_id})
        await connect(
            tx,
            gateway=SIMULATED,
            name="Simulated provider",
            secret_key=f"sk_sim_{tenant_id}",
            is_default=True,
            provider_account=str(tenant_id),
            now=now,
        )
    if tx.tenants != seen:
        await tx.narrow(seen)


async def open_accounts(tx: Tx) -> list[OpenAccount]:
    """Return the tenant's accounts with their secrets: for whoever calls providers."""
    refs = [Ref(account.tenant_id, account.id) for account in await rows.accounts(tx)]
    return list((await rows.open_accounts(tx, refs)).values())


async def renew_secret(
    tx: Tx,
    *,
    account_id: UUID,
    secret_key: str,
    provider_account: str = "",
    settings: Mapping[str, str] | None = None,
    endpoint_secret: str = "",
    now: datetime,
) -> GatewayAccount:
    """Use another key of the account from now on, and charge there again if the old one was refused.

    With an `endpoint_secret` our address is known to the provider; else it is registered there again.

    :raises NotFound: no such account
    """
    account = await one(tx, account_id=account_id)
    ref = Ref(account.tenant_id, account.id)
    await rows.change_secret(
        tx, ref, secret_key=secret_key, provider_account=provider_account, settings=settings or {}, now=now
    )
    if endpoint_secret:
        given = Registration(kind=OutcomeKind.SUCCEEDED, endpoint_secret=endpoint_secret)
        await rows.mark_registered(tx, [(account, given)], now=now)
    else:
        await intents.intend(tx, intents=[_connection(account)], now=now, revive=True)
    return await one(tx, account_id=account_id)


async def connection_state(tx: Tx, *, account_id: UUID) -> tuple[bool, str]:
    """Say whether our address is still being registered at this account's provider, and why it was not the last time."""
    found = await intents.standing(tx, kind=CONNECT, subject_id=account_id)
    return found if found is not None else (False, "")


async def one(tx: Tx, *, account_id: UUID) -> GatewayAccount:
    """Return an account of the tenant.

    :raises NotFound: no such account
    """
    found = await rows.accounts_of(tx, [Ref(tx.tenant_id, account_id)])
    if not found:
        raise NotFound("there is no such gateway account")
    return found[0]


async def accounts(tx: Tx) -> list[GatewayAccount]:
    return await rows.accounts(tx)


async def named(tx: Tx, *, refs: Sequence[Ref]) -> dict[Ref, GatewayAccount]:
    """Return these accounts, retired ones too."""
    return {Ref(each.tenant_id, each.id): each for each in await rows.accounts_of(tx, refs)}


async def default_account(tx: Tx, *, tenant_ids: Sequence[TenantId]) -> dict[TenantId, GatewayAccount]:
    """Return the account that each of these tenants charges with, where it has one."""
    return {account.tenant_id: account for account in await rows.default_accounts(tx, tenant_ids)}


async def takers(tx: Tx, *, tenant_ids: Sequence[TenantId]) -> dict[TenantId, list[GatewayAccount]]:
    """Return the accounts that each of these tenants can charge with, its default first, however well they are."""
    found: dict[TenantId, list[GatewayAccount]] = {tenant_id: [] for tenant_id in tenant_ids}
    for account in await rows.active_accounts(tx, tenant_ids):
        found[account.tenant_id].append(account)
    return found


async def retire(tx: Tx, *, account_id: UUID) -> GatewayAccount:
    """Charge there no more. What is asked of it already is still looked up, and its notices are heard.

    :raises NotFound: no such account
    :raises DefaultIsNeeded: it is the one that everything else falls back on
    """
    await rows.lock_accounts(tx, tx.tenant_id)
    account = await one(tx, account_id=account_id)
    if account.is_default:
        raise DefaultIsNeeded
    await rows.set_active(tx, Ref(account.tenant_id, account.id), is_active=False)
    return await one(tx, account_id=account_id)


async def make_default(tx: Tx, *, account_id: UUID) -> GatewayAccount:
    """Charge there where nothing else is said.

    :raises NotFound: no such account, or it is retired
    """
    await rows.lock_accounts(tx, tx.tenant_id)
    account = await one(tx, account_id=account_id)
    if not account.is_active:
        raise NotFound("this gateway account is retired")
    await rows.set_default(tx, Ref(account.tenant_id, account.id))
    return await one(tx, account_id=account_id)


async def load_connections(tx: Tx, *, wanted: Sequence[Intent]) -> list[OpenAccount | None]:
    opened = await rows.open_accounts(tx, [Ref(each.tenant_id, each.subject_id) for each in wanted])
    return [opened.get(Ref(each.tenant_id, each.subject_id)) for each in wanted]


async def record_connections(
    tx: Tx, *, connected: Sequence[tuple[GatewayAccount, Registration]], now: datetime
) -> None:
    """Note where our address is registered, and what the provider said of it."""
    await rows.mark_registered(tx, connected, now=now)
    events = [
        GatewayConnected(tenant_id=account.tenant_id, account_id=account.id, gateway=account.gateway)
        for account, _ in connected
    ]
    outbox.announce(tx, events, now=now)


def _connection(account: GatewayAccount) -> NewIntent:
    return NewIntent(tenant_id=account.tenant_id, kind=CONNECT, destination=account.destination, subject_id=account.id)
