"""Subscribing: customer, plan, price, trial, promo code, first invoice and payment link, in one transaction.

Many who subscribe at once are read, refused, begun and billed by the same few statements as one.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Plan, PlanStatus
from guilder.domain.customers import service as customers
from guilder.domain.customers.model import Customer
from guilder.domain.orders.model import Answer, OrderKind
from guilder.domain.orders.rules import starting
from guilder.domain.orders.rules import terms as rules
from guilder.domain.orders.rules.starting import AddOnGrid, PastPeriods
from guilder.domain.orders.rules.terms import Own
from guilder.domain.orders.service.beginning import Beginning, begin
from guilder.domain.orders.service.placing import Asked, check_found, found_customer
from guilder.domain.orders.store import orders as store
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import PaymentMethod
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Subscription
from guilder.kernel import ids
from guilder.kernel.errors import Conflict, NotFound, Refusal
from guilder.kernel.ids import CustomerId, Ref
from guilder.platform.db.tx import Tx


class AlreadySubscribed(Conflict):
    """This organization has a subscription to this plan already, or one that is going to be."""

    code = "already_subscribed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """When a subscription begins, and with which trial; None is now, and as the plan says."""

    starts_at: datetime | None = None
    past_periods: PastPeriods = PastPeriods.BILL
    trial_days: int | None = None
    trial_ends_at: datetime | None = None
    trial_needs_method: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What an add-on belongs to, and what its periods are counted from."""

    parent_id: UUID
    grid: AddOnGrid = AddOnGrid.OWN


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUp:
    """An organization that is to have a plan, by its id or code; what is not said is as the plan says, and now."""

    organization_id: str
    plan: UUID | str
    asked: Asked
    billing_cycle: str | None = None
    currency: str | None = None
    payment_method_id: UUID | None = None
    quantity: int = 1
    start: Start | None = None
    own: Own | None = None
    beside: Beside | None = None
    promo_code: str | None = None


class _Known(NamedTuple):
    """What there is of everybody who signs up: read once, after their customers are locked."""

    plans: Mapping[UUID | str, Plan]
    had: Mapping[CustomerId, Sequence[Subscription]]
    parents: Mapping[UUID, Subscription]
    methods: Mapping[UUID, PaymentMethod]
    with_default: AbstractSet[CustomerId]
    with_purchases: AbstractSet[CustomerId]
    tried: Mapping[CustomerId, AbstractSet[UUID]]  # the plans that trials were of


async def subscribe(tx: Tx, *, sign_up: SignUp, now: datetime) -> Answer:
    """Give an organization a plan: in trial, active where nothing is to be paid first, else processing until it is.

    One that starts on a later date is scheduled. One that started earlier is active, and its periods since are billed
    or skipped. What is sent with terms is active at once.

    :raises NotFound: no such customer, plan or parent; names the field
    :raises PlanIsArchived: the plan is not sold any more
    :raises NoSuchPrice: it is not sold for that cycle and currency; names the field
    :raises QuantityTooLarge: the plan says how many may be had
    :raises MethodNotUsable: the payment method is not this customer's, or cannot be charged
    :raises MethodNeeded: its trial needs one
    :raises AlreadySubscribed: it has this plan, or is about to
    :raises Invalid: the start, the trial, the parent, the promo code or what is its own does not fit; names the field
    """
    [outcome] = await subscribe_each(tx, sign_ups=[sign_up], now=now)
    if isinstance(outcome, Refusal):
        raise outcome
    assert outcome is not None, "a single one is never left alone"
    return outcome


async def subscribe_each(
    tx: Tx, *, sign_ups: Sequence[SignUp], waits: bool = True, now: datetime
) -> list[Answer | Refusal | None]:
    """Subscribe many, each as `subscribe` would alone, in order; who is refused keeps no other from it.

    None is who was left alone: whose customer another of them is of as well, or, if this does not wait, one whom another
    transaction holds. All of them are asked for by one caller.

    :raises Refusal: a promo code, or what may be billed, refuses one of them; nothing may be committed then
    """
    [only] = {each.asked.only for each in sign_ups}
    texts = list(dict.fromkeys(each.organization_id for each in sign_ups))
    held = await customers.hold_each(tx, texts=texts, only=only, waits=waits)
    known = await _known(tx, sign_ups, held)
    outcomes: list[Answer | Refusal | None] = [None] * len(sign_ups)
    beginnings: dict[int, Beginning] = {}
    at_it: set[CustomerId] = set()
    for place, sign_up in enumerate(sign_ups):
        customer = held.get(sign_up.organization_id)
        if customer is not None and customer.id in at_it:
            continue
        try:
            beginnings[place] = _beginning(sign_up, customer, known, now=now)
        except Refusal as refusal:
            outcomes[place] = refusal if waits or customer is not None else None
        else:
            at_it.add(beginnings[place].customer.id)
            tx.asked_by(beginnings[place].customer.id, sign_up.asked.request_id, sign_up.asked.traceparent)
    answers = await begin(tx, list(beginnings.values()), kind=OrderKind.SUBSCRIBE, now=now)
    for place, answer in zip(beginnings, answers, strict=True):
        outcomes[place] = answer
    return outcomes


