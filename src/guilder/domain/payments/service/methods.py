"""Payment methods: which of a customer's is charged, which comes next, and what is said of those that run out."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.customers import service as customers
from guilder.domain.gateways import service as gateways
from guilder.domain.payments.events import PaymentMethodExpiring
from guilder.domain.payments.model import MethodStatus, PaymentMethod
from guilder.domain.payments.rules import expiring, ordering
from guilder.domain.payments.rules.lifecycle import METHOD_MOVES, MethodStep
from guilder.domain.payments.rules.ordering import METHODS_MAX
from guilder.domain.payments.rules.routing import Wish
from guilder.domain.payments.service import requests, routing, telling
from guilder.domain.payments.service.routing import NoGateway, UnknownAccount
from guilder.domain.payments.store import attempts
from guilder.domain.payments.store import methods as method_rows
from guilder.kernel import ids, lifecycle
from guilder.kernel.errors import Conflict, Invalid, NotFound
from guilder.kernel.ids import CustomerId, Ref
from guilder.kernel.noun import replace
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


class MethodNotUsable(Conflict):
    """This payment method is not valid, so nothing can be charged to it."""

    code = "payment_method_not_usable"


class TooManyMethods(Conflict):
    """This customer has as many payment methods as one can have."""

    code = "too_many_payment_methods"


class NotTheirMethods(Invalid):
    """An order names each of the customer's methods once at most, and nobody else's."""

    code = "not_their_payment_methods"


async def add_method(
    tx: Tx,
    *,
    customer_id: CustomerId,
    token: str | None,
    return_url: str = "",
    account_id: UUID | None = None,
    kind: str = "",
    make_default: bool = False,
    now: datetime,
) -> PaymentMethod:
    """Have a method validated by its provider: the token of one, or one that the customer types on a provider's page.

    It is pending until then; without a token, `action_url` names that page once it is prepared. Which account keeps it
    is said by `account_id`, else by the tenant's routes: for this kind of method, where it is known. `make_default`:
    it is charged from then on.

    :raises NotFound: no such customer
    :raises NoGateway: no gateway is connected
    :raises UnknownAccount: there is no such account
    :raises TooManyMethods: as it says
    """
    customer = await customers.one(tx, customer_id=customer_id)
    id_ = ids.new(now)
    wish = Wish(country=customer.address.country, method_kind=kind, account_id=account_id, is_to_save=True)
    choice = await routing.choose(tx, wish=wish, key=str(id_), now=now)
    if not choice.accounts:
        raise UnknownAccount(field="gateway_account_id") if account_id else NoGateway
    # Whoever saves another one at the same moment waits, so that both are counted.
    await customers.lock(tx, refs=[Ref(customer.tenant_id, customer.id)])
    existing = await method_rows.of(tx, customer.id)
    # What was never filled in, or refused, takes nobody's place.
    if sum(each.status is not MethodStatus.INVALID for each in existing) >= METHODS_MAX:
        raise TooManyMethods
    account = choice.accounts[0]
    made = PaymentMethod(
        tenant_id=customer.tenant_id,
        id=id_,
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
        kind=kind or "card",
        position=ordering.next_position(existing),
        wants_default=make_default,
    )
    await method_rows.insert(tx, made, token=token or "")
    asked = requests.setup(made, token=token, return_url=return_url, now=now)
    await gateways.request(tx, requests=[asked], now=now)
    return made


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


async def named_methods(tx: Tx, *, refs: Sequence[Ref]) -> dict[Ref, PaymentMethod]:
    """Return these methods, by their own refs, whosever they are; those that were removed, too."""
    return await method_rows.get(tx, refs) if refs else {}


async def usable_methods(tx: Tx, *, refs: Sequence[Ref]) -> dict[Ref, PaymentMethod]:
    """Return, by the refs given, those of these methods that can be charged; in the place of one that was saved anew, what it
    is now."""
    found = await method_rows.resolve(tx, refs) if refs else {}
    return {ref: method for ref, method in found.items() if method.status is MethodStatus.VALID}


async def default_methods(tx: Tx, *, refs: Sequence[Ref]) -> dict[Ref, PaymentMethod]:
    """Return the default method of each of these customers that has one."""
    return await method_rows.defaults(tx, refs)


async def chargeable(tx: Tx, *, charged: Sequence[tuple[Ref, UUID | None]]) -> set[tuple[Ref, UUID | None]]:
    """Return those of these customers, each with the method that is named for what is charged, for whom there is something
    to charge: that method, if it can be, else the customer's default."""
    named = [Ref(customer.tenant_id, method_id) for customer, method_id in charged if method_id is not None]
    usable = {(each.customer_ref, ref.id) for ref, each in (await usable_methods(tx, refs=named)).items()}
    others = sorted({customer for customer, method_id in charged if (customer, method_id) not in usable})
    defaults = await method_rows.defaults(tx, others) if others else {}
    return {each for each in charged if each in usable or each[0] in defaults}


async def untried_methods(tx: Tx, *, invoices: Sequence[Ref]) -> dict[Ref, list[PaymentMethod]]:
    """Return, for each invoice that was tried, the methods its customer has beside those that it was tried with.

    Each can be charged; in the customer's order. Whether their accounts are well is seen when one is started.
    """
    tries = await attempts.tried_methods(tx, invoices)
    owners = {invoice: customer for invoice, customer, _ in tries}
    tried = {(invoice, method_id) for invoice, _, method_id in tries}
    valid = await method_rows.valid_of(tx, sorted(set(owners.values())))
    return {
        invoice: [each for each in valid[customer] if (invoice, each.id) not in tried]
        for invoice, customer in owners.items()
    }


