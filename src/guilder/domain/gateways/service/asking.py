"""Asking: what is wanted of providers, the calls that the runner makes about it, and what came of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from guilder.domain.gateways.events import GatewayAnswered, GatewayRefusedUs, GatewayRequested
from guilder.domain.gateways.model import (
    Asked,
    Call,
    GatewayAccount,
    GatewayRequest,
    OpenAccount,
    Outcome,
    OutcomeKind,
    RequestKind,
    Turn,
)
from guilder.domain.gateways.rules import asking
from guilder.domain.gateways.rules.discretion import without_token
from guilder.domain.gateways.service import health
from guilder.domain.gateways.store import accounts as account_rows
from guilder.domain.gateways.store import books, payers
from guilder.domain.gateways.store import requests as rows
from guilder.domain.identity import service as identity
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.noun import replace
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx
from guilder.platform.outside import intents
from guilder.platform.outside.intents import Intent, NewIntent

# After a 401 nothing is charged for so long; then one call finds out whether the key is good again.
REFUSED_FOR = timedelta(minutes=10)
# As Stripe itself says of one.
NOT_THEIRS = "payment_method_customer_mismatch"


async def request(tx: Tx, *, requests: Sequence[GatewayRequest], now: datetime) -> None:
    """Ask something of providers: written here, done by each gateway's runner.

    Asking under the same business key again is asking for the same thing: it is looked at anew. A cancellation takes
    its charge back at once: no step of it begins any more.
    """
    if not requests:
        return
    cancels = [(r.tenant_id, r.business_key) for r in requests if r.kind is RequestKind.CANCEL]
    if cancels:
        await rows.withdraw(tx, cancels)
    known = await rows.upsert_requests(tx, requests, check_due_at=now + asking.CHECK_FIRST, now=now)
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
        replace(
            _intent(each.tenant_id, each.request_id, RequestKind(each.kind), each.gateway, each.account_id),
            key=each.key_value,
        )
        for each in requests
    ]
    await intents.intend(tx, intents=wanted, now=now, revive=True)


async def proceed(tx: Tx, *, ref: Ref, kind: RequestKind, account: GatewayAccount, now: datetime) -> None:
    """Do at once what a request waits for us to do: its customer has agreed to it at the provider."""
    wanted = _intent(ref.tenant_id, ref.id, kind, account.gateway, account.id)
    await intents.intend(tx, intents=[wanted], now=now, revive=True)


async def look_again(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Have those looked up that have had no final answer for a while; return how many."""
    seen = [each for each in await rows.due(tx, refs, now=now) if asking.next_check(each, now=now) is not None]
    found = await account_rows.accounts_of(tx, list({Ref(a.request.tenant_id, a.request.account_id) for a in seen}))
    by_ref = {Ref(account.tenant_id, account.id): account for account in found}
    wanted = [
        _intent(a.request.tenant_id, a.request.id, a.request.kind, account.gateway, account.id)
        for a in seen
        for account in (by_ref[Ref(a.request.tenant_id, a.request.account_id)],)
    ]
    # The calls first, then what they are about, as the runner locks them.
    await intents.intend(tx, intents=wanted, now=now, revive=True)
    due = await rows.claim_due(tx, refs, now=now)
    # One look each: the fast tries were made when it was asked.
    checked = [
        replace(a, check_due_at=asking.next_check(a, now=now), tries=max(a.tries, asking.TRIES_MAX)) for a in due
    ]
    await rows.save_asked(tx, checked)
    return len(due)


async def settle(tx: Tx, *, kind: RequestKind, keys: Sequence[tuple[TenantId, str]]) -> None:
    """Take these for done, because somebody saw it who is no provider (a transfer recorded by hand)."""
    await rows.settle(tx, kind.value, keys)


async def card_tokens(
    tx: Tx, *, kind: RequestKind, keys: Sequence[tuple[TenantId, str]]
) -> dict[tuple[TenantId, str], str]:
    """Return the tokens of the cards that these requests came to: events do not carry them."""
    return await rows.card_tokens(tx, kind.value, keys)


async def load_calls(tx: Tx, *, wanted: Sequence[Intent], now: datetime) -> list[Call | None]:
    """Read what calls about these requests need; None where nothing is to be called (any more, or for now)."""
    found = await rows.lock_requests(tx, [Ref(each.tenant_id, each.subject_id) for each in wanted])
    opened = await account_rows.open_accounts(tx, [_account_ref(asked) for asked in found.values()])
    cancels = [asked for asked in found.values() if asked.request.kind is RequestKind.CANCEL]
    charges = await rows.charges_of(tx, [(a.request.tenant_id, a.request.business_key) for a in cancels])
    refunds = [a.ref for a in found.values() if a.request.kind is RequestKind.REFUND and not a.is_settled]
    done = await books.take_refunds(tx, refunds) if refunds else {}
    known = await payers.of(tx, [(_account_ref(a), a.request.customer_id) for a in found.values()])
    issuers = await identity.issuer(tx, tenant_ids=sorted({a.request.tenant_id for a in found.values()}))
    calls: list[Call | None] = []
    for intent in wanted:
        asked = found.get(Ref(intent.tenant_id, intent.subject_id))
        account = opened.get(_account_ref(asked)) if asked else None
        if asked is None or account is None or not _is_callable(asked, account, intent.step, now=now):
            calls.append(None)
            continue
        is_cancel = asked.request.kind is RequestKind.CANCEL
        charge = charges.get((asked.request.tenant_id, asked.request.business_key)) if is_cancel else None
        issuer = issuers.get(asked.request.tenant_id)
        merchant = (issuer.sender_name or issuer.legal_name) if issuer else ""
        named = replace(
            asked.request,
            gateway=account.account.gateway,
            merchant_name=merchant,
            payer_ref=known.get((_account_ref(asked), asked.request.customer_id), ""),
        )
        calls.append(
            Call(asked=replace(asked, request=named), account=account, charge=charge, done=done.get(asked.ref))
        )
    return calls


