"""Starting: from here on a provider may know of a payment, so where it goes is decided once, and not before."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.customers import service as customers
from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.model import GatewayAccount
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import TenantStatus
from guilder.domain.payments.model import MethodStatus, Payment, PaymentMethod
from guilder.domain.payments.rules import collecting
from guilder.domain.payments.rules.lifecycle import Step, after
from guilder.domain.payments.rules.routing import Wish, way_out
from guilder.domain.payments.service import requests, routing, telling
from guilder.domain.payments.service.routing import NoGateway
from guilder.domain.payments.store import attempts
from guilder.domain.payments.store import methods as method_rows
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.noun import replace
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


async def start(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> None:
    """Ask the gateways of the customers' methods for payments that were requested; each is asked once.

    Where a method's account is not well (down, its key refused, quarantined), the customer's next method whose account
    is takes its place: no provider was asked yet. Where there is none it stays requested, and `look_after` starts it
    later, as it does those of a suspended tenant once that is resumed.
    """
    charging = await _that_may_charge(tx, refs)
    waiting = [p for p in await attempts.lock(tx, refs) if collecting.is_to_start(p) and p.tenant_id in charging]
    if not waiting:
        return
    accounts = await _accounts(tx, waiting)
    candidates = await _candidates(tx, waiting, accounts, now=now)
    chosen = {p.ref: way_out(candidates[p.ref], accounts, now=now) for p in waiting}
    tokens = await method_rows.tokens(tx, [method.ref for method in chosen.values() if method])
    started: list[tuple[Payment, str]] = []
    kept: list[Payment] = []
    stranded: list[Payment] = []
    for payment in waiting:
        method = chosen[payment.ref]
        known = [accounts[ref] for each in candidates[payment.ref] if (ref := _account_ref(each)) in accounts]
        if method is None and known:
            back_at = min((each.down_until for each in known if each.down_until), default=None)
            kept.append(collecting.kept_back(payment, now=now, well_at=back_at))
        elif method is None or method.ref not in tokens:
            stranded.append(collecting.without_method(payment, now=now))
        else:
            started.append((_begun(payment, method), tokens[method.ref]))
    await attempts.save(tx, [*(payment for payment, _ in started), *kept, *stranded], now=now)
    asked = [requests.charge(p, p.account_id, token=token, now=now) for p, token in started if p.account_id]
    await gateways.request(tx, requests=asked, now=now)
    outbox.announce(tx, [telling.failed(payment) for payment in stranded], now=now)


async def open_session(tx: Tx, *, invoice_id: UUID, return_url: str, now: datetime) -> Payment:
    """Have a page of the provider prepared on which the customer pays this invoice; `action_url` appears when it is.

    Where it goes is routed when it is opened first; it stays there, since an object may be known to that provider from
    then on. What is being charged already, or is paid, is returned as it is: the customer waits for that.

    :raises NotFound: nothing is being collected for this invoice
    :raises NoGateway: no gateway is connected
    """
    ref = Ref(tx.tenant_id, invoice_id)
    payment = (await attempts.lock_holders(tx, [ref])).get(ref)
    if payment is None:
        raise NotFound("nothing is to be paid here")
    if not collecting.needs_session(payment, now=now):
        return payment
    account_id, gateway, route = payment.account_id, payment.gateway, payment.route
    if account_id is None:
        wish = Wish(amount=payment.amount, country=await country_of(tx, payment.customer_id))
        choice = await routing.choose(tx, wish=wish, key=payment.business_key, now=now)
        if not choice.accounts:
            raise NoGateway
        account_id, gateway, route = choice.accounts[0].id, choice.accounts[0].gateway, choice.route
    opened = replace(
        payment,
        status=after(payment.status, Step.OPEN),
        account_id=account_id,
        gateway=gateway,
        route=route,
        opened_at=now,
        action_url="",
        decline_code="",
    )
    await attempts.save(tx, [opened], now=now)
    asked = requests.charge(opened, account_id, return_url=return_url, now=now)
    await gateways.request(tx, requests=[asked], now=now)
    return opened


async def country_of(tx: Tx, customer_id: CustomerId) -> str:
    return (await customers.one(tx, customer_id=customer_id)).address.country


async def _that_may_charge(tx: Tx, refs: Sequence[Ref]) -> set[TenantId]:
    tenants = await identity.tenants(tx, ids=sorted({ref.tenant_id for ref in refs}))
    return {tenant_id for tenant_id, tenant in tenants.items() if tenant.status is TenantStatus.ACTIVE}


async def _accounts(tx: Tx, payments: Sequence[Payment]) -> dict[Ref, GatewayAccount]:
    found = await gateways.takers(tx, tenant_ids=sorted({payment.tenant_id for payment in payments}))
    return {Ref(each.tenant_id, each.id): each for accounts in found.values() for each in accounts}


async def _candidates(
    tx: Tx, payments: Sequence[Payment], accounts: Mapping[Ref, GatewayAccount], *, now: datetime
) -> dict[Ref, list[PaymentMethod]]:
    """Return what each payment may be charged to: the method that it names first, then the customer's others.

    The others are read only where the one that is named cannot be charged now: mostly it can.
    """
    named = await method_rows.resolve(
        tx, [Ref(p.tenant_id, p.payment_method_id) for p in payments if p.payment_method_id]
    )
    first: dict[Ref, list[PaymentMethod]] = {}
    for payment in payments:
        method = named.get(Ref(payment.tenant_id, payment.payment_method_id)) if payment.payment_method_id else None
        first[payment.ref] = [method] if method and method.status is MethodStatus.VALID else []
    stuck = [p for p in payments if way_out(first[p.ref], accounts, now=now) is None]
    others = await method_rows.valid_of(tx, sorted({p.customer_ref for p in stuck})) if stuck else {}
    return first | {
        p.ref: [*first[p.ref], *(each for each in others[p.customer_ref] if each not in first[p.ref])] for p in stuck
    }


def _begun(payment: Payment, method: PaymentMethod) -> Payment:
    return replace(
        payment,
        gateway=method.gateway,
        account_id=method.account_id,
        payment_method_id=method.id,
        brand=method.brand,
        last4=method.last4,
        label=method.label,
        check_due_at=None,
    )


def _account_ref(method: PaymentMethod) -> Ref:
    return Ref(method.tenant_id, method.account_id)
