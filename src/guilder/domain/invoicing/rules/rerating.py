"""What was billed of a stretch before: worked out from each time that it was rated."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from msgspec import Struct

from guilder.domain.invoicing.model import AppliedRate, TaxTotal
from guilder.domain.invoicing.rules import taxation
from guilder.domain.invoicing.rules.billed import Billed, Part
from guilder.domain.invoicing.rules.use import Key
from guilder.domain.usage.model import Group
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money

PROGRESSIVE, CLOSED, LATE = "progressive", "closed", "late"


class Once(Struct, frozen=True, kw_only=True):
    """One time that a charge and group of a stretch was rated; with the line that it was billed by, where that stands."""

    charge: str
    group: Group
    group_key: str
    number: int
    cause: str
    total: Money
    amount: Money
    line_id: UUID | None = None
    invoice: Ref | None = None
    invoice_number: str = ""
    net_minor: int = 0
    charged_minor: int = 0  # by its line, in the terms of its price: with the tax that the price contains
    discount_minor: int = 0
    tax_percent: Decimal = Decimal(0)
    tax_code: str = "standard"
    taxes: tuple[TaxTotal, ...] = ()
    tax_named: Mapping[str, str] | None = None  # which of them it is, where several are of its percentage
    left_minor: int | None = None  # of its line, that can still be given back; None where nobody asked

    @property
    def key(self) -> Key:
        return self.charge, self.group_key


def billed(times: Sequence[Once]) -> dict[Key, Billed]:
    """Return what was billed of each charge and group.

    While a stretch is open, what counts are the invoices that stand: one that was voided is billed again with the rest.
    Once it is over, its use counts as billed, whatever became of the invoice: taking that back is a decision, which a
    reading that comes late does not undo.
    """
    by_key: dict[Key, list[Once]] = {}
    for each in sorted(times, key=lambda each: each.number):
        by_key.setdefault(each.key, []).append(each)
    return {key: _billed(found) for key, found in by_key.items()}


def is_over(times: Sequence[Once]) -> bool:
    """Say whether a stretch was billed after it was over: what it comes to since then came late."""
    return any(each.cause != PROGRESSIVE for each in times)


def groups(times: Sequence[Once]) -> dict[Key, Group]:
    return {each.key: each.group for each in times}


def _billed(times: Sequence[Once]) -> Billed:
    over = [each for each in times if each.cause != PROGRESSIVE]
    standing = [each for each in times if each.line_id is not None]
    amount = over[-1].total if over else _sum(standing, times[0].total.currency)
    # What is given back is given back of the largest line first: the one that most of it was paid with.
    charged = sorted((each for each in standing if each.amount.minor > 0), key=lambda each: -each.net_minor)
    original = next(iter(charged), None)
    return Billed(
        amount=amount,
        number=times[-1].number,
        invoice_number=", ".join(dict.fromkeys(each.invoice_number for each in standing)),
        line_id=original.line_id if original else None,
        taxed_as=_applied(original) if original else None,
        kept=_kept(original) if original else Fraction(1),
        left=_left(times, standing),
        parts=tuple(_part(each) for each in charged) if len(charged) > 1 and _is_known(charged) else (),
    )


def _is_known(charged: Sequence[Once]) -> bool:
    return all(each.left_minor is not None for each in charged)


def _part(once: Once) -> Part:
    assert once.line_id is not None, once
    left = Money(max(once.left_minor or 0, 0), once.amount.currency)
    return Part(line_id=once.line_id, taxed_as=_applied(once), kept=_kept(once), left=left)


def _left(times: Sequence[Once], standing: Sequence[Once]) -> Money | None:
    known = [each.left_minor for each in standing if each.amount.minor > 0]
    minors = [minor for minor in known if minor is not None]
    return Money(max(sum(minors), 0), times[0].total.currency) if len(minors) == len(known) else None


def _sum(times: Sequence[Once], currency: str) -> Money:
    return sum((each.amount for each in times), start=Money(0, currency))


def _applied(once: Once) -> AppliedRate:
    return taxation.rate_among(once.taxes, once.tax_percent, once.tax_code, named=once.tax_named)


def _kept(once: Once) -> Fraction:
    before = once.net_minor + once.discount_minor
    return Fraction(once.net_minor, before) if before else Fraction(1)
