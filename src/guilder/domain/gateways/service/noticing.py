"""Noticing: what providers tell us by themselves."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar
from uuid import NAMESPACE_URL, UUID, uuid5

from guilder.domain.gateways.events import BilledElsewhere, DisputeNoticed, MethodNoticed, NoticeReceived
from guilder.domain.gateways.model import GatewayAccount, NewNotice, Notice, OpenAccount
from guilder.domain.gateways.port import BadNotice
from guilder.domain.gateways.rules.discretion import token_digest, without_token
from guilder.domain.gateways.service.asking import proceed
from guilder.domain.gateways.store import accounts as account_rows
from guilder.domain.gateways.store import payers
from guilder.domain.gateways.store import requests as request_rows
from guilder.domain.gateways.store.notices import count_notices, insert_notices
from guilder.kernel import ids
from guilder.kernel.ids import Ref
from guilder.platform import metrics, tracing
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx
from guilder.platform.outside import intents

# What was asked, and whose it is.
Request = tuple[Ref, UUID]
Heard = NoticeReceived | DisputeNoticed | BilledElsewhere | MethodNoticed
E = TypeVar("E", NoticeReceived, DisputeNoticed, BilledElsewhere, MethodNoticed)


class _Known(NamedTuple):
    """What of ours notices are about: what was asked, by kind and business key, and customers, by their provider's name."""

    requests: Mapping[tuple[str, str], Request]
    customers: Mapping[str, UUID]


async def find_endpoint(tx: Tx, *, gateway: str, endpoint_id: UUID | None) -> Ref | None:
    """Find whose webhook address this is, before any tenant is known; without an id it is the bare path's."""
    if endpoint_id is None:
        return await account_rows.find_bare_endpoint(tx, gateway)
    return await account_rows.find_endpoint(tx, endpoint_id)


async def open_endpoint(tx: Tx, *, account: Ref, gateway: str, endpoint_id: UUID | None = None) -> OpenAccount:
    """Return the account whose webhook address this is, with what its notices are verified by; a retired one is heard, too.

    :raises BadNotice: there is none of this gateway that hears this address, or it has no secret yet: nothing can be verified
    """
    opened = (await account_rows.open_accounts(tx, [account])).get(account)
    if opened is None or opened.account.gateway != gateway or not opened.endpoint_secret:
        raise BadNotice
    # Whose address it is may have been found out long ago.
    if endpoint_id not in (None, opened.account.endpoint_id):
        raise BadNotice
    return opened


async def notices_of(tx: Tx, *, account_id: UUID) -> int:
    """Count the webhooks that this account's provider has sent us, rightly signed."""
    return await count_notices(tx, account_id)


async def receive_notice(tx: Tx, *, account: GatewayAccount, notice: Notice, body: bytes, now: datetime) -> None:
    """Keep a verified notice as it came, and tell of what concerns us; a second time nothing happens.

    What refers to another tenant, or to something that was never asked of this account, is kept and ignored.
    """
    await receive_notices(tx, account=account, notices=[(notice, body)], now=now)


class Received(NamedTuple):
    """Whether anything was told of a notice, and the trace that it belongs to: whoever brought it links to that."""

    is_told: bool
    trace: str | None


async def receive_notices(
    tx: Tx,
    *,
    account: GatewayAccount,
    notices: Sequence[tuple[Notice, bytes]],
    request_ids: Sequence[str] = (),
    now: datetime,
) -> list[Received]:
    """Receive notices of one account, in order; say of each what became of it.

    `request_ids` say by which requests they came, where they came by several.
    """
    known = await _known_of(tx, [notice for notice, _ in notices], account)
    ignored = [_ignored_because(notice, account, known) for notice, _ in notices]
    named = zip(ids.new_many(now, len(notices)), notices, ignored, strict=True)
    kept = [_kept(account, id_, notice, body, because, now=now) for id_, (notice, body), because in named]
    metrics.notices_received(gateway=account.gateway, fates=[because or "heard" for because in ignored])
    new = await insert_notices(tx, kept)
    heard = [each.id in new and not each.ignored_because for each in kept]
    told = [place for place, is_heard in enumerate(heard) if is_heard]
    await request_rows.save_tokens(tx, _tokens([notices[place][0] for place in told], known), now=now)
    joined: dict[int, str | None] = {}
    events: list[Heard] = []
    for place in told:
        notice = notices[place][0]
        event, joined[place] = await _follow(tx, account, kept[place], notice, known, now=now)
        events.append(event)
    outbox.announce(tx, events, now=now, request_ids=[request_ids[place] for place in told] if request_ids else None)
    return [Received(is_told, joined.get(place)) for place, is_told in enumerate(heard)]


