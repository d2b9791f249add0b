"""Payment methods: a provider's token, validated by that provider before it is used."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from guilder.domain.customers import service as customers
from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.model import CardDetails, GatewayRequest, Outcome, OutcomeKind, RequestKind
from guilder.domain.payments.events import PaymentMethodAdded, PaymentMethodRefused, PaymentMethodRemoved
from guilder.domain.payments.model import Answer, MethodStatus, Payment, PaymentMethod
from guilder.domain.payments.rules.lifecycle import METHOD_MOVES, MethodStep
from guilder.domain.payments.service.collecting import NoGateway
from guilder.domain.payments.store import methods as method_rows
from guilder.kernel import ids, lifecycle
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import CustomerId, Ref
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

METHODS_MAX = 50


class MethodNotUsable(Conflict):
    """This payment method is not valid, so nothing can be charged to it."""

    code = "payment_method_not_usable"


class TooManyMethods(Conflict):
    """This customer has as many payment methods as one can have."""

    code = "too_many_payment_methods"


async def add_method(
    tx: Tx, *, customer_id: CustomerId, token: str | None, return_url: str = "", now: datetime
) -> PaymentMethod:
    """Have a method validated by its provider: the token of one, or one that the customer types on a provider's page.

    It is pending until then; without a token, `action_url` names that page once it is prepared.

    :raises NotFound: no such customer
    :raises NoGateway: no gateway is connected
    """
    customer = await customers.one(tx, customer_id=customer_id)
    account = (await gateways.default_account(tx, tenant_ids=[tx.tenant_id])).get(tx.tenant_id)
    if account is None:
        raise NoGateway
    if len(await method_rows.of(tx, customer.id)) >= METHODS_MAX:
        raise TooManyMethods
    method = PaymentMethod(
        tenant_id=customer.tenant_id,
        id=ids.new(now),
        customer_id=customer.id,
        gateway=account.gateway,
        account_id=account.id,
        status=MethodStatus.PENDING,
        brand="",
        last4="",
        exp_month=0,
        exp_year=0,
        is_default=False,
        created_at=now,
    )
    await method_rows.insert(tx, method, token=token or "")
    await gateways.request(tx, requests=[_setup(method, token=token, return_url=return_url, now=now)], now=now)
    return method


async def methods(tx: Tx, *, customer_id: CustomerId) -> list[PaymentMethod]:
    """Return a customer's methods, newest first, but those that were removed."""
    return await method_rows.of(tx, customer_id)


async def method(tx: Tx, *, method_id: UUID, customer_id: CustomerId | None = None) -> PaymentMethod:
    """Return a method (of this customer, if one is given).

    :raises NotFound: no such method, or it was removed
    """
    ref = Ref(tx.tenant_id, method_id)
    found = (await method_rows.get(tx, [ref])).get(ref)
    if found is None or found.status is MethodStatus.REMOVED or customer_id not in (None, found.customer_id):
        raise NotFound("there is no such payment method")
    return found


async def default_methods(tx: Tx, *, refs: Sequence[Ref]) -> dict[Ref, PaymentMethod]:
    """Return the default method of each of these customers that has one."""
    return await method_rows.defaults(tx, refs)


async def set_default_method(
    tx: Tx, *, method_id: UUID, customer_id: CustomerId | None = None, now: datetime
) -> PaymentMethod:
    """Charge this method from now on.

    :raises NotFound: no such method
    :raises MethodNotUsable: its provider has not validated it
    """
    wanted = await method(tx, method_id=method_id, customer_id=customer_id)
    locked = await method_rows.lock_of(tx, [Ref(wanted.tenant_id, wanted.customer_id)])
    current = next((each for each in locked if each.id == wanted.id), None)
    if current is None or current.status is not MethodStatus.VALID:
        raise MethodNotUsable
    for other in locked:
        if other.is_default and other.id != current.id:
            await method_rows.save(tx, replace(other, is_default=False))
    chosen = replace(current, is_default=True)
    await method_rows.save(tx, chosen)
    return chosen


async def remove_method(
    tx: Tx, *, method_id: UUID, customer_id: CustomerId | None = None, now: datetime
) -> PaymentMethod:
    """Forget a method and its token. What is being charged to it already goes on.

    :raises NotFound: no such method
    """
    wanted = await method(tx, method_id=method_id, customer_id=customer_id)
    await method_rows.lock_of(tx, [Ref(wanted.tenant_id, wanted.customer_id)])
    current = await method(tx, method_id=method_id, customer_id=customer_id)
    removed = replace(
        current,
        status=lifecycle.take(METHOD_MOVES, current.status, MethodStep.REMOVE),
        is_default=False,
        action_url="",
    )
    await method_rows.save(tx, removed, token="")
    event = PaymentMethodRemoved(
        tenant_id=removed.tenant_id, payment_method_id=removed.id, customer_id=removed.customer_id
    )
    outbox.announce(tx, [event], now=now)
    return removed


