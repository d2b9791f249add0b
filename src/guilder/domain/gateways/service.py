"""The verbs of gateways: connect, ask, record what was answered, take notices in."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

from guilder.domain.gateways import store
from guilder.domain.gateways.events import (
    GatewayAnswered,
    GatewayConnected,
    GatewayRefusedUs,
    GatewayRequested,
    NoticeReceived,
)
from guilder.domain.gateways.model import (
    Asked,
    Call,
    GatewayAccount,
    GatewayRequest,
    NewNotice,
    Notice,
    OpenAccount,
    Outcome,
    OutcomeKind,
    RequestKind,
    Turn,
)
from guilder.domain.gateways.port import BadNotice, Gateway
from guilder.domain.gateways.rules import asking
from guilder.domain.identity import service as identity
from guilder.kernel import ids
from guilder.kernel.errors import Invalid, NotFound
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.platform import crypto, metrics
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx
from guilder.platform.outside import intents
from guilder.platform.outside.intents import Intent, NewIntent

CONNECT = "gateway.connect"
SIMULATED = "simulated"
# After a 401 nothing is charged for so long; then one call finds out whether the key is good again.
REFUSED_FOR = timedelta(minutes=10)
SECRET_KEY_MAX = 500


class UnknownGateway(Invalid):
    """There is no such gateway."""

    code = "unknown_gateway"


async def connect(
    tx: Tx,
    *,
    gateway: str,
    name: str,
    secret_key: str,
    is_default: bool,
    now: datetime,
    provider_account: str = "",
    hears_bare_path: bool = False,
) -> GatewayAccount:
    """Connect the tenant's account at a provider, and have our webhook address registered there.

    The first one is the default whatever is said. `hears_bare_path`: the address without an endpoint's id is its, too.
    """
    tenant = await identity.tenant(tx)
    others = await store.default_accounts(tx, [tx.tenant_id])
    if is_default and others:
        await store.clear_default(tx, tx.tenant_id)
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
        is_on_own_clock=tenant.is_sandbox,
    )
    await store.insert_account(
        tx,
        account,
        secret_key=secret_key,
        endpoint_secret=f"whsec_{crypto.new_secret()}",
        hears_bare_path=hears_bare_path,
        now=now,
    )
    await intents.intend(tx, intents=[_connection(account)], now=now)
    return account


async def furnish_sandboxes(tx: Tx, *, tenant_ids: Sequence[TenantId], now: datetime) -> None:
    """Connect each of these sandboxes to an account of its own at the simulated provider, once."""
    furnished = await store.default_accounts(tx, tenant_ids)
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
    refs = [Ref(account.tenant_id, account.id) for account in await store.accounts(tx)]
    return list((await store.open_accounts(tx, refs)).values())


async def renew_secret(
    tx: Tx, *, account_id: UUID, secret_key: str, provider_account: str = "", now: datetime
) -> GatewayAccount:
    """Use another key of the account from now on, and charge there again if the old one was refused.

    :raises NotFound: no such account
    """
    account = await one(tx, account_id=account_id)
    ref = Ref(account.tenant_id, account.id)
    await store.change_secret(tx, ref, secret_key=secret_key, provider_account=provider_account, now=now)
    await intents.intend(tx, intents=[_connection(account)], now=now, revive=True)
    return await one(tx, account_id=account_id)


async def one(tx: Tx, *, account_id: UUID) -> GatewayAccount:
    """Return an account of the tenant.

    :raises NotFound: no such account
    """
    found = await store.accounts_of(tx, [Ref(tx.tenant_id, account_id)])
    if not found:
        raise NotFound("there is no such gateway account")
    return found[0]


async def accounts(tx: Tx) -> list[GatewayAccount]:
    return await store.accounts(tx)


async def default_account(tx: Tx, *, tenant_ids: Sequence[TenantId]) -> dict[TenantId, GatewayAccount]:
    """Return the account that each of these tenants charges with, where it has one."""
    return {account.tenant_id: account for account in await store.default_accounts(tx, tenant_ids)}


async def request(tx: Tx, *, requests: Sequence[GatewayRequest], now: datetime) -> None:
    """Ask something of providers: written here, done by each gateway's runner.

    Asking under the same business key again is asking for the same thing: it is looked at anew. A cancellation takes
    its charge back at once: no step of it begins any more.
    """
    if not requests:
        return
    cancels = [(r.tenant_id, r.business_key) for r in requests if r.kind is RequestKind.CANCEL]
    if cancels:
        await store.withdraw(tx, cancels)
    known = await store.upsert_requests(tx, requests, check_due_at=now + asking.CHECK_FIRST, now=now)
    events = [
        GatewayRequested(
            tenant_id=r.tenant_id,
            gateway=r.gateway,
            account_id=r.account_id,
            request_id=known[r.tenant_id, r.kind.value, r.business_key],
            kind=r.kind.value,
            business_key=r.business_key,
            subject_id=r.subject_id,
            customer_id=CustomerId(r.customer_id),
        )
        for r in requests
    ]
    outbox.announce(tx, events, now=now)


async def intend(tx: Tx, *, requests: Sequence[GatewayRequested], now: datetime) -> None:
    """Have the runner call the providers about these requests."""
    wanted = [
        _intent(each.tenant_id, each.request_id, RequestKind(each.kind), each.gateway, each.account_id)
        for each in requests
    ]
    await intents.intend(tx, intents=wanted, now=now, revive=True)


async def look_again(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Have those looked up that have had no final answer for a while; return how many."""
    due = await store.claim_due(tx, refs, now=now)
    found = await store.accounts_of(tx, list({Ref(a.request.tenant_id, a.request.account_id) for a in due}))
    by_ref = {Ref(account.tenant_id, account.id): account for account in found}
    # One look each: the fast tries were made when it was asked.
    checked = [
        replace(a, check_due_at=asking.next_check(a, now=now), tries=max(a.tries, asking.TRIES_MAX)) for a in due
    ]
    await store.save_asked(tx, checked)
    wanted = [
        _intent(a.request.tenant_id, a.request.id, a.request.kind, account.gateway, account.id)
        for a in checked
        for account in (by_ref[Ref(a.request.tenant_id, a.request.account_id)],)
        if a.check_due_at is not None
    ]
    await intents.intend(tx, intents=wanted, now=now, revive=True)
    return len(due)