async def record_calls(
    tx: Tx, *, results: Sequence[tuple[Intent, Call, Outcome]], refused: Sequence[Call], now: datetime
) -> list[Turn]:
    """Record what calls came to, and tell of it; return what follows for each. `refused`: the key was not taken."""
    results = await _without_others(tx, results)
    fresh = await rows.lock_sealed(tx, [call.asked.ref for _, call, _ in results])
    # What is told of an answer goes on with what led to the question.
    tx.traces |= {call.asked.request.customer_id: i.traceparent for i, call, _ in results if i.traceparent}
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
    await rows.save_asked(tx, [turn.asked for turn in turns])
    cards = [
        (turn.asked.ref, turn.asked.request.customer_id, turn.tells.card.token)
        for turn in turns
        if turn.tells and turn.tells.card and _brings_card(turn.asked.request)
    ]
    await rows.save_tokens(tx, [each for each in cards if each[2]], now=now)
    named = [
        (_account_ref(call.asked), call.asked.request.customer_id, outcome.payer_ref)
        for _, call, outcome in results
        if outcome.payer_ref and outcome.payer_ref != call.asked.request.payer_ref
    ]
    if named:
        await payers.save(tx, named)
    outbox.announce(tx, [_answer(turn.asked.request, turn.tells) for turn in turns if turn.tells], now=now)
    await _mark_accounts(tx, results, refused, now=now)
    return turns


async def _without_others(
    tx: Tx, results: Sequence[tuple[Intent, Call, Outcome]]
) -> list[tuple[Intent, Call, Outcome]]:
    """Refuse methods that a provider keeps for another of our customers: who knows a token's name may have found it out."""
    saved = {
        (_account_ref(call.asked), outcome.payer_ref)
        for _, call, outcome in results
        if call.asked.request.kind is RequestKind.SETUP and outcome.kind is OutcomeKind.SUCCEEDED and outcome.payer_ref
    }
    owners = await payers.customers_of(tx, sorted(saved)) if saved else {}

    def own(call: Call, outcome: Outcome) -> Outcome:
        named = (_account_ref(call.asked), outcome.payer_ref)
        if named not in saved or owners.get(named, call.asked.request.customer_id) == call.asked.request.customer_id:
            return outcome
        return Outcome(
            kind=OutcomeKind.DECLINED,
            provider_ref=outcome.provider_ref,
            decline_code=NOT_THEIRS,
            is_hard_decline=True,
        )

    return [(intent, call, own(call, outcome)) for intent, call, outcome in results]


async def _mark_accounts(
    tx: Tx, results: Sequence[tuple[Intent, Call, Outcome]], refused: Sequence[Call], *, now: datetime
) -> None:
    fresh = (
        await account_rows.mark_refused(tx, [_account_ref(call.asked) for call in refused], now=now) if refused else []
    )
    events = [GatewayRefusedUs(tenant_id=each.tenant_id, account_id=each.id, gateway=each.gateway) for each in fresh]
    outbox.announce(tx, events, now=now)
    well = [
        _account_ref(call.asked)
        for _, call, outcome in results
        if call.account.account.refused_at is not None and outcome.kind is not OutcomeKind.UNKNOWN
    ]
    if well:
        await account_rows.clear_refused(tx, well)
    await health.record(tx, results=[(call.account.account, outcome) for _, call, outcome in results], now=now)


def _is_callable(asked: Asked, account: OpenAccount, step: str, *, now: datetime) -> bool:
    # A retired account, too: what was asked of it is found out there, closed there and given back there, or nowhere.
    if asked.is_settled:
        return False
    if asked.is_withdrawn and step != asking.CLOSE:
        return False
    if account.account.quarantined_at is not None:
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
        outcome=without_token(outcome),
    )


def _intent(tenant_id: TenantId, request_id: UUID, kind: RequestKind, gateway: str, account_id: UUID) -> NewIntent:
    return NewIntent(
        tenant_id=tenant_id,
        kind=f"gateway.{kind.value}",
        destination=f"gateway:{gateway}:{account_id}",
        subject_id=request_id,
        step=asking.FIRST_STEPS[kind],
    )


def _account_ref(asked: Asked) -> Ref:
    return Ref(asked.request.tenant_id, asked.request.account_id)
