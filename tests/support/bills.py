"""Bills as the stories tell them: each line in a row, short enough to be read beside its sum on paper."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tests.support.doctor import assert_healthy
from tests.support.processes import Installation
from tests.support.world import World, a_world

# What has to do with money, in the order of the log. Documents and messages are made beside it, when they are made.
MONEY = ("subscriptions.", "invoicing.", "payments.payment.")
BESIDE = frozenset({"invoicing.invoice.document_stored"})
BILLED = ["payment.requested", "invoice.finalized"]  # to be collected: announced by one transaction, in this order
PAID = ["payment.succeeded", "invoice.paid"]

Row = tuple[str, int, str]  # kind, amount, period


class Bill(NamedTuple):
    """An invoice, or a credit note, with what is still to be paid of it."""

    number: str
    lines: list[Row]
    tax: int
    total: int
    due: int = 0


def bill(invoice: Any) -> Bill:
    rows = [row(line) for line in invoice["lines"]]
    return Bill(invoice["number"], rows, invoice["tax"], invoice["total"], invoice["amount_due"])


def row(line: Any) -> Row:
    return line["kind"], line["amount"], period(line["period_start"], line["period_end"])


def period(starts_at: str | None, ends_at: str | None) -> str:
    """Write a period: `2026-06-01/2026-07-01`; an instant that is no midnight in UTC with its time."""
    if starts_at is None or ends_at is None:
        return ""
    return f"{moment(starts_at)}/{moment(ends_at)}"


def moment(written: str | datetime) -> str:
    at = datetime.fromisoformat(written) if isinstance(written, str) else written
    at = at.astimezone(UTC)
    if (at.hour, at.minute, at.second, at.microsecond) == (0, 0, 0, 0):
        return f"{at:%Y-%m-%d}"
    return f"{at:%Y-%m-%dT%H:%M}" + (f":{at:%S.%f}".rstrip("0").rstrip(".") if at.second or at.microsecond else "")


def current_period(subscription: Any) -> str:
    return period(subscription["current_period_start"], subscription["current_period_end"])


async def bills(world: World, organization_id: str = "acme") -> list[Bill]:
    return [bill(invoice) for invoice in await world.invoices(organization_id)]


async def told(world: World) -> list[str]:
    """Return the facts about money announced since this was last asked, in order: `invoice.paid` and the like."""
    heard = await world.heard()
    return [name.partition(".")[2] for name in heard if name.startswith(MONEY) and name not in BESIDE]


@asynccontextmanager
async def a_story(installation: Installation, starts_at: str) -> AsyncIterator[World]:
    """A sandbox whose clock stands at `starts_at` (UTC); when the story is over, doctor looks at everything."""
    begins = datetime.fromisoformat(starts_at).replace(tzinfo=UTC)
    async with a_world(installation, starts_at=begins) as world:
        yield world
        await assert_healthy(installation, tenant_id=world.tenant_id)