async def card_tokens(
    tx: Tx, *, kind: RequestKind, keys: Sequence[tuple[TenantId, str]]
) -> dict[tuple[TenantId, str], str]:
    """Return the tokens of the cards that these requests came to: events do not carry them."""
    return await store.card_tokens(tx, kind.value, keys)


async def load_calls(tx: Tx, *, wanted: Sequence[Intent], now: datetime) -> list[Call | None]:
    """Read what calls about these requests need; None where nothing is to be called (any more, or for now)."""
    found = await store.lock_requests(tx, [Ref(each.tenant_id, each.subject_id) for each in wanted])
    opened = await store.open_accounts(tx, [_account_ref(asked) for asked in found.values()])
    cancels = [asked for asked in found.values() if asked.request.kind is RequestKind.CANCEL]
    charges = await store.charges_of(tx, [(a.request.tenant_id, a.request.business_key) for a in cancels])
    calls: list[Call | None] = []
    for intent in wanted:
        asked = found.get(Ref(intent.tenant_id, intent.subject_id))
        account = opened.get(_account_ref(asked)) if asked else None
        if asked is None or account is None or not _is_callable(asked, account, intent.step, now=now):
            calls.append(None)
            continue
        is_cancel = asked.request.kind is RequestKind.CANCEL
        charge = charges.get((asked.request.tenant_id, asked.request.business_key)) if is_cancel else None
        named = replace(asked, request=replace(asked.request, gateway=account.account.gateway))
        calls.append(Call(asked=named, account=account, charge=charge))
    return calls


