"""Tenants and their sandboxes."""

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple, Protocol

from guilder.domain.identity import store
from guilder.domain.identity.events import TenantChanged, TenantCreated, TenantResumed, TenantSuspended
from guilder.domain.identity.model import Address, ApiKey, Issuer, Mode, Role, Tenant, TenantStatus
from guilder.domain.identity.rules.zones import checked_zone
from guilder.domain.identity.service.api_keys import mint_for
from guilder.domain.identity.store import tenancy as rows
from guilder.kernel import ids
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import TenantId
from guilder.kernel.noun import replace
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx
from guilder.platform.outside import intents

SANDBOXES_MAX = 100
_SUFFIX_BYTES = 4


class SlugTaken(Conflict):
    """Another tenant has this short name."""

    code = "slug_taken"


class TooManySandboxes(Conflict):
    """This tenant has as many sandboxes as it may have."""

    code = "too_many_sandboxes"


class _Follow(Protocol):
    async def __call__(self, tx: Tx, *, sandboxes: Sequence[TenantId]) -> list[TenantId]: ...


class NewSandbox(NamedTuple):
    tenant: Tenant
    key: ApiKey
    text: str
    """The API key. It is shown once, and not kept."""


async def create_tenant(
    tx: Tx,
    *,
    tenant_id: TenantId,
    name: str,
    slug: str,
    mode: Mode,
    time_zone: str,
    now: datetime,
    is_demo: bool = False,
    root_id: TenantId | None = None,
    clock_at: datetime | None = None,
) -> Tenant:
    """Found a tenant, with an issuer of its name; a sandbox also gets its clock, at `clock_at` or else `now`.

    The transaction sees the new id already (`tx.narrow`, or opened with it).

    :raises SlugTaken: another tenant has the slug
    :raises UnknownTimeZone: no such zone
    """
    assert tenant_id in tx.tenants, tenant_id
    tenant = Tenant(
        tenant_id=tenant_id,
        name=name,
        slug=slug,
        mode=mode,
        status=TenantStatus.ACTIVE,
        time_zone=checked_zone(time_zone),
        created_at=now,
        is_demo=is_demo,
        root_id=root_id,
    )
    if not await store.insert_tenant(tx, tenant):
        raise SlugTaken(field="slug")
    issuer = Issuer(tenant_id=tenant_id, id=ids.new(now), legal_name=name, address=Address())
    await store.save_issuer(tx, issuer, now=now)
    if tenant.is_sandbox:
        await store.insert_clock(tx, tenant_id, now=clock_at or now)
    outbox.announce(tx, [TenantCreated(tenant_id=tenant_id, slug=slug, mode=mode.value)], now=clock_at or now)
    return tenant


async def create_sandbox(tx: Tx, *, name: str, starts_at: datetime | None, now: datetime) -> NewSandbox:
    """Make a sandbox of the transaction's tenant, and its first API key.

    The transaction sees both tenants from here on. A sandbox of a sandbox belongs to the same root, so that the limit
    is one.

    :raises TooManySandboxes: the limit is reached
    :raises NotFound: the tenant was suspended meanwhile, and whatever is a sandbox of it with it
    """
    parent = await _locked(tx)
    if parent.status is not TenantStatus.ACTIVE:
        raise NotFound("there is no such tenant")
    root_id = parent.root_id or parent.tenant_id
    if await store.sandbox_count(tx, root_id) >= SANDBOXES_MAX:
        raise TooManySandboxes(f"a tenant has {SANDBOXES_MAX} sandboxes at most")
    sandbox_id = TenantId(ids.new(now))
    await tx.narrow({parent.tenant_id, sandbox_id})
    made = await create_tenant(
        tx,
        tenant_id=sandbox_id,
        name=name,
        slug=f"{parent.slug[:40].rstrip('-')}-sandbox-{secrets.token_hex(_SUFFIX_BYTES)}",
        mode=Mode.SANDBOX,
        time_zone=parent.time_zone,
        now=now,
        is_demo=parent.is_demo,
        root_id=root_id,
        clock_at=starts_at,
    )
    key, text = await mint_for(tx, tenant=made, name="first key", role=Role.ADMIN, now=starts_at or now)
    return NewSandbox(made, key, text)


async def tenants(tx: Tx, *, ids: Sequence[TenantId]) -> dict[TenantId, Tenant]:
    return {each.tenant_id: each for each in await store.tenants(tx, ids)}