async def record_setups(tx: Tx, *, answers: Sequence[Answer], now: datetime) -> None:
    """Record what providers said of methods that were to be validated; what is decided stays so."""
    known = await method_rows.get(tx, [_method_ref(each) for each in answers])
    locked = await method_rows.lock_of(tx, [Ref(m.tenant_id, m.customer_id) for m in known.values()])
    current = {each.ref: each for each in locked}
    keys = [(each.tenant_id, each.business_key) for each in answers]
    tokens = await gateways.card_tokens(tx, kind=RequestKind.SETUP, keys=keys)
    for answer in answers:
        found = current.get(_method_ref(answer))
        if found is None or found.status is not MethodStatus.PENDING:
            continue
        has_default = any(m.is_default and m.customer_id == found.customer_id for m in current.values())
        current[found.ref] = await _told(
            tx,
            found,
            answer,
            has_default=has_default,
            token=tokens.get((answer.tenant_id, answer.business_key), ""),
            now=now,
        )


async def keep_card(tx: Tx, *, payment: Payment, card: CardDetails, now: datetime) -> PaymentMethod:
    """Keep the card that a customer paid with on the provider's page: the default, where there is none."""
    assert payment.account_id is not None, payment
    locked = await method_rows.lock_of(tx, [Ref(payment.tenant_id, payment.customer_id)])
    kept = PaymentMethod(
        tenant_id=payment.tenant_id,
        id=ids.new(now),
        customer_id=payment.customer_id,
        gateway=payment.gateway,
        account_id=payment.account_id,
        status=MethodStatus.VALID,
        brand=card.brand,
        last4=card.last4,
        exp_month=card.exp_month,
        exp_year=card.exp_year,
        is_default=not any(each.is_default for each in locked),
        created_at=now,
    )
    await method_rows.insert(tx, kept, token=card.token)
    outbox.announce(tx, [_added(kept)], now=now)
    return kept


async def _told(
    tx: Tx, found: PaymentMethod, answer: Answer, *, has_default: bool, token: str, now: datetime
) -> PaymentMethod:
    outcome = answer.outcome
    match outcome.kind:
        case OutcomeKind.SUCCEEDED if outcome.card is not None:
            card = outcome.card
            valid = replace(
                found,
                status=lifecycle.take(METHOD_MOVES, found.status, MethodStep.VALIDATE),
                brand=card.brand,
                last4=card.last4,
                exp_month=card.exp_month,
                exp_year=card.exp_year,
                is_default=not has_default,
                action_url="",
                decline_code="",
            )
            await method_rows.save(tx, valid, token=token or None)
            outbox.announce(tx, [_added(valid)], now=now)
            return valid
        case OutcomeKind.DECLINED | OutcomeKind.CANCELED if not answer.is_notice:
            return await _reject(tx, found, outcome, now=now)
        case OutcomeKind.REQUIRES_ACTION if outcome.action_url:
            waiting = replace(found, action_url=outcome.action_url)
            await method_rows.save(tx, waiting)
            return waiting
        case OutcomeKind.DECLINED:
            # On the provider's page another card can be tried.
            tried = replace(found, decline_code=outcome.decline_code)
            await method_rows.save(tx, tried)
            return tried
        case _:
            return found


async def _reject(tx: Tx, found: PaymentMethod, outcome: Outcome, *, now: datetime) -> PaymentMethod:
    invalid = replace(
        found,
        status=lifecycle.take(METHOD_MOVES, found.status, MethodStep.REJECT),
        decline_code=outcome.decline_code or outcome.kind.value,
        action_url="",
    )
    await method_rows.save(tx, invalid, token="")
    event = PaymentMethodRefused(
        tenant_id=invalid.tenant_id,
        payment_method_id=invalid.id,
        customer_id=invalid.customer_id,
        decline_code=invalid.decline_code,
    )
    outbox.announce(tx, [event], now=now)
    return invalid


def _setup(method: PaymentMethod, *, token: str | None, return_url: str, now: datetime) -> GatewayRequest:
    return GatewayRequest(
        tenant_id=method.tenant_id,
        id=ids.new(now),
        account_id=method.account_id,
        gateway=method.gateway,
        kind=RequestKind.SETUP,
        business_key=method.business_key,
        subject_id=method.id,
        customer_id=method.customer_id,
        method_token=token or "",
        is_on_session=token is None,
        return_url=return_url,
    )


def _added(method: PaymentMethod) -> PaymentMethodAdded:
    return PaymentMethodAdded(
        tenant_id=method.tenant_id,
        payment_method_id=method.id,
        customer_id=method.customer_id,
        brand=method.brand,
        last4=method.last4,
    )


def _method_ref(answer: Answer) -> Ref:
    return Ref(answer.tenant_id, UUID(answer.business_key.rpartition(":")[2]))
