"""The SQL of totals: one statement for each kind of aggregation that is asked for, however many questions there are.

`rules/aggregation.py` is the reference; a property test holds the two to the same answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from guilder.domain.catalog.model import Aggregation
from guilder.domain.usage.model import Question, Reading
from guilder.domain.usage.rules.aggregation import amount_source, is_told, weighted
from guilder.domain.usage.rules.exact import NUMBER_PATTERN, tidy
from guilder.platform.db.columns import Columns
from guilder.platform.db.tx import Row, Tx


@dataclass(frozen=True, slots=True)
class _Way:
    """How one kind of aggregation is asked for: what is selected as `quantity`, and which events have a part in it."""

    quantity: str
    whole_past: bool = False


# The three that cost nothing beside each other are asked for at once.
_PLAINLY = _Way(
    "case q.aggregation when 'count' then count(*)::numeric when 'sum' then sum(e.value) else max(e.value) end"
)
_WAYS: dict[Aggregation, _Way] = {
    **dict.fromkeys((Aggregation.COUNT, Aggregation.SUM, Aggregation.MAX), _PLAINLY),
    Aggregation.UNIQUE_COUNT: _Way(
        """count(distinct case when q.property = '' then trim_scale(e.value)::text
                               else coalesce(e.properties ->> q.property, '') end)::numeric"""
    ),
    Aggregation.LATEST: _Way("(array_agg(e.value order by e.at desc, e.arrival desc))[1]"),
    Aggregation.WEIGHTED_SUM: _Way(
        # Values x microseconds, exact: an interval's epoch is a numeric.
        "sum(e.value * extract(epoch from (q.ends_at - greatest(e.at, q.starts_at))) * 1000000)",
        whole_past=True,
    ),
}
assert set(_WAYS) == set(Aggregation)


# `offset 0`: what stands for all questions is looked up once a question, and not again for each of its events.
_QUESTION = Columns(
    {
        "tenant_id": "uuid",
        "customer_id": "uuid",
        "meter_id": "uuid",
        "starts_at": "timestamptz",
        "ends_at": "timestamptz",
        "subscription_id": "uuid",
        "filters": "jsonb",
        "group_by": "jsonb",
        "aggregation": "text",
        "property": "text",
        "source": "text",
    }
)


async def totals(tx: Tx, questions: Sequence[Question]) -> list[list[Reading]]:
    """Answer each question, in order: at most four statements."""
    found: list[list[Reading]] = [[] for _ in questions]
    for way in dict.fromkeys(_WAYS.values()):
        numbers = [n for n, each in enumerate(questions) if _WAYS[each.meter.aggregation] is way]
        if not numbers:
            continue
        for row in await _ask(tx, [questions[n] for n in numbers], way):
            number = numbers[row["ordinal"] - 1]
            reading = _reading(questions[number], row)
            if is_told(questions[number], reading):
                found[number].append(reading)
    return [_ordered(question, readings) for question, readings in zip(questions, found, strict=True)]


# What only some questions ask for: each event would be sorted, searched or read for it, and is not where nobody asks.
_GROUP = """case when q.group_by = '[]' then '{}'::text[] else array(
                           select coalesce(e.properties ->> g.name, '')
                             from jsonb_array_elements_text(q.group_by) with ordinality as g (name, place)
                            order by g.place) end"""
_FILTERED = """and (q.filters = '[]' or not exists (
                        select from jsonb_array_elements(q.filters) as c (pair)
                         where not (c.pair -> 1) ? coalesce(e.properties ->> (c.pair ->> 0), '')))"""
_CARRIED = f"""case when q.source = '' then e.value
                                when e.properties ->> q.source ~ '{NUMBER_PATTERN}' then (e.properties ->> q.source)::numeric
                                else 0 end"""


async def _ask(tx: Tx, questions: Sequence[Question], way: _Way) -> list[Row]:
    sources = [amount_source(each) for each in questions]
    is_grouped = any(each.group_by for each in questions)
    starts = "" if way.whole_past else "and e.at >= q.starts_at"
    within = "filter (where e.at >= q.starts_at)" if way.whole_past else ""
    return await tx.fetch(
        f"""select q.ordinal, f.grp, f.quantity, f.events, f.amount
              from (select v.*, v.nth as ordinal from {_QUESTION.table} offset 0) as q
             cross join lateral (
                select {_GROUP if is_grouped else "'{}'::text[]"} as grp,
                       {way.quantity} as quantity,
                       count(*) {within} as events,
                       sum({_CARRIED if any(sources) else "e.value"}) {within} as amount
                  from usage.events e
                 where e.tenant_id = q.tenant_id and e.customer_id = q.customer_id and e.meter_id = q.meter_id
                   and e.at < q.ends_at {starts}
                   and e.status = 'counted'
                   and (q.subscription_id is null or e.subscription_id is null
                        or e.subscription_id = q.subscription_id)
                   {_FILTERED if any(each.filters for each in questions) else ""}
                 {"group by 1" if is_grouped else ""}
             ) f""",
        *_QUESTION.sent(
            [each.tenant_id for each in questions],
            [each.customer_id for each in questions],
            [each.meter.id for each in questions],
            [each.starts_at for each in questions],
            [each.ends_at for each in questions],
            [each.subscription_id for each in questions],
            [msgspec.json.encode(each.filters).decode() for each in questions],
            [msgspec.json.encode(each.group_by).decode() for each in questions],
            [each.meter.aggregation.value for each in questions],
            [each.meter.property for each in questions],
            sources,
        ),
    )


def _reading(question: Question, row: Row) -> Reading:
    quantity = row["quantity"] or Decimal(0)
    if question.meter.aggregation is Aggregation.WEIGHTED_SUM:
        quantity = weighted(quantity, question.starts_at, question.ends_at)
    return Reading(
        group=tuple(zip(question.group_by, row["grp"], strict=True)),
        quantity=tidy(quantity),
        events=row["events"],
        value=tidy(row["amount"] or Decimal(0)),
    )


def _ordered(question: Question, readings: list[Reading]) -> list[Reading]:
    if not readings and not question.group_by:
        return [Reading(group=(), quantity=Decimal(0), events=0, value=Decimal(0))]
    return sorted(readings, key=lambda each: each.group)