async def tenant(tx: Tx) -> Tenant:
    """Return the transaction's one tenant.

    :raises NotFound: it is not there
    """
    found = await tenants(tx, ids=[tx.tenant_id])
    if not found:
        raise NotFound("there is no such tenant")
    return found[tx.tenant_id]


async def sandboxes_beside(tx: Tx) -> list[Tenant]:
    """Return the active sandboxes of the transaction's tenant, or of the tenant whose sandbox it is."""
    here = await tenant(tx)
    own = await store.sandboxes_of(tx, here.root_id or here.tenant_id)
    await tx.narrow({here.tenant_id, *own})
    found = await store.tenants(tx, own)
    await tx.narrow({here.tenant_id})
    return sorted((each for each in found if each.status is TenantStatus.ACTIVE), key=lambda each: each.slug)


async def visible(tx: Tx) -> list[Tenant]:
    """Return all that the transaction may see: the doctor's sees everybody, each tenant before its sandboxes."""
    return await store.visible(tx)


async def find_by_slug(tx: Tx, *, slug: str) -> TenantId | None:
    """Return a tenant's id by its short name, before any tenant is known to the transaction."""
    return await store.tenant_by_slug(tx, slug)


async def change_tenant(tx: Tx, *, name: str | None, time_zone: str | None, now: datetime) -> Tenant:
    """Rename the tenant, or move it to another time zone; None leaves as it is.

    :raises UnknownTimeZone: no such zone
    """
    before = await _locked(tx)
    after = replace(
        before, name=name or before.name, time_zone=checked_zone(time_zone) if time_zone else before.time_zone
    )
    changed = tuple(field for field in ("name", "time_zone") if getattr(before, field) != getattr(after, field))
    if changed:
        await store.save_tenant(tx, after)
        outbox.announce(tx, [TenantChanged(tenant_id=after.tenant_id, changed=changed)], now=now)
    return after


async def suspend_tenant(tx: Tx, *, reason: str, now: datetime) -> Tenant:
    """Shut a tenant out, and its sandboxes with it. Twice changes nothing.

    Its keys and tokens count no more, nothing of it falls due, and nothing goes out for it: no charge, no mail, no
    webhook. What was asked of providers before is still recorded. docs/operations/suspension.md says what stops when.
    """
    before = await _locked(tx)
    if before.status is TenantStatus.SUSPENDED:
        return before
    after = replace(before, status=TenantStatus.SUSPENDED)
    await store.save_tenant(tx, after, reason=reason)
    outbox.announce(tx, [TenantSuspended(tenant_id=after.tenant_id, reason=reason)], now=now)
    if not after.is_sandbox:
        told = partial(TenantSuspended, reason=reason)
        await _with_sandboxes(tx, after, partial(rows.suspend_with_root, reason=reason), told, now=now)
    return after


async def resume_tenant(tx: Tx, *, reason: str, now: datetime) -> Tenant:
    """Let a suspended tenant in again; what fell due meanwhile is done, dated by when it did."""
    before = await _locked(tx)
    if before.status is TenantStatus.ACTIVE:
        return before
    after = replace(before, status=TenantStatus.ACTIVE)
    await store.save_tenant(tx, after, reason=reason)
    outbox.announce(tx, [TenantResumed(tenant_id=after.tenant_id)], now=now)
    if not after.is_sandbox:
        await _with_sandboxes(tx, after, partial(rows.resume_with_root, reason=reason), TenantResumed, now=now)
    # What waited for it is taken at once.
    tx.wake(intents.CHANNEL)
    return after


async def _with_sandboxes(
    tx: Tx, root: Tenant, follow: _Follow, event: Callable[..., TenantSuspended | TenantResumed], *, now: datetime
) -> None:
    """Have the sandboxes of a locked tenant follow it, until none is left that was made meanwhile."""
    while not tx.tenants.issuperset(found := await rows.sandboxes_of(tx, root.tenant_id)):
        await tx.narrow({root.tenant_id, *found})
        changed = await follow(tx, sandboxes=found)
        times = await store.sandbox_times(tx, changed)
        for each in changed:
            outbox.announce(tx, [event(tenant_id=each)], now=times.get(each, now))
    if len(tx.tenants) > 1:
        # What is told of sandboxes is written while they are in sight.
        await tx.run_hooks()
        await tx.narrow({root.tenant_id})


async def _locked(tx: Tx) -> Tenant:
    found = await store.lock_tenant(tx)
    if found is None:
        raise NotFound("there is no such tenant")
    return found
