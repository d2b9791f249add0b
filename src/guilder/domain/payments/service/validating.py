"""Validating: what providers say of methods. One card is one method, however often it is saved."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.model import CardDetails, Outcome, OutcomeKind, RequestKind
from guilder.domain.payments.events import PaymentMethodRefused
from guilder.domain.payments.model import Answer, MethodStatus, Payment, PaymentMethod
from guilder.domain.payments.rules import expiring, ordering
from guilder.domain.payments.rules.lifecycle import METHOD_MOVES, MethodStep
from guilder.domain.payments.service import telling
from guilder.domain.payments.service.methods import drop, promote
from guilder.domain.payments.store import attempts
from guilder.domain.payments.store import methods as method_rows
from guilder.kernel import ids, lifecycle
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

# The provider has no such method for this customer (any more): no later try can succeed.
DETACHED = "payment_method_detached"


async def record_setups(tx: Tx, *, answers: Sequence[Answer], now: datetime) -> None:
    """Record what providers said of methods that were to be validated; what is decided stays so."""
    known = await method_rows.get(tx, [_method_ref(each) for each in answers])
    locked = await method_rows.lock_of(tx, [each.customer_ref for each in known.values()])
    current = {each.ref: each for each in locked}
    keys = [(each.tenant_id, each.business_key) for each in answers]
    tokens = await gateways.card_tokens(tx, kind=RequestKind.SETUP, keys=keys)
    for answer in answers:
        found = current.get(_method_ref(answer))
        if found is None or found.status is not MethodStatus.PENDING:
            continue
        token = tokens.get((answer.tenant_id, answer.business_key), "")
        for changed in await _told(tx, found, answer, beside(found, current), token=token, now=now):
            current[changed.ref] = changed


async def keep_card(tx: Tx, *, payment: Payment, card: CardDetails, now: datetime) -> PaymentMethod | None:
    """Keep the card that a customer paid with on the provider's page: the default, where there is none, or one that its
    bank has refused for good.

    A card that is kept already only has its token renewed. Who has as many methods as one can have loses the one that
    would be tried last, those that cannot be charged first; where there is none such, the card is not kept.
    """
    assert payment.account_id is not None, payment
    locked = await method_rows.lock_of(tx, [payment.customer_ref])
    twin = ordering.twin_of(locked, card, account_id=payment.account_id)
    if twin is None and len(locked) >= ordering.METHODS_MAX:
        leaver = ordering.gives_way(locked)
        if leaver is None:
            return None
        await drop(tx, leaver, now=now)
    default = next((each for each in locked if each.is_default), None)
    takes_over = default is not None and default != twin and await attempts.was_refused_for_good(tx, default)
    if default is not None and takes_over:
        await method_rows.save(tx, replace(default, is_default=False))
    if twin is not None:
        kept = replace(shown(twin, card, now=now), is_default=takes_over or twin.is_default)
        await method_rows.save(tx, kept, token=card.token)
        if not ordering.is_shown_as(twin, card):
            outbox.announce(tx, [telling.updated(kept)], now=now)
        outbox.announce(tx, [telling.paid_with(kept)], now=now)
    else:
        kept = _new(payment, card, beside=locked, is_default=takes_over or default is None, now=now)
        await method_rows.insert(tx, kept, token=card.token)
        outbox.announce(tx, [telling.added(kept)], now=now)
    if takes_over:
        outbox.announce(tx, [telling.default_changed(kept)], now=now)
    return kept


def _new(
    payment: Payment, card: CardDetails, *, beside: Sequence[PaymentMethod], is_default: bool, now: datetime
) -> PaymentMethod:
    assert payment.account_id is not None, payment
    bare = PaymentMethod(
        tenant_id=payment.tenant_id,
        id=ids.new(now),
        customer_id=payment.customer_id,
        gateway=payment.gateway,
        account_id=payment.account_id,
        status=MethodStatus.VALID,
        brand="",
        last4="",
        exp_month=0,
        exp_year=0,
        is_default=is_default,
        created_at=now,
        position=ordering.next_position(beside),
    )
    return shown(bare, card, now=now)


async def reject_detached(tx: Tx, *, payments: Sequence[Payment], now: datetime) -> None:
    """Charge no more what a provider says it does not have any more; the next in order is the default, if it was."""
    refs = {Ref(p.tenant_id, p.payment_method_id): p for p in payments if p.payment_method_id}
    if not refs:
        return
    locked = {each.ref: each for each in await method_rows.lock_of(tx, [p.customer_ref for p in refs.values()])}
    for ref, payment in refs.items():
        found = locked.get(ref)
        if found is None or found.status is not MethodStatus.VALID:
            continue
        changed = await lose(tx, found, beside(found, locked), code=payment.decline_code, now=now)
        locked |= {each.ref: each for each in changed}


async def lose(
    tx: Tx, found: PaymentMethod, others: Sequence[PaymentMethod], *, code: str, now: datetime
) -> list[PaymentMethod]:
    """Charge a locked method no more; the next in order is the default, if it was. Return what changed."""
    lost = await _reject(tx, found, code=code, now=now)
    heir = await promote(tx, others, now=now) if found.is_default else None
    return [lost, heir] if heir else [lost]


async def supersede(tx: Tx, twin: PaymentMethod, *, by: PaymentMethod, now: datetime) -> PaymentMethod:
    """Give a locked method's place to another that is the same card: whoever names it is led there."""
    gone = replace(await drop(tx, twin, now=now), replaced_by=by.id)
    await method_rows.redirect(tx, gone=twin, successor=by)
    return gone


