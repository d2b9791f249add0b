"""Use rated: charges, meters and readings brought together, many stretches at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Aggregation, Charge, Meter
from guilder.domain.invoicing.model import NewLine
from guilder.domain.invoicing.rules import rerating, use
from guilder.domain.invoicing.rules.billed import Billed
from guilder.domain.invoicing.rules.giving_back import went
from guilder.domain.invoicing.rules.rerating import Once
from guilder.domain.invoicing.rules.use import PricedCharge, Stretch, Use
from guilder.domain.invoicing.service import giving_back
from guilder.domain.invoicing.store import use as use_rows
from guilder.domain.invoicing.store.use import Rating
from guilder.domain.invoicing.store.use import Stretch as Name
from guilder.domain.usage import service as usage
from guilder.domain.usage.model import Question, Reading
from guilder.kernel.ids import Ref, TenantId
from guilder.kernel.money import zero
from guilder.kernel.noun import replace
from guilder.kernel.period import Period
from guilder.platform.db.tx import Tx

_Asked = tuple[Stretch, PricedCharge, Meter]
_FRACTION_DIGITS = Decimal("0.000000000001")
_MICROSECOND = timedelta(microseconds=1)
# What grows with time. A highest or last value, or a number of different ones, is taken as it is; so is a level's mean.
_GROWING = frozenset({Aggregation.COUNT, Aggregation.SUM})


@dataclass(frozen=True, slots=True)
class Found:
    """What a stretch comes to, by charge and group; with all charges that its plan has, used or not."""

    stretch: Stretch
    charges: tuple[Charge, ...]
    uses: tuple[Use, ...]


async def uses(
    tx: Tx, *, stretches: Sequence[Stretch], until: datetime | None = None, is_projected: bool = False
) -> list[Found]:
    """Return what the charges of each stretch come to, in order; with `until`, so far, or
    (`is_projected`) as if use went on from there as it did until then.

    A constant number of statements, however many stretches there are.
    """
    if not stretches:
        return []
    asked = await _asked(tx, stretches)
    questions = [_question(each, until) for found in asked for each in found]
    answers = iter(await usage.totals(tx, questions=questions))
    made = []
    for stretch, found in zip(stretches, asked, strict=True):
        rated = [
            use.rate(stretch, charge, _read(stretch, meter, next(answers), until, is_projected=is_projected))
            for _, charge, meter in found
        ]
        charges = tuple(charge.charge for _, charge, _ in found)
        made.append(Found(stretch, charges, tuple(each for part in rated for each in part)))
    return made


async def before(tx: Tx, names: Sequence[Name]) -> dict[Name, list[Once]]:
    """Return what was rated of stretches, with what is left of its lines: not credited, and not gone without a note."""
    found = await use_rows.rated(tx, names)
    invoices = {each.invoice for times in found.values() for each in times if each.invoice is not None}
    gone = await giving_back.gone(tx, invoices=sorted(invoices)) if invoices else {}
    return {name: [_without(each, gone) for each in times] for name, times in found.items()} if gone else found


def _without(once: Once, gone: Mapping[Ref, Fraction]) -> Once:
    part = gone.get(Ref(once.invoice.tenant_id, once.line_id)) if once.invoice and once.line_id else None
    if once.left_minor is None or part is None:
        return once
    return replace(once, left_minor=max(once.left_minor - went(once.charged_minor, part), 0))


def name_of(stretch: Stretch) -> Name:
    return stretch.tenant_id, stretch.subscription_id, stretch.period.starts_at


def all_of(found: Found, times: Sequence[Once]) -> list[Use]:
    """Return what a stretch comes to, and what was billed of it and has no readings any more as coming to nothing."""
    if not times:
        return list(found.uses)
    present = {each.key for each in found.uses}
    charges = {each.code: each for each in found.charges}
    gone = [
        use.unused(charges[code], group, found.stretch.terms.currency)
        for (code, key), group in sorted(rerating.groups(times).items())
        if code in charges and (code, key) not in present
    ]
    return [*found.uses, *gone]


def written(stretch: Stretch, each: Use, billed: Billed | None, lines: Sequence[NewLine], *, cause: str) -> Rating:
    """Return what is to be remembered of a rating and its line, or the first of several."""
    charge, group_key = each.key
    difference = each.rated.amount - billed.amount if billed else each.rated.amount
    return Rating(
        stretch=name_of(stretch),
        once=Once(
            charge=charge,
            group=each.group,
            group_key=group_key,
            number=(billed.number if billed else 0) + 1,
            cause=cause,
            total=each.rated.amount,
            amount=difference if lines else zero(stretch.terms.currency),
        ),
        quantity=each.quantity,
        billed_item=lines[0].billed_item if lines else None,
    )


async def _asked(tx: Tx, stretches: Sequence[Stretch]) -> list[list[_Asked]]:
    keys = [(each.tenant_id, each.terms.plan_id, each.terms.plan_version) for each in stretches]
    plans = await catalog.versions(tx, keys=sorted(set(keys)))
    charges = [use.priced(each.terms, plans[key]) for each, key in zip(stretches, keys, strict=True)]
    codes: set[tuple[TenantId, str]] = {
        (stretch.tenant_id, each.charge.meter)
        for stretch, found in zip(stretches, charges, strict=True)
        for each in found
    }
    meters = await catalog.meters(tx, tenant_codes=sorted(codes))
    return [
        [(stretch, each, meters[stretch.tenant_id, each.charge.meter]) for each in found]
        for stretch, found in zip(stretches, charges, strict=True)
    ]


def _question(asked: _Asked, until: datetime | None) -> Question:
    """Ask for all that was counted by now; a level is weighed up to `until` alone, for it is not known what follows."""
    stretch, charge, meter = asked
    if not _is_cut(stretch, meter, until):
        return use.question(stretch, charge, meter)
    assert until is not None
    assert until > stretch.period.starts_at, stretch
    return use.question(replace(stretch, period=Period(stretch.period.starts_at, until)), charge, meter)


def _is_cut(stretch: Stretch, meter: Meter, until: datetime | None) -> bool:
    return until is not None and until < stretch.period.ends_at and meter.aggregation is Aggregation.WEIGHTED_SUM


def _read(
    stretch: Stretch, meter: Meter, readings: Sequence[Reading], until: datetime | None, *, is_projected: bool
) -> Sequence[Reading]:
    """Weigh a level that was weighed up to `until` against the whole stretch; or draw a straight line to its end."""
    if meter.aggregation is Aggregation.WEIGHTED_SUM and stretch.share != 1:
        # Its mean is that of the stretch: of the full period, whose price it is, it is the stretch's share.
        readings = [replace(each, quantity=_times(each.quantity, stretch.share)) for each in readings]
    if until is None or until >= stretch.period.ends_at:
        return readings
    part, whole = until - stretch.period.starts_at, stretch.period.ends_at - stretch.period.starts_at
    passed = Fraction(part // _MICROSECOND, whole // _MICROSECOND)
    if _is_cut(stretch, meter, until) and not is_projected:
        return [replace(each, quantity=_times(each.quantity, passed)) for each in readings]
    if not is_projected or meter.aggregation not in _GROWING:
        return readings
    return [
        replace(
            each,
            quantity=_times(each.quantity, 1 / passed),
            events=round(each.events / passed),
            value=_times(each.value, 1 / passed),
        )
        for each in readings
    ]


def _times(quantity: Decimal, share: Fraction) -> Decimal:
    return (quantity * share.numerator / share.denominator).quantize(_FRACTION_DIGITS)
