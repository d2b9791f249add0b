"""Totals out."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from guilder.domain.catalog import service as catalog
from guilder.domain.customers.model import Customer
from guilder.domain.usage.model import MeterTotal, Question, Reading
from guilder.domain.usage.rules.alerts import month_of
from guilder.domain.usage.store import events as event_rows
from guilder.domain.usage.store import totals as total_rows
from guilder.platform.db.tx import Tx


async def totals(tx: Tx, *, questions: Sequence[Question]) -> list[list[Reading]]:
    """Answer each question, in order, by groups: a constant number of statements, however many questions there are."""
    assert all(each.starts_at < each.ends_at for each in questions), "a period has a length"
    return await total_rows.totals(tx, questions) if questions else []


async def current(tx: Tx, *, customer: Customer, now: datetime) -> list[MeterTotal]:
    """Return what a customer used in the present calendar month, where it is, of each meter that it ever used."""
    month = month_of(now, ZoneInfo(customer.time_zone))
    codes = await event_rows.meters_used(tx, customer.tenant_id, customer.id)
    names = [(customer.tenant_id, code) for code in codes]
    meters = await catalog.meters(tx, tenant_codes=names)
    questions = [
        Question(
            tenant_id=customer.tenant_id,
            customer_id=customer.id,
            meter=meters[name],
            starts_at=month.starts_at,
            ends_at=month.ends_at,
        )
        for name in names
    ]
    return [
        MeterTotal(
            meter=question.meter,
            starts_at=month.starts_at,
            ends_at=month.ends_at,
            quantity=reading.quantity,
            events=reading.events,
        )
        for question, [reading] in zip(questions, await totals(tx, questions=questions), strict=True)
    ]
