"""The demo's tenant and sandbox, and the sandbox's API key, kept where only the owner of the data folder reads it."""

import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from guilder.domain.catalog import service as catalog
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Address, Issuer, Mode, Role, Tenant
from guilder.entrypoints.demo import company, story
from guilder.entrypoints.house import House
from guilder.kernel import ids
from guilder.kernel.ids import TenantId
from guilder.platform.config import Settings
from guilder.wiring.ports import DEFAULT_TENANT

ACTOR = "demo"
KEY_FILE = "demo-key"


async def default_tenant(house: House) -> Tenant:
    """Return the default tenant; a new installation's is the demo company."""
    now = house.clock.now()
    async with house.database.transaction(actor=ACTOR) as tx:
        known = await identity.find_by_slug(tx, slug=DEFAULT_TENANT)
        if known is not None:
            await tx.narrow({known})
            return await identity.tenant(tx)
        made = TenantId(ids.new(now))
        await tx.narrow({made})
        tenant = await identity.create_tenant(
            tx,
            tenant_id=made,
            name=company.NAME,
            slug=DEFAULT_TENANT,
            mode=Mode.TEST,
            time_zone=company.TIME_ZONE,
            now=now,
            is_demo=True,
        )
        await identity.set_issuer(tx, issuer=_issuer(made, now), now=now)
        tax = company.TAX
        await catalog.set_default_tax_rate(
            tx, name=tax["name"], percent=Decimal(tax["percent"]), country=tax["country"], legal_note="", now=now
        )
        return tenant


async def demo_sandbox(house: House, tenant: Tenant) -> Tenant:
    """Return the demo's sandbox with its key in the key file; made where it is missing."""
    kept = read_key(house.settings)
    found = await _existing(house, tenant)
    if found is not None and kept is not None:
        return found
    now = house.clock.now()
    async with house.database.transaction([(found or tenant).tenant_id], actor=ACTOR) as tx:
        if found is None:
            made = await identity.create_sandbox(tx, name=company.SANDBOX, starts_at=beginning(now), now=now)
            sandbox, text = made.tenant, made.text
        else:
            sandbox = found
            _, text = await identity.mint_key(tx, name="demo", role=Role.ADMIN, scopes=["*"], expires_at=None, now=now)
        # Written before the commit: a key that is kept and does not exist is noticed, the other way round is lost.
        _keep_key(house.settings, text)
    return sandbox


def beginning(now: datetime) -> datetime:
    """Return when the demo's sandbox begins: three months ago, in the morning."""
    day = (now - timedelta(days=story.DAYS)).astimezone(UTC)
    return day.replace(hour=8, minute=0, second=0, microsecond=0)


def read_key(settings: Settings) -> str | None:
    try:
        return _key_file(settings).read_text().strip() or None
    except OSError:
        return None


def forget_key(settings: Settings) -> None:
    _key_file(settings).unlink(missing_ok=True)


async def _existing(house: House, tenant: Tenant) -> Tenant | None:
    async with house.database.transaction(actor=ACTOR) as tx:
        sandboxes = [each for each, _ in await identity.Sandboxes().sandboxes(tx)]
        await tx.narrow(sandboxes)
        found = await identity.tenants(tx, ids=sandboxes)
    mine = [t for t in found.values() if t.root_id == tenant.tenant_id and t.name == company.SANDBOX]
    return min(mine, key=lambda each: each.created_at, default=None)


def _keep_key(settings: Settings, text: str) -> None:
    forget_key(settings)
    settings.guilder_data.mkdir(parents=True, exist_ok=True)
    # Nobody else may read it, from its first byte on.
    with os.fdopen(os.open(_key_file(settings), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{text}\n")


def _key_file(settings: Settings) -> Path:
    return settings.guilder_data / KEY_FILE


def _issuer(tenant_id: TenantId, now: datetime) -> Issuer:
    given = {**company.ISSUER, "address": Address(**company.ISSUER["address"])}
    return Issuer(tenant_id=tenant_id, id=ids.new(now), **given)