async def methods_tried(tx: Tx, *, invoices: Sequence[Ref]) -> dict[Ref, int]:
    """Return, by invoice, with how many different saved methods it was tried; none, where it was by link alone."""
    return {invoice: len(tried) for invoice, tried in (await tried_with(tx, invoices=invoices)).items()}


async def tried_with(tx: Tx, *, invoices: Sequence[Ref]) -> dict[Ref, set[UUID]]:
    """Return, by invoice, the saved methods that it was tried with; none, where it was by link alone."""
    found: dict[Ref, set[UUID]] = {}
    for invoice, _, method_id in await attempts.tried_methods(tx, invoices) if invoices else []:
        if method_id is not None:
            found.setdefault(invoice, set()).add(method_id)
    return found


async def set_default_method(
    tx: Tx, *, method_id: UUID, customer_id: CustomerId | None = None, now: datetime
) -> PaymentMethod:
    """Charge this method from now on.

    :raises NotFound: no such method
    :raises MethodNotUsable: its provider has not validated it
    """
    wanted = await method(tx, method_id=method_id, customer_id=customer_id)
    locked = await method_rows.lock_of(tx, [wanted.customer_ref])
    current = next((each for each in locked if each.id == wanted.id), None)
    if current is None or current.status is not MethodStatus.VALID:
        raise MethodNotUsable
    if current.is_default:
        return current
    for other in locked:
        if other.is_default:
            await method_rows.save(tx, replace(other, is_default=False))
    chosen = replace(current, is_default=True)
    await method_rows.save(tx, chosen)
    outbox.announce(tx, [telling.default_changed(chosen)], now=now)
    return chosen


async def order_methods(tx: Tx, *, customer_id: CustomerId, method_ids: Sequence[UUID]) -> list[PaymentMethod]:
    """Say in which order the customer's methods are tried after the default; those that are not named come last.

    :raises NotTheirMethods: one is named twice, or is none of theirs
    """
    locked = await method_rows.lock_of(tx, [Ref(tx.tenant_id, customer_id)])
    if len(set(method_ids)) != len(method_ids) or not set(method_ids) <= {each.id for each in locked}:
        raise NotTheirMethods(field="ids")
    places = ordering.placed(locked, method_ids)
    moved = [replace(each, position=places[each.id]) for each in locked]
    for each in moved:
        await method_rows.save(tx, each)
    return sorted(moved, key=lambda each: each.rank)


async def remove_method(
    tx: Tx, *, method_id: UUID, customer_id: CustomerId | None = None, now: datetime
) -> PaymentMethod:
    """Forget a method and its token; the next in order is the default, if this was. What is charged to it goes on.

    :raises NotFound: no such method
    """
    wanted = await method(tx, method_id=method_id, customer_id=customer_id)
    locked = await method_rows.lock_of(tx, [wanted.customer_ref])
    current = next((each for each in locked if each.id == wanted.id), None)
    if current is None:
        raise NotFound("there is no such payment method")
    removed = await drop(tx, current, now=now)
    if current.is_default:
        await promote(tx, [each for each in locked if each.id != current.id], now=now)
    return removed


async def drop(tx: Tx, current: PaymentMethod, *, now: datetime) -> PaymentMethod:
    """Forget a locked method and its token, and tell of it."""
    removed = replace(
        current,
        status=lifecycle.take(METHOD_MOVES, current.status, MethodStep.REMOVE),
        is_default=False,
        action_url="",
        warn_due_at=None,
    )
    await method_rows.save(tx, removed, token="")
    outbox.announce(tx, [telling.removed(removed)], now=now)
    return removed


async def promote(tx: Tx, others: Sequence[PaymentMethod], *, now: datetime) -> PaymentMethod | None:
    """Make the next in order the default, now that there is none."""
    heir = ordering.next_default(others)
    if heir is None:
        return None
    chosen = replace(heir, is_default=True)
    await method_rows.save(tx, chosen)
    outbox.announce(tx, [telling.default_changed(chosen)], now=now)
    return chosen


async def warn_expiring(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Tell of the cards that run out soon; return how many. A run that comes late gives one warning, not two."""
    due = await method_rows.claim_expiring(tx, refs, now=now)
    for each in due:
        await method_rows.save(
            tx, replace(each, warn_due_at=expiring.next_warning(each.exp_year, each.exp_month, now=now))
        )
    events = [_expiring(each, days) for each in due if (days := _days_left(each, now=now))]
    outbox.announce(tx, events, now=now)
    return len(due)


def _days_left(method: PaymentMethod, *, now: datetime) -> int:
    return expiring.days_left(method.exp_year, method.exp_month, now=now)


def _expiring(method: PaymentMethod, days_left: int) -> PaymentMethodExpiring:
    return PaymentMethodExpiring(
        tenant_id=method.tenant_id,
        payment_method_id=method.id,
        customer_id=method.customer_id,
        brand=method.brand,
        last4=method.last4,
        exp_month=method.exp_month,
        exp_year=method.exp_year,
        days_left=days_left,
    )
