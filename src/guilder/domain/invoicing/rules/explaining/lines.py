"""A line explained: what was written into it, put in order, reckoned again, and told."""

from zoneinfo import ZoneInfo

from guilder.domain.invoicing.model import Invoice, Line
from guilder.domain.invoicing.rules.document import Speaker
from guilder.domain.invoicing.rules.explaining.reading import (
    Explanation,
    discounts_of,
    full_period_of,
    inputs_of,
    rule_of,
    share_of,
    steps_of,
    tax_of,
)
from guilder.domain.invoicing.rules.explaining.reckoning import price_of, reckon
from guilder.domain.invoicing.rules.explaining.sentences import Telling, sentence

ROUNDING = "half_up"


def explain(line: Line, invoice: Invoice, speaker: Speaker) -> Explanation:
    """Say why a line is what it is. `speaker` speaks one of the languages of `words`."""
    discounts, tax = discounts_of(line), tax_of(line)
    telling = Telling(line=line, speaker=speaker, zone=ZoneInfo(invoice.time_zone))
    return Explanation(
        line=line,
        rule=rule_of(line),
        inputs=inputs_of(line),
        period=line.period,
        full_period=full_period_of(line),
        share=share_of(line),
        tiers=steps_of(line.explanation),
        price=price_of(line),
        discounts=discounts,
        tax=tax,
        rounding=str(line.explanation.get("rounding", ROUNDING)),
        is_reproduced=reckon(line) == line.amount,
        sentence=sentence(telling, discounts, tax),
    )