async def _told(
    tx: Tx, found: PaymentMethod, answer: Answer, others: Sequence[PaymentMethod], *, token: str, now: datetime
) -> list[PaymentMethod]:
    """Return the methods that this answer changed."""
    outcome = answer.outcome
    match outcome.kind:
        case OutcomeKind.SUCCEEDED if outcome.card is not None:
            return await _validate(tx, found, outcome.card, others, token=token, now=now)
        case OutcomeKind.DECLINED | OutcomeKind.CANCELED if not answer.is_notice:
            return [await _reject(tx, found, code=outcome.decline_code or outcome.kind.value, now=now)]
        case OutcomeKind.REQUIRES_ACTION if outcome.action_url:
            return [await _waiting(tx, found, outcome)]
        case OutcomeKind.DECLINED:
            # On the provider's page another card can be tried.
            tried = replace(found, decline_code=outcome.decline_code)
            await method_rows.save(tx, tried)
            return [tried]
        case _:
            return []


async def _validate(
    tx: Tx, found: PaymentMethod, card: CardDetails, others: Sequence[PaymentMethod], *, token: str, now: datetime
) -> list[PaymentMethod]:
    """Make a method one that is charged. The same card saved before gives its place to it, and leads to it; a default
    that its bank has refused for good is the default no more."""
    status = lifecycle.take(METHOD_MOVES, found.status, MethodStep.VALIDATE)
    valid = shown(replace(found, status=status, action_url="", decline_code=""), card, now=now)
    twin = ordering.twin_of(others, card, account_id=valid.account_id)
    default = next((each for each in others if each.is_default), None)
    takes_over = default is not None and (
        valid.wants_default or default == twin or await attempts.was_refused_for_good(tx, default)
    )
    changed: list[PaymentMethod] = []
    if default is not None and takes_over and default != twin:
        changed.append(replace(default, is_default=False))
        await method_rows.save(tx, changed[0])
    if twin is not None:
        changed.append(await supersede(tx, twin, by=valid, now=now))
        valid = replace(valid, position=twin.position)
    valid = replace(valid, is_default=takes_over or default is None)
    await method_rows.save(tx, valid, token=token or None)
    outbox.announce(tx, [telling.added(valid)], now=now)
    if takes_over:
        outbox.announce(tx, [telling.default_changed(valid)], now=now)
    return [*changed, valid]


async def _waiting(tx: Tx, found: PaymentMethod, outcome: Outcome) -> PaymentMethod:
    waiting = replace(found, action_url=outcome.action_url)
    await method_rows.save(tx, waiting)
    return waiting


async def _reject(tx: Tx, found: PaymentMethod, *, code: str, now: datetime) -> PaymentMethod:
    invalid = replace(
        found,
        status=lifecycle.take(METHOD_MOVES, found.status, MethodStep.REJECT),
        is_default=False,
        decline_code=code,
        action_url="",
        warn_due_at=None,
    )
    await method_rows.save(tx, invalid, token="")
    event = PaymentMethodRefused(
        tenant_id=invalid.tenant_id,
        payment_method_id=invalid.id,
        customer_id=invalid.customer_id,
        decline_code=invalid.decline_code,
        was_valid=found.status is MethodStatus.VALID,
    )
    outbox.announce(tx, [event], now=now)
    return invalid


def shown(method: PaymentMethod, card: CardDetails, *, now: datetime) -> PaymentMethod:
    return replace(
        method,
        kind=card.kind,
        label=card.label,
        brand=card.brand,
        last4=card.last4,
        exp_month=card.exp_month,
        exp_year=card.exp_year,
        fingerprint=ordering.fingerprint(method.account_id, card),
        warn_due_at=expiring.next_warning(card.exp_year, card.exp_month, now=now),
    )


def beside(found: PaymentMethod, current: Mapping[Ref, PaymentMethod]) -> list[PaymentMethod]:
    return [
        each
        for each in current.values()
        if each.customer_ref == found.customer_ref and each.id != found.id and each.status is not MethodStatus.REMOVED
    ]


def _method_ref(answer: Answer) -> Ref:
    return Ref(answer.tenant_id, UUID(answer.business_key.rpartition(":")[2]))