async def record_calls(
    tx: Tx, *, results: Sequence[tuple[Intent, Call, Outcome]], refused: Sequence[Call], now: datetime
) -> list[Turn]:
    """Record what calls came to, and tell of it; return what follows for each. `refused`: the key was not taken."""
    fresh = await store.lock_requests(tx, [call.asked.ref for _, call, _ in results])
    turns = [
        asking.turn(
            replace(
                fresh[call.asked.ref],
                request=replace(fresh[call.asked.ref].request, gateway=call.asked.request.gateway),
            ),
            step=intent.step,
            outcome=outcome,
            now=now,
        )
        for intent, call, outcome in results
    ]
    await store.save_asked(tx, [turn.asked for turn in turns])
    cards = [
        (turn.asked.ref, turn.asked.request.customer_id, turn.tells.card.token)
        for turn in turns
        if turn.tells and turn.tells.card and _brings_card(turn.asked.request)
    ]
    await store.save_tokens(tx, [each for each in cards if each[2]], now=now)
    outbox.announce(tx, [_answer(turn.asked.request, turn.tells) for turn in turns if turn.tells], now=now)
    await _mark_accounts(tx, results, refused, now=now)
    return turns


async def load_connections(tx: Tx, *, wanted: Sequence[Intent]) -> list[OpenAccount | None]:
    opened = await store.open_accounts(tx, [Ref(each.tenant_id, each.subject_id) for each in wanted])
    return [opened.get(Ref(each.tenant_id, each.subject_id)) for each in wanted]


async def record_connections(tx: Tx, *, connected: Sequence[GatewayAccount], now: datetime) -> None:
    await store.mark_registered(tx, [Ref(each.tenant_id, each.id) for each in connected], now=now)
    events = [
        GatewayConnected(tenant_id=each.tenant_id, account_id=each.id, gateway=each.gateway) for each in connected
    ]
    outbox.announce(tx, events, now=now)


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
    notice = gateway.read_notice(headers, body, secret=opened.endpoint_secret, now=wall)
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
        outcome=_without_token(notice.outcome),
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


async def _mark_accounts(
    tx: Tx, results: Sequence[tuple[Intent, Call, Outcome]], refused: Sequence[Call], *, now: datetime
) -> None:
    fresh = await store.mark_refused(tx, [_account_ref(call.asked) for call in refused], now=now) if refused else []
    events = [GatewayRefusedUs(tenant_id=each.tenant_id, account_id=each.id, gateway=each.gateway) for each in fresh]
    outbox.announce(tx, events, now=now)
    well = [
        _account_ref(call.asked)
        for _, call, outcome in results
        if call.account.account.refused_at is not None and outcome.kind is not OutcomeKind.UNKNOWN
    ]
    if well:
        await store.clear_refused(tx, well)


def _is_callable(asked: Asked, account: OpenAccount, step: str, *, now: datetime) -> bool:
    if asked.is_settled or not account.account.is_active:
        return False
    if asked.is_withdrawn and step != asking.CLOSE:
        return False
    refused_at = account.account.refused_at
    return refused_at is None or now - refused_at >= REFUSED_FOR


def _brings_card(request: GatewayRequest) -> bool:
    """Say whether the card that a request came to is news: one that the customer typed, or that was validated."""
    return request.kind is RequestKind.SETUP or (request.kind is RequestKind.CHARGE and request.is_on_session)


def _answer(request: GatewayRequest, outcome: Outcome) -> GatewayAnswered:
    return GatewayAnswered(
        tenant_id=request.tenant_id,
        gateway=request.gateway,
        request_id=request.id,
        kind=request.kind.value,
        business_key=request.business_key,
        subject_id=request.subject_id,
        customer_id=CustomerId(request.customer_id),
        outcome=_without_token(outcome),
    )


def _without_token(outcome: Outcome) -> Outcome:
    """Take the card's token out: an event is kept for long and read by many."""
    return replace(outcome, card=replace(outcome.card, token="")) if outcome.card else outcome


def _intent(tenant_id: TenantId, request_id: UUID, kind: RequestKind, gateway: str, account_id: UUID) -> NewIntent:
    return NewIntent(
        tenant_id=tenant_id,
        kind=f"gateway.{kind.value}",
        destination=f"gateway:{gateway}:{account_id}",
        subject_id=request_id,
        step=asking.FIRST_STEPS[kind],
    )


def _connection(account: GatewayAccount) -> NewIntent:
    return NewIntent(tenant_id=account.tenant_id, kind=CONNECT, destination=account.destination, subject_id=account.id)


def _account_ref(asked: Asked) -> Ref:
    return Ref(asked.request.tenant_id, asked.request.account_id)
