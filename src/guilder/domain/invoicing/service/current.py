"""What a subscription's use comes to before it is billed: so far, and if it went on as it did."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from guilder.domain.catalog.rules import rating as prices
from guilder.domain.invoicing.model import ChargeUse, CurrentUse, ProjectedBill
from guilder.domain.invoicing.rules import commitment, rerating
from guilder.domain.invoicing.rules.commitment import Counted, Part
from guilder.domain.invoicing.rules.drafts import fee_line
from guilder.domain.invoicing.rules.use import Stretch, Use
from guilder.domain.invoicing.service import rating
from guilder.domain.invoicing.service.opened import opened
from guilder.domain.invoicing.store import use as use_rows
from guilder.domain.subscriptions.model import Status, Subscription
from guilder.kernel.money import Money, total, zero
from guilder.platform.db.tx import Tx

_WITHOUT = frozenset({Status.SCHEDULED, Status.PROCESSING, Status.PAUSED, Status.CANCELED, Status.EXPIRED})
_FREE = frozenset({Status.SCHEDULED, Status.TRIALING})
_INSTANT = timedelta(microseconds=1)


async def current_use(tx: Tx, *, subscription: Subscription, now: datetime) -> CurrentUse:
    """Return the use since it was last closed, rated now."""
    uses: tuple[Use, ...] = ()
    period, currency = subscription.current_period, subscription.terms.currency
    billed = zero(currency)
    if (stretch := _stretch(subscription, now)) is not None:
        [found] = await rating.uses(tx, stretches=[stretch], until=_until(stretch, now))
        name = rating.name_of(stretch)
        known = rerating.billed((await use_rows.rated(tx, [name])).get(name, []))
        uses, period = found.uses, stretch.period
        billed = total([each.amount for each in known.values()], currency)
    return CurrentUse(
        subscription_id=subscription.id, period=period, uses=_said(uses), amount=_sum(uses, currency), billed=billed
    )


async def projected_bill(tx: Tx, *, subscription: Subscription, now: datetime) -> ProjectedBill:
    """Return what the period comes to so far, and on a straight line to its end."""
    current = await current_use(tx, subscription=subscription, now=now)
    terms, stretch = subscription.terms, _stretch(subscription, now)
    uses: tuple[Use, ...] = ()
    fee = fee_line(subscription, terms, subscription.current_period).amount
    if subscription.status in _FREE or subscription.ended_at is not None:
        fee = zero(terms.currency)
    if stretch is not None:
        # From its first instant no line can be drawn: then what it comes to so far is all that is known.
        is_projected = now > stretch.period.starts_at
        [found] = await rating.uses(tx, stretches=[stretch], until=_until(stretch, now), is_projected=is_projected)
        uses = found.uses
    projected = _sum(uses, terms.currency)
    return ProjectedBill(
        current=current,
        fee=fee,
        is_fee_billed=not terms.billing.in_arrears,
        missing=_missing(stretch, fee, current.amount),
        projected_uses=_said(uses),
        projected_use=projected,
        projected_missing=_missing(stretch, fee, projected),
    )


def _stretch(subscription: Subscription, now: datetime) -> Stretch | None:
    """Return the stretch that use is counted in; None where none is."""
    since = subscription.usage_from
    has_begun = since is not None and since <= now and since < subscription.current_period.ends_at
    if not has_begun or not subscription.terms.has_charges or subscription.status in _WITHOUT:
        return None
    return opened(subscription)


def _until(stretch: Stretch, now: datetime) -> datetime:
    """Return now; in the stretch's first instant, when a still clock has use already, the one after it."""
    return max(now, stretch.period.starts_at + _INSTANT)


def _missing(stretch: Stretch | None, fee: Money, use: Money) -> Money:
    """Return what is missing from the commitment; where use is billed more often than the fee, it is too early to say."""
    if stretch is None or stretch.terms.billing.usage_interval is not None:
        return zero(fee.currency)
    return commitment.missing([Part(terms=stretch.terms, share=stretch.share)], Counted(fees=fee, use=use))


def _said(uses: Sequence[Use]) -> tuple[ChargeUse, ...]:
    return tuple(
        ChargeUse(
            charge=each.charge.code,
            name=each.charge.name,
            meter=each.charge.meter,
            group=each.group,
            quantity=each.quantity,
            events=each.events,
            amount=each.rated.amount,
            sentence=prices.sentence(each.rated),
        )
        for each in uses
    )


def _sum(uses: Sequence[Use], currency: str) -> Money:
    return total([each.rated.amount for each in uses], currency)