async def _known(tx: Tx, sign_ups: Sequence[SignUp], held: Mapping[str, Customer]) -> _Known:
    tenant_id, theirs = tx.tenant_id, {each.id: Ref(each.tenant_id, each.id) for each in held.values()}
    had: dict[CustomerId, list[Subscription]] = defaultdict(list)
    for each in await subscriptions.of_customers(tx, customers=list(theirs.values())):
        had[each.customer_id].append(each)
    parents = [Ref(tenant_id, each.beside.parent_id) for each in sign_ups if each.beside is not None]
    methods = [Ref(tenant_id, each.payment_method_id) for each in sign_ups if each.payment_method_id is not None]
    asking = [(each, held[each.organization_id].id) for each in sign_ups if each.organization_id in held]
    without = [theirs[id_] for each, id_ in asking if each.payment_method_id is None]
    with_code = [id_ for each, id_ in asking if each.promo_code]  # only a code asks
    return _Known(
        plans=await catalog.newest(tx, plans=list(dict.fromkeys(each.plan for each in sign_ups))),
        had=had,
        parents={ref.id: each for ref, each in (await subscriptions.get(tx, refs=parents)).items()} if parents else {},
        methods={ref.id: each for ref, each in (await payments.named_methods(tx, refs=methods)).items()},
        with_default={CustomerId(ref.id) for ref in await payments.default_methods(tx, refs=without)}
        if without
        else frozenset(),
        with_purchases=await store.have_bought(tx, with_code) if with_code else frozenset(),
        tried=await _tried(tx, had),
    )


async def _tried(tx: Tx, had: Mapping[CustomerId, Sequence[Subscription]]) -> dict[CustomerId, AbstractSet[UUID]]:
    """Return the plans that their trials were of: one that was changed within it was a trial of both."""
    trials = {customer: [each.ref for each in own if each.trial_ends_at] for customer, own in had.items()}
    refs = sorted(ref for own in trials.values() for ref in own)
    history = await subscriptions.history(tx, refs=refs) if refs else {}
    return {customer: rules.tried(past for ref in own for past in history[ref]) for customer, own in trials.items()}


def _beginning(sign_up: SignUp, customer: Customer | None, known: _Known, *, now: datetime) -> Beginning:
    """Say how it would begin.

    :raises Refusal: what `subscribe` raises
    """
    start = sign_up.start or Start()
    starts_at = start.starts_at or now
    customer = found_customer(customer, name="organization_id")
    chosen = known.plans.get(sign_up.plan)
    if chosen is None:
        raise catalog.no_such_plan()
    if chosen.status is PlanStatus.ARCHIVED:
        raise catalog.PlanIsArchived(field="plan_id")
    price = rules.price_of(chosen, cycle=sign_up.billing_cycle, currency=sign_up.currency)
    terms = rules.agreed(chosen, price, quantity=sign_up.quantity, own=sign_up.own)
    starting.check_start(starts_at, now=now)
    starting.check_trial(days=start.trial_days, ends_at=start.trial_ends_at, starts_at=starts_at)
    had = known.had.get(customer.id, ())
    refuse_twice(had, chosen, parent_id=sign_up.beside.parent_id if sign_up.beside else None)
    parent = _parent(customer, chosen, sign_up.beside, known, currency=terms.currency)
    method = None
    if sign_up.payment_method_id is not None:
        method = check_found(known.methods.get(sign_up.payment_method_id), customer_id=customer.id)
    tried = known.tried.get(customer.id, frozenset())
    trial_days = 0 if start.trial_ends_at else rules.trial_days(chosen, asked=start.trial_days, had=had, tried=tried)
    starting.check_method(
        terms,
        has_trial=bool(trial_days or start.trial_ends_at),
        needs=start.trial_needs_method,
        has_method=method is not None or customer.id in known.with_default,
    )
    follows = parent is not None and sign_up.beside is not None and sign_up.beside.grid is AddOnGrid.PARENT
    return Beginning(
        customer=customer,
        terms=terms,
        starts_at=starts_at,
        asked=sign_up.asked,
        trial_days=trial_days,
        trial_ends_at=start.trial_ends_at,
        skips_past=start.past_periods is PastPeriods.SKIP and starts_at < now,
        anchor_at=parent.anchor_at if parent is not None and follows else None,
        parent_id=parent.id if parent else None,
        method=method,
        promo_code=sign_up.promo_code,
        is_first_purchase=sign_up.promo_code is not None
        and starting.is_first_purchase(had, has_bought=customer.id in known.with_purchases),
    )


def _parent(
    customer: Customer, plan: Plan, beside: Beside | None, known: _Known, *, currency: str
) -> Subscription | None:
    parent = None
    if beside is not None:
        parent = known.parents.get(beside.parent_id)
        if parent is None or parent.customer_id != customer.id:
            raise NotFound("there is no such subscription", field="parent_id")
    starting.check_parent(plan, parent, currency=currency)
    return parent


def refuse_twice(had: Sequence[Subscription], plan: Plan, *, parent_id: UUID | None) -> None:
    live = rules.live(had, plan.id, parent_id=parent_id)
    if live is not None:
        name = ids.to_text("sub", live.id)
        has = "has" if live.terms.plan_id == plan.id else "is to have"
        raise AlreadySubscribed(f"{name} {has} the plan {plan.code} and is {live.status.value}", field="plan_id")
