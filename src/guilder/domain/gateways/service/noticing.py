"""Noticing: what providers tell us by themselves."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar
from uuid import NAMESPACE_URL, UUID, uuid5

from guilder.domain.gateways.events import BilledElsewhere, DisputeNoticed, NoticeReceived
from guilder.domain.gateways.model import GatewayAccount, NewNotice, Notice, OpenAccount
from guilder.domain.gateways.port import BadNotice
from guilder.domain.gateways.rules.discretion import without_token
from guilder.domain.gateways.service.asking import proceed
from guilder.domain.gateways.store import accounts as account_rows
from guilder.domain.gateways.store import requests as request_rows
from guilder.domain.gateways.store.notices import count_notices, insert_notice
from guilder.kernel import ids
from guilder.kernel.ids import Ref
from guilder.platform import metrics, tracing
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx
from guilder.platform.outside import intents

E = TypeVar("E", NoticeReceived, DisputeNoticed, BilledElsewhere)


async def find_endpoint(tx: Tx, *, gateway: str, endpoint_id: UUID | None) -> Ref | None:
    """Find whose webhook address this is, before any tenant is known; without an id it is the bare path's."""
    if endpoint_id is None:
        return await account_rows.find_bare_endpoint(tx, gateway)
    return await account_rows.find_endpoint(tx, endpoint_id)


async def open_endpoint(tx: Tx, *, account: Ref, gateway: str) -> OpenAccount:
    """Return the account whose webhook address this is, with what its notices are verified by.

    :raises BadNotice: there is none of this gateway, or it has no secret yet: nothing can be verified
    """
    opened = (await account_rows.open_accounts(tx, [account])).get(account)
    if opened is None or opened.account.gateway != gateway or not opened.endpoint_secret:
        raise BadNotice
    return opened


async def notices_of(tx: Tx, *, account_id: UUID) -> int:
    """Count the webhooks that this account's provider has sent us, rightly signed."""
    return await count_notices(tx, account_id)


async def receive_notice(tx: Tx, *, account: GatewayAccount, notice: Notice, body: bytes, now: datetime) -> None:
    """Keep a verified notice as it came, and tell of what concerns us; a second time nothing happens.

    What refers to another tenant, or to something that was never asked of this account, is kept and ignored.
    """
    known, ignored_because = await _concern(tx, notice, account)
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
    metrics.notice_received(gateway=account.gateway, fate=ignored_because or "heard")
    if not await insert_notice(tx, kept) or ignored_because:
        return
    if known is not None and notice.outcome is not None and notice.outcome.card and notice.outcome.card.token:
        request, customer_id = known
        await request_rows.save_tokens(tx, [(request, customer_id, notice.outcome.card.token)], now=now)
    if known is not None and notice.subject is not None and notice.outcome is not None and notice.outcome.is_approved:
        await proceed(tx, ref=known[0], kind=notice.subject, account=account, now=now)
    event = _event(account, kept, notice)
    if known is not None and notice.subject is not None and tracing.is_on():
        await _join(tx, event, call=f"gateway.{notice.subject.value}", request=known[0])
    outbox.announce(tx, [event], now=now)


async def _join(tx: Tx, event: NoticeReceived | DisputeNoticed | BilledElsewhere, *, call: str, request: Ref) -> None:
    """Let what follows from a notice go on in the trace of the call that it answers: providers carry none along."""
    began = await intents.trace_of(tx, kind=call, subject_id=request.id)
    if began is not None:
        tracing.linked(began)
        tx.traces[event.key_value] = began


def _event(
    account: GatewayAccount, kept: NewNotice, notice: Notice
) -> NoticeReceived | DisputeNoticed | BilledElsewhere:
    def told(event: Callable[..., E], ref: str, /, **more: object) -> E:
        return event(
            tenant_id=account.tenant_id,
            gateway=account.gateway,
            account_id=account.id,
            notice_id=kept.id,
            object_key=uuid5(NAMESPACE_URL, f"{account.gateway}:{ref}"),
            **more,
        )

    if notice.dispute is not None:
        return told(DisputeNoticed, notice.dispute.dispute_ref, news=notice.dispute)
    if notice.elsewhere is not None:
        return told(
            BilledElsewhere,
            notice.elsewhere.subscription_ref,
            news=notice.elsewhere,
            told_at=notice.created_at,
        )
    assert notice.subject is not None, notice
    assert notice.outcome is not None, notice
    return told(
        NoticeReceived,
        notice.outcome.provider_ref,
        kind=notice.subject.value,
        business_key=notice.business_key,
        outcome=without_token(notice.outcome),
    )


async def _concern(tx: Tx, notice: Notice, account: GatewayAccount) -> tuple[tuple[Ref, UUID] | None, str]:
    """Say what of ours a notice is about; or why it is about nothing."""
    is_answer = notice.subject is not None and notice.outcome is not None
    if not is_answer and notice.dispute is None and notice.elsewhere is None:
        return None, "unknown_type"
    if account.provider_account and notice.account and notice.account != account.provider_account:
        return None, "other_account"
    mode = account.settings.get("mode", "")
    if mode and notice.mode and notice.mode != mode:
        return None, "other_mode"
    if notice.subject is None:
        return None, ""
    if not notice.business_key.startswith(f"{account.tenant_id}:"):
        return None, "other_tenant"
    ref = Ref(account.tenant_id, account.id)
    known = await request_rows.known(tx, account=ref, kind=notice.subject.value, business_key=notice.business_key)
    return known, "" if known else "never_asked"
