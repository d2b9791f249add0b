"""What a credit note gives back of an invoice: never more than what is left of each line, and of the whole.

Net and tax are rounded once each for every line; what takes the last of a line takes its tax to the cent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from uuid import UUID

from guilder.domain.invoicing.model import Draft, Invoice, Line, LineKind, NewLine
from guilder.domain.invoicing.rules import taxation
from guilder.domain.invoicing.rules.discounting import shared
from guilder.kernel.errors import Conflict, Invalid, NotFound
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money, round_half_up

# Use is earned when it is billed, also where that is before its period is over.
_EARNED_AT_ONCE = frozenset({LineKind.USAGE, LineKind.USAGE_ADJUSTMENT, LineKind.COMMITMENT, LineKind.PREPAID})


class CreditTooLarge(Conflict):
    """This is more than is left of what was billed."""

    code = "credit_too_large"


class NoSuchLine(NotFound):
    """The invoice has no such line."""

    code = "no_such_line"


class BadCreditAmount(Invalid):
    """What is credited should be more than nothing."""

    code = "bad_credit_amount"


@dataclass(frozen=True, slots=True)
class Left:
    """What of a line has not been given back yet, in minor units."""

    line: Line
    net: int
    tax: int

    @property
    def gross(self) -> int:
        return self.net + self.tax


@dataclass(frozen=True, slots=True)
class Back:
    """What is given back of a line, in minor units."""

    line: Line
    net: int
    tax: int


def left_of(invoice: Invoice, credited: Mapping[UUID, tuple[int, int]]) -> list[Left]:
    """Return what is left of each line; `credited` gives (net, tax) of what credits it already, negative as it stands."""
    found = []
    for line in invoice.lines:
        net, tax = credited.get(line.id, (0, 0))
        found.append(Left(line, line.amount.minor + net, line.tax.minor + tax))
    return found


def whole(left: Sequence[Left]) -> list[Back]:
    """Give back all that is left, credits on the invoice included: they are taken back with it."""
    return [Back(each.line, each.net, each.tax) for each in left if each.net or each.tax]


def of_lines(left: Sequence[Left], asked: Sequence[tuple[UUID, int | None]]) -> list[Back]:
    """Give back so much net of these lines, or all that is left of one without an amount.

    :raises NoSuchLine: a line is not on the invoice
    :raises BadCreditAmount: an amount is nothing, or a line is named twice
    :raises CreditTooLarge: less is left of a line
    """
    known = {each.line.id: each for each in left}
    if len({line_id for line_id, _ in asked}) < len(asked):
        raise BadCreditAmount("a line is named twice", field="lines")
    back = []
    for line_id, amount in asked:
        each = known.get(line_id)
        if each is None:
            raise NoSuchLine(field="lines")
        net = each.net if amount is None else amount
        if net <= 0:
            raise BadCreditAmount(field="lines") if amount is not None else CreditTooLarge(field="lines")
        if net > each.net:
            raise CreditTooLarge(f"{Money(max(each.net, 0), each.line.amount.currency)} is left", field="lines")
        back.append(Back(each.line, net, _tax_of(each, net)))
    return back


def of_amount(left: Sequence[Left], amount: int) -> list[Back]:
    """Give back so much with its tax, spread over the lines pro rata to what is left of them.

    :raises BadCreditAmount: it is nothing
    :raises CreditTooLarge: less is left
    """
    if amount <= 0:
        raise BadCreditAmount(field="amount")
    owing = [each for each in left if each.net > 0]
    if amount > sum(each.gross for each in owing):
        raise CreditTooLarge(field="amount")
    parts = shared(amount, [each.gross for each in owing], [str(each.line.id) for each in owing])
    back = []
    for each, part in zip(owing, parts, strict=True):
        net = round_half_up(Fraction(part * each.net, each.gross))
        if part:
            back.append(Back(each.line, net, part - net))
    return back


def draft_of(invoice: Invoice, back: Sequence[Back], *, cause: UUID, reason: str, now: datetime) -> Draft:
    """Return the draft of the credit note: its lines are taxed as what they give back."""
    return Draft(
        tenant_id=invoice.tenant_id,
        customer_id=invoice.customer_id,
        currency=invoice.currency,
        lines=tuple(_line(invoice, each, cause=cause, reason=reason, now=now) for each in back),
        issued_at=now,
        subscription_id=invoice.subscription_id,
        issuer_id=invoice.issuer_id,
        corrects_invoice_id=invoice.id,
        takes_discounts=False,
        memo=reason,
    )


def _tax_of(left: Left, net: int) -> int:
    return left.tax if net == left.net else round_half_up(Fraction(left.tax * net, left.net))


def _line(invoice: Invoice, back: Back, *, cause: UUID, reason: str, now: datetime) -> NewLine:
    line = back.line
    # What is not earned yet is taken back out of what is deferred, and never earned.
    is_deferred = line.period is not None and line.period.ends_at > now and line.kind not in _EARNED_AT_ONCE
    amount = Money(-back.net, invoice.currency)
    return NewLine(
        kind=LineKind.CORRECTION,
        description=line.description,
        amount=amount,
        tax=Money(-back.tax, invoice.currency),
        taxed_as=taxation.as_taxed(invoice, line),
        period=line.period,
        subscription_id=line.subscription_id,
        credits_line_id=line.id,
        is_discountable=False,
        is_deferred=is_deferred,
        billed_item=f"note:{cause}:{line.id}",
        explanation={
            "rule": "correction",
            "corrects": invoice.number,
            "line": line.number,
            "amount": amount.minor,
            "description": line.description,
            "billed": line.amount.minor,
            "billed_tax": line.tax.minor,
            "reason": reason,
            "sentence": f"{-amount} of {line.amount} that {invoice.number} billed for {line.description} is given back.",
        },
    )


def set_off(note: Invoice, billed_on: Mapping[Ref, Ref], standing: Mapping[Ref, Invoice]) -> dict[Ref, Money]:
    """Return how much of a credit note each of these open invoices owes less: what it gives back of their own lines.

    `billed_on` says which invoice billed a line. No invoice owes less than nothing, and no note gives more than it is.
    """
    left = -note.total.minor
    parts: dict[Ref, int] = {}
    for line in note.lines:
        ref = billed_on.get(Ref(note.tenant_id, line.credits_line_id)) if line.credits_line_id else None
        if ref is None or ref not in standing:
            continue
        due = standing[ref].due.minor - parts.get(ref, 0)
        part = max(min(-(line.amount.minor + line.tax.minor), left, due), 0)
        parts[ref] = parts.get(ref, 0) + part
        left -= part
    return {ref: Money(minor, note.currency) for ref, minor in parts.items() if minor}
