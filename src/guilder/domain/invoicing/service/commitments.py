"""Minimum commitments: what a period came to, over all of its parts, and what is missing from the least."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from guilder.domain.catalog.model import Basis
from guilder.domain.invoicing.model import NewLine
from guilder.domain.invoicing.rules import commitment, rerating
from guilder.domain.invoicing.rules.billed import of_each_line
from guilder.domain.invoicing.rules.commitment import CHARGE, Counted, Part
from guilder.domain.invoicing.rules.rerating import Once
from guilder.domain.invoicing.service import rating
from guilder.domain.invoicing.store import use as use_rows
from guilder.domain.invoicing.store.use import FeeLine, Rating
from guilder.domain.invoicing.store.use import Stretch as Name
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Segment, SegmentKind, Subscription
from guilder.domain.subscriptions.rules import grid, shares
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money, total, zero
from guilder.kernel.noun import replace
from guilder.kernel.period import Period
from guilder.platform.db.tx import Tx

HUNDRED = 100
_BY_TIME = {Basis.NONE: Basis.SECOND, Basis.DIFFERENCE: Basis.SECOND}


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """A stretch of use that closes its fee's period, with the fees in arrears that are billed beside it, and what is given
    back of fees."""

    subscription: Subscription
    segment: Segment
    fees: tuple[NewLine, ...] = ()
    given_back: tuple[NewLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A stretch that was billed, and is billed differently now."""

    subscription: Subscription
    segment: Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeUp:
    """What a period is short of, as the lines that bill what changed about that, and as it is remembered."""

    segment: Segment
    rating: Rating
    lines: Sequence[NewLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Whole:
    """A fee's period that is over: the stretches that it consists of, the last of which closes it."""

    subscription: Subscription
    chain: tuple[Segment, ...]
    fees: tuple[NewLine, ...] = ()
    given_back: tuple[NewLine, ...] = ()

    @property
    def last(self) -> Segment:
        return self.chain[-1]

    @property
    def period(self) -> Period:
        return Period(self.chain[0].period.starts_at, self.last.period.ends_at)

    @property
    def is_committed(self) -> bool:
        return any(not commitment.committed(each.terms).is_zero for each in self.chain)


async def make_up(
    tx: Tx,
    *,
    closing: Sequence[Closing],
    changed: Sequence[Changed],
    segments: Sequence[Segment],
    ratings: Sequence[Rating],
) -> list[MadeUp]:
    """Work out what is missing from the periods that close, and anew for those that a change was billed in.

    `segments` and `ratings` are the stretches of use that are being billed in this transaction, and what they come to: they
    count, whether they are written down already or not.
    """
    wholes = [whole for whole in await _wholes(tx, closing, changed, segments) if whole.is_committed]
    if not wholes:
        return []
    names = {(each.tenant_id, each.subscription_id, each.period.starts_at) for whole in wholes for each in whole.chain}
    before = await rating.before(tx, sorted(names))
    fees = await use_rows.fees_within(tx, [(whole.subscription.ref, whole.period) for whole in wholes])
    made = []
    for whole in wholes:
        counted = Counted(
            fees=_fees(whole, [each for each in fees if each.subscription == whole.subscription.ref]),
            use=_use(whole, before, ratings),
        )
        made.append(_made_up(whole, counted, before.get(_name(whole.last), [])))
    return [each for each in made if each is not None]


def _made_up(whole: _Whole, counted: Counted, times: Sequence[Once]) -> MadeUp | None:
    billed = rerating.billed(times).get((CHARGE, ""))
    parts = [Part(terms=each.terms, share=_share(whole, each)) for each in whole.chain]
    line = commitment.line(parts, counted, subscription_id=whole.subscription.id, period=whole.period, billed=billed)
    if line is None:
        return None
    missing = commitment.missing(parts, counted)
    lines = of_each_line(line, billed, missing)
    rated = Rating(
        stretch=_name(whole.last),
        once=Once(
            charge=CHARGE,
            group=(),
            group_key="",
            number=(billed.number if billed else 0) + 1,
            cause=rerating.LATE if billed else rerating.CLOSED,
            total=missing,
            amount=total([each.amount for each in lines], missing.currency),
        ),
        quantity=Decimal(1),
        billed_item=lines[0].billed_item,
    )
    return MadeUp(segment=whole.last, rating=rated, lines=lines)


async def _wholes(
    tx: Tx, closing: Sequence[Closing], changed: Sequence[Changed], segments: Sequence[Segment]
) -> list[_Whole]:
    about: list[Closing | Changed] = [*closing, *changed]
    if not about:
        return []
    since = {each.segment.ref: _fee_period(each.subscription, each.segment).starts_at for each in about}
    billed = await subscriptions.billed_since_closed(
        tx,
        subscriptions=sorted({each.subscription.ref for each in about}),
        kind=SegmentKind.USAGE,
        before=min(since.values()),
    )
    of: dict[Ref, dict[Ref, Segment]] = {}
    for segment in [*billed, *segments, *(each.segment for each in about)]:
        of.setdefault(Ref(segment.tenant_id, segment.subscription_id), {})[segment.ref] = segment
    beside = {each.segment.ref: each for each in closing}
    wholes: dict[Ref, _Whole] = {}
    for each in about:
        chain = _chain(each.segment, of[each.subscription.ref])
        if chain is not None:
            last = chain[-1].ref
            own = beside.get(last)
            wholes[last] = _Whole(
                subscription=each.subscription,
                chain=chain,
                fees=own.fees if own else (),
                given_back=own.given_back if own else (),
            )
    return list(wholes.values())


def _chain(segment: Segment, found: Mapping[Ref, Segment]) -> tuple[Segment, ...] | None:
    """Return the stretches of the period that this one is of; None while its last one is not billed."""
    in_order = sorted(found.values(), key=lambda each: each.period.starts_at)
    at = next(n for n, each in enumerate(in_order) if each.ref == segment.ref)
    last = next((n for n in range(at, len(in_order)) if in_order[n].closes_period), None)
    if last is None:
        return None
    first = next((n + 1 for n in range(last - 1, -1, -1) if in_order[n].closes_period), 0)
    return tuple(in_order[first : last + 1])


def _fee_period(subscription: Subscription, segment: Segment) -> Period:
    """Return the full period of the fee that holds a stretch. Of use that is billed more often than the fee, the grid
    that the subscription stands on says it."""
    if segment.terms.billing.usage_interval is None:
        return segment.full_period
    zone = ZoneInfo(subscription.time_zone)
    return grid.period_at(subscription.anchor_at, zone, segment.terms.interval, segment.period.starts_at)[1]


def _share(whole: _Whole, segment: Segment) -> Fraction:
    basis = segment.terms.billing.basis
    return shares.measure(
        _BY_TIME.get(basis, basis),
        part=segment.period,
        full=_fee_period(whole.subscription, segment),
        interval=segment.terms.interval,
        zone=ZoneInfo(whole.subscription.time_zone),
    ).share


def _use(whole: _Whole, before: Mapping[Name, Sequence[Once]], ratings: Sequence[Rating]) -> Money:
    """Add up what the use of all of its stretches comes to by now."""
    names = {_name(each) for each in whole.chain}
    amounts = {
        (name, key): billed.amount
        for name in names
        for key, billed in rerating.billed(before.get(name, [])).items()
        if key[0] != CHARGE
    }
    amounts |= {
        (each.stretch, each.once.key): each.once.total
        for each in ratings
        if each.stretch in names and each.once.charge != CHARGE
    }
    return total(list(amounts.values()), whole.last.terms.currency)


def _fees(whole: _Whole, lines: Sequence[FeeLine]) -> Money:
    """Add up the fees of the period before their discounts, less what is given back of them with its end; what gives back a
    fee from before the period is not of it."""
    period, currency = whole.period, whole.last.terms.currency
    is_inclusive = whole.last.terms.billing.is_tax_inclusive
    own = {each.line_id: each for each in lines if _is_of(period, each)}
    back = [_given_back(each, own[each.credits_line_id]) for each in whole.given_back if each.credits_line_id in own]
    amounts = [_before_discount(each, currency, is_inclusive=is_inclusive) for each in [*own.values(), *back]]
    now = [line.amount for line in whole.fees if line.period and period.holds(line.period.starts_at)]
    return total([*amounts, *now], currency) if amounts or now else zero(currency)


def _is_of(period: Period, line: FeeLine) -> bool:
    if line.credited_starts_at is None:
        return period.holds(line.starts_at)
    # The end itself gives back what is unused from there on.
    return period.holds(line.credited_starts_at) and line.starts_at <= period.ends_at


def _given_back(credit: NewLine, of: FeeLine) -> FeeLine:
    """Return a credit that is made just now; what it withholds is given back to the customer by others, or later."""
    withheld = credit.explanation.get("withheld", 0)
    assert isinstance(withheld, int), credit
    return replace(
        of,
        amount_minor=credit.amount.minor - withheld,
        discount_minor=0,
        credited_amount_minor=of.amount_minor,
        credited_discount_minor=of.discount_minor,
    )


def _before_discount(line: FeeLine, currency: str, *, is_inclusive: bool) -> Money:
    """Return a line as it was priced: a credit of a line that had a discount gave back so much less."""
    minor = Fraction(line.amount_minor + line.discount_minor)
    if line.credited_amount_minor:
        minor = minor * (line.credited_amount_minor + (line.credited_discount_minor or 0)) / line.credited_amount_minor
    if is_inclusive:
        minor = minor * (HUNDRED + Fraction(line.tax_percent)) / HUNDRED
    return Money(1, currency).times_half_up(minor)


def _name(segment: Segment) -> Name:
    return segment.tenant_id, segment.subscription_id, segment.period.starts_at