async def _follow(
    tx: Tx, account: GatewayAccount, kept: NewNotice, notice: Notice, known: _Known, *, now: datetime
) -> tuple[Heard, str | None]:
    """Do what a notice is waited for with; return what is to be told of it, and in whose trace it goes on."""
    event, request = _event(account, kept, notice, known), _request_of(notice, known)
    if request is None or notice.subject is None:
        return event, None
    if notice.outcome is not None and notice.outcome.is_approved:
        await proceed(tx, ref=request[0], kind=notice.subject, account=account, now=now)
    if not tracing.is_on():
        return event, None
    return event, await _join(tx, event, call=f"gateway.{notice.subject.value}", request=request[0])


def _kept(
    account: GatewayAccount, id_: UUID, notice: Notice, body: bytes, ignored_because: str, *, now: datetime
) -> NewNotice:
    return NewNotice(
        tenant_id=account.tenant_id,
        id=id_,
        account_id=account.id,
        notice_id=notice.notice_id,
        type=notice.type,
        business_key=notice.business_key,
        ignored_because=ignored_because,
        # With a saved method come its owner's name and address, which erasing them would not find: none of it is kept.
        body="" if notice.method is not None else body.decode(errors="replace"),
        received_at=now,
    )


def _tokens(notices: Sequence[Notice], known: _Known) -> list[tuple[Ref, UUID, str]]:
    """Return the tokens of cards that these came to; of one request the last."""
    found: dict[Ref, tuple[Ref, UUID, str]] = {}
    for each in notices:
        request = _request_of(each, known)
        if request is not None and each.outcome is not None and each.outcome.card and each.outcome.card.token:
            found[request[0]] = (*request, each.outcome.card.token)
    return list(found.values())


async def _join(tx: Tx, event: Heard, *, call: str, request: Ref) -> str | None:
    """Let what follows from a notice go on in the trace of the call that it answers: providers carry none along."""
    began = await intents.trace_of(tx, kind=call, subject_id=request.id)
    if began is not None:
        tx.traces[event.key_value] = began
    return began


def _event(account: GatewayAccount, kept: NewNotice, notice: Notice, known: _Known) -> Heard:
    def said(event: Callable[..., E], /, **more: object) -> E:
        return event(
            tenant_id=account.tenant_id, gateway=account.gateway, account_id=account.id, notice_id=kept.id, **more
        )

    def told(event: Callable[..., E], ref: str, /, **more: object) -> E:
        return said(event, object_key=uuid5(NAMESPACE_URL, f"{account.gateway}:{ref}"), **more)

    if notice.dispute is not None:
        return told(DisputeNoticed, notice.dispute.dispute_ref, news=notice.dispute)
    if notice.elsewhere is not None:
        return told(
            BilledElsewhere,
            notice.elsewhere.subscription_ref,
            news=notice.elsewhere,
            told_at=notice.created_at,
        )
    if notice.method is not None:
        return said(
            MethodNoticed,
            customer_id=known.customers[notice.method.payer_ref],
            token_digest=token_digest(account.id, notice.method.token),
            card=notice.method.card,
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


async def _known_of(tx: Tx, notices: Sequence[Notice], account: GatewayAccount) -> _Known:
    """Find what was asked of an account that these notices are about, and whom."""
    ref = Ref(account.tenant_id, account.id)
    named = sorted({(each.subject.value, each.business_key) for each in notices if each.subject is not None})
    requests = await request_rows.known(tx, account=ref, named=named) if named else {}
    called = sorted({each.method.payer_ref for each in notices if each.method is not None})
    found = await payers.customers_of(tx, [(ref, each) for each in called]) if called else {}
    return _Known(requests, {payer_ref: customer_id for (_, payer_ref), customer_id in found.items()})


def _request_of(notice: Notice, known: _Known) -> Request | None:
    return None if notice.subject is None else known.requests.get((notice.subject.value, notice.business_key))


def _ignored_because(notice: Notice, account: GatewayAccount, known: _Known) -> str:
    """Say why a notice is about nothing of ours; "" if it is."""
    is_answer = notice.subject is not None and notice.outcome is not None
    if not is_answer and notice.dispute is None and notice.elsewhere is None and notice.method is None:
        return "unknown_type"
    if account.provider_account and notice.account and notice.account != account.provider_account:
        return "other_account"
    mode = account.settings.get("mode", "")
    if mode and notice.mode and notice.mode != mode:
        return "other_mode"
    if notice.method is not None and notice.method.payer_ref not in known.customers:
        return "unknown_payer"
    if notice.subject is None:
        return ""
    if not notice.business_key.startswith(f"{account.tenant_id}:"):
        return "other_tenant"
    return "" if _request_of(notice, known) else "never_asked"
