"""What readings come to. The reference for what the store asks of the database, and the same to the last digit."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from guilder.domain.catalog.model import Aggregation
from guilder.domain.usage.model import EventStatus, Group, Question, Reading, UsageEvent
from guilder.domain.usage.rules.exact import carried, rounded, total
from guilder.domain.usage.rules.intake import reads_property

_MICROSECOND = timedelta(microseconds=1)


def readings(question: Question, events: Sequence[UsageEvent]) -> list[Reading]:
    """Answer a question from all events that there are, given in the order in which they arrived."""
    grouped: dict[Group, list[UsageEvent]] = {} if question.group_by else {(): []}
    for event in events:
        if counts(question, event):
            grouped.setdefault(group_of(question, event.properties), []).append(event)
    found = [_reading(question, group, members) for group, members in sorted(grouped.items())]
    return [each for each in found if is_told(question, each)]


def together(readings: Sequence[Reading]) -> Reading:
    """Add readings of several groups up."""
    return Reading(
        group=(),
        quantity=sum((each.quantity for each in readings), start=Decimal(0)),
        events=sum(each.events for each in readings),
        value=sum((each.value for each in readings), start=Decimal(0)),
    )


def counts(question: Question, event: UsageEvent) -> bool:
    """Say whether an event has a part in the answer; to a weighted sum every earlier one has."""
    return (
        (event.tenant_id, event.customer_id, event.meter_id)
        == (question.tenant_id, question.customer_id, question.meter.id)
        and event.status is EventStatus.COUNTED
        and event.at < question.ends_at
        and (event.at >= question.starts_at or question.meter.aggregation is Aggregation.WEIGHTED_SUM)
        and (
            None in (question.subscription_id, event.subscription_id)
            or event.subscription_id == question.subscription_id
        )
        and all(event.properties.get(name, "") in values for name, values in question.filters)
    )


def group_of(question: Question, properties: Mapping[str, str]) -> Group:
    return tuple((name, properties.get(name, "")) for name in question.group_by)


def is_told(question: Question, reading: Reading) -> bool:
    """Say whether a group belongs in the answer: something happened in it, or a level other than zero stood."""
    return not question.group_by or reading.events > 0 or reading.quantity != 0


def amount_source(question: Question) -> str:
    """Return the property that `Reading.value` adds up; empty means the value of the event, which is exact already."""
    if question.amount_property:
        return question.amount_property
    return "" if reads_property(question.meter) else question.meter.property


def weighted(weight: Decimal | Fraction, starts_at: datetime, ends_at: datetime) -> Decimal:
    """Return the mean level: what the level came to over time (in values x microseconds) over the period's length.

    The one division of this room; it is rounded half-up to 12 places, once.
    """
    return rounded(Fraction(weight) / ((ends_at - starts_at) // _MICROSECOND))


def _reading(question: Question, group: Group, events: Sequence[UsageEvent]) -> Reading:
    within = [event for event in events if event.at >= question.starts_at]
    source = amount_source(question)
    return Reading(
        group=group,
        quantity=_QUANTITIES[question.meter.aggregation](question, events),
        events=len(within),
        value=total(carried(event.value, event.properties, source) for event in within),
    )


def _count(question: Question, events: Sequence[UsageEvent]) -> Decimal:
    return Decimal(len(events))


def _sum(question: Question, events: Sequence[UsageEvent]) -> Decimal:
    return total(event.value for event in events)


def _max(question: Question, events: Sequence[UsageEvent]) -> Decimal:
    return max((event.value for event in events), default=Decimal(0))


def _unique_count(question: Question, events: Sequence[UsageEvent]) -> Decimal:
    name = question.meter.property
    different: Iterable[str | Decimal] = {event.properties.get(name, "") if name else event.value for event in events}
    return Decimal(len(list(different)))


def _latest(question: Question, events: Sequence[UsageEvent]) -> Decimal:
    # Of several at one instant the last to arrive: `max` keeps the first that it meets, so the newest come first.
    return max(reversed(events), key=lambda event: event.at).value if events else Decimal(0)


def _weighted_sum(question: Question, events: Sequence[UsageEvent]) -> Decimal:
    weight = Fraction(0)
    for event in events:
        stood = (question.ends_at - max(event.at, question.starts_at)) // _MICROSECOND
        weight += Fraction(event.value) * stood
    return weighted(weight, question.starts_at, question.ends_at)


_QUANTITIES: dict[Aggregation, Callable[[Question, Sequence[UsageEvent]], Decimal]] = {
    Aggregation.COUNT: _count,
    Aggregation.SUM: _sum,
    Aggregation.MAX: _max,
    Aggregation.UNIQUE_COUNT: _unique_count,
    Aggregation.LATEST: _latest,
    Aggregation.WEIGHTED_SUM: _weighted_sum,
}
assert set(_QUANTITIES) == set(Aggregation)
