"""Noticing: what providers tell us by themselves."""

from collections.abc import Mapping
from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from guilder.domain.gateways import store
from guilder.domain.gateways.events import NoticeReceived
from guilder.domain.gateways.model import GatewayAccount, NewNotice, Notice
from guilder.domain.gateways.port import BadNotice, Gateway
from guilder.domain.gateways.rules.discretion import without_token
from guilder.kernel import ids
from guilder.kernel.ids import Ref
from guilder.platform import metrics
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


async def find_endpoint(tx: Tx, *, gateway: str, endpoint_id: UUID | None) -> Ref | None:
    """Find whose webhook address this is, before any tenant is known; without an id it is the bare path's."""
    if endpoint_id is None:
        return await store.find_bare_endpoint(tx, gateway)
    return await store.find_endpoint(tx, endpoint_id)


async def receive_notice(
    tx: Tx,
    *,
    gateway: Gateway,
    account: Ref,
    headers: Mapping[str, str],
    body: bytes,
    wall: datetime,
    now: datetime,
) -> None:
    """Verify a webhook, keep it as it came, and tell of what concerns us; a second time nothing happens.

    What refers to another tenant, or to something that was never asked of this account, is kept and ignored.

    :raises BadNotice: not signed with this endpoint's secret, or not of now
    :raises UnreadableNotice: signed, and yet no notice
    """
    opened = (await store.open_accounts(tx, [account])).get(account)
    if opened is None or opened.account.gateway != gateway.name or not opened.endpoint_secret:
        raise BadNotice
    notice = await gateway.read_notice(
        headers, body, secret=opened.endpoint_secret, settings=opened.account.settings, now=wall
    )
    known, ignored_because = await _concern(tx, notice, opened.account)
    kept = NewNotice(
        tenant_id=account.tenant_id,
        id=ids.new(now),
        account_id=account.id,
        notice_id=notice.notice_id,
        type=notice.type,
        business_key=notice.business_key,
        ignored_because=ignored_because,
        body=body.decode(errors="replace"),
        received_at=now,
    )
    metrics.notice_received(gateway=gateway.name, fate=ignored_because or "heard")
    if not await store.insert_notice(tx, kept) or known is None:
        return
    assert notice.outcome is not None, notice
    assert notice.subject is not None, notice
    request, customer_id = known
    if notice.outcome.card is not None and notice.outcome.card.token:
        await store.save_tokens(tx, [(request, customer_id, notice.outcome.card.token)], now=now)
    event = NoticeReceived(
        tenant_id=account.tenant_id,
        gateway=gateway.name,
        account_id=account.id,
        notice_id=kept.id,
        object_key=uuid5(NAMESPACE_URL, f"{gateway.name}:{notice.outcome.provider_ref}"),
        kind=notice.subject.value,
        business_key=notice.business_key,
        outcome=without_token(notice.outcome),
    )
    outbox.announce(tx, [event], now=now)


async def _concern(tx: Tx, notice: Notice, account: GatewayAccount) -> tuple[tuple[Ref, UUID] | None, str]:
    """Say what of ours a notice is about; or why it is about nothing."""
    if notice.subject is None or notice.outcome is None:
        return None, "unknown_type"
    if account.provider_account and notice.account and notice.account != account.provider_account:
        return None, "other_account"
    if not notice.business_key.startswith(f"{account.tenant_id}:"):
        return None, "other_tenant"
    ref = Ref(account.tenant_id, account.id)
    known = await store.known(tx, account=ref, kind=notice.subject.value, business_key=notice.business_key)
    return known, "" if known else "never_asked"
