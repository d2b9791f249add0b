"""Prepaid credits: which of them pay for which use, and what they leave to be paid.

They pay for use before discounts are taken: what they pay for is not discounted, since nobody pays it in money now. So a
line of which they pay a part becomes two. What they pay is taken off before tax, by a line of its own for each grant.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from guilder.domain.invoicing.model import Caption, Draft, Invoice, LineKind, NewLine, Phrase, PrepaidGrant
from guilder.domain.invoicing.rules.giving_back import Charged, gone
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money, round_half_up
from guilder.kernel.noun import replace

PAYS_FOR = frozenset({LineKind.USAGE, LineKind.USAGE_ADJUSTMENT})
_FOREVER = "9999"


@dataclass(frozen=True, slots=True)
class Draw:
    """So much was taken of a grant, by the line that bills this."""

    grant: PrepaidGrant
    amount: Money
    billed_item: str


def in_order(grants: Iterable[PrepaidGrant]) -> list[PrepaidGrant]:
    """Return grants in the order in which they are drawn: by priority, then those that expire first, then the oldest."""
    return sorted(
        grants,
        key=lambda each: (
            each.priority,
            each.expires_at.isoformat() if each.expires_at else _FOREVER,
            each.granted_at,
            each.id,
        ),
    )


def is_good(grant: PrepaidGrant, *, at: datetime) -> bool:
    """Say whether a grant could pay for what fell due at an instant: it was there, and had not expired."""
    return grant.left.minor > 0 and grant.granted_at <= at and (grant.expires_at is None or grant.expires_at > at)


def price_back(invoice: Invoice, credited: Mapping[UUID, tuple[int, int]], *, lost_minor: int) -> int:
    """Return what of the net price that an invoice charges is not the seller's any more: what notes gave back, `credited` by
    line as (net, tax), and the share of what banks took for good that no note documents."""
    priced = [line for line in invoice.lines if line.amount.minor > 0]
    taken = {line.id: credited.get(line.id, (0, 0)) for line in priced}
    gross = {line.id: line.amount.minor + line.tax.minor for line in priced}
    charged = [
        Charged(Ref(invoice.tenant_id, each), minor, max(minor + sum(taken[each]), 0)) for each, minor in gross.items()
    ]
    lost = gone(lost_minor, charged) if lost_minor > 0 else {}
    went = [round_half_up(line.amount.minor * lost.get(Ref(invoice.tenant_id, line.id), 0)) for line in priced]
    return sum(went) - sum(net for net, _ in taken.values())


def to_take(grant: PrepaidGrant, *, drawn_minor: int, price_back_minor: int) -> Money:
    """Return what is to be taken of a grant of whose price so much is back: less what was taken before, and as far as it
    is left."""
    taken = grant.amount.minor - grant.left.minor - drawn_minor
    return replace(grant.left, minor=max(min(price_back_minor - taken, grant.left.minor), 0))


def wants(draft: Draft) -> bool:
    """Say whether a draft has something that prepaid credits pay for."""
    return any(_is_paid_for(line) for line in draft.lines)


def apply(draft: Draft, grants: Sequence[PrepaidGrant]) -> tuple[Draft, list[Draw]]:
    """Let grants, in their order, pay for the use on a draft. Those of another currency or date are left alone."""
    good = {each.id: each for each in in_order(grants) if each.left.currency == draft.currency}
    left = {each.id: each.left for each in good.values() if is_good(each, at=draft.issued_at)}
    lines: list[NewLine] = []
    taken: dict[tuple[UUID, str, bool], list[tuple[NewLine, Money]]] = {}
    for line in draft.lines:
        covered = _cover(line, left) if _is_paid_for(line) else {}
        for grant_id, amount in covered.items():
            taken.setdefault((grant_id, line.tax_category, line.is_tax_inclusive), []).append((line, amount))
        lines += _split(line, sum(amount.minor for amount in covered.values()))
    draws = [
        (_line(good[grant_id], parts), Draw(good[grant_id], _sum(parts), _item(good[grant_id], parts)))
        for (grant_id, _, _), parts in taken.items()
    ]
    # Beside the use that they pay for, before what else is billed with it.
    after = max((n for n, line in enumerate(lines, start=1) if _is_paid_for(line)), default=len(lines))
    with_draws = (*lines[:after], *(line for line, _ in draws), *lines[after:])
    return replace(draft, lines=with_draws), [draw for _, draw in draws]


def _is_paid_for(line: NewLine) -> bool:
    return line.kind in PAYS_FOR and line.amount.minor > 0


def _cover(line: NewLine, left: dict[UUID, Money]) -> Mapping[UUID, Money]:
    """Take from what is left, in order, until the line is covered."""
    open_minor, covered = line.amount.minor, {}
    for grant_id in list(left):
        part = min(left[grant_id].minor, open_minor)
        if part > 0:
            covered[grant_id] = replace(line.amount, minor=part)
            left[grant_id] = replace(line.amount, minor=left[grant_id].minor - part)
            open_minor -= part
    return covered


def _split(line: NewLine, covered_minor: int) -> list[NewLine]:
    if not covered_minor:
        return [line]
    if covered_minor == line.amount.minor:
        return [replace(line, is_discountable=False)]
    covered = replace(
        line,
        amount=replace(line.amount, minor=covered_minor),
        description=Caption(Phrase.PAID_BY_PREPAID, line.description),
        unit_amount=None,
        quantity=1,
        is_discountable=False,
        billed_item=f"{line.billed_item}:prepaid",
    )
    rest = replace(line, amount=replace(line.amount, minor=line.amount.minor - covered_minor), unit_amount=None)
    return [_part_of(line, rest), _part_of(line, covered)]


def _part_of(line: NewLine, part: NewLine) -> NewLine:
    """Say of a part of a line what the whole of it comes to, which is what the rest of its reasons lead to."""
    split = {"of": line.amount.minor, "part": part.amount.minor}
    return replace(part, explanation={**part.explanation, "split": split})


def _sum(parts: Sequence[tuple[NewLine, Money]]) -> Money:
    return sum((amount for _, amount in parts[1:]), start=parts[0][1])


def _item(grant: PrepaidGrant, parts: Sequence[tuple[NewLine, Money]]) -> str:
    return f"prepaid:{grant.id}:{parts[0][0].billed_item}"


def _line(grant: PrepaidGrant, parts: Sequence[tuple[NewLine, Money]]) -> NewLine:
    first, amount = parts[0][0], _sum(parts)
    after = replace(grant.left, minor=grant.left.minor - amount.minor)
    return NewLine(
        kind=LineKind.PREPAID,
        description=grant.name or Caption(Phrase.PREPAID_CREDITS),
        amount=-amount,
        quantity=1,
        period=first.period,
        subscription_id=first.subscription_id,
        tax_category=first.tax_category,
        is_tax_inclusive=first.is_tax_inclusive,
        is_discountable=False,
        is_deferred=False,
        billed_item=_item(grant, parts),
        explanation={
            "rule": "prepaid_credits",
            "grant": str(grant.id),
            "priority": grant.priority,
            "expires_at": grant.expires_at.isoformat() if grant.expires_at else None,
            "left_before": grant.left.minor,
            "amount": -amount.minor,
            "pays_for": [{"billed_item": line.billed_item, "amount": part.minor} for line, part in parts],
            "sentence": f"{amount} of use is paid for by prepaid credits, of which {grant.left} was left before and "
            f"{after} is left now.",
        },
    )
