"""Shared invoices: what one customer owes on one day, to one issuer and in one way, is one invoice where that is wished."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

from guilder.domain.identity.model import Issuer
from guilder.domain.invoicing.model import Draft, NewLine
from guilder.kernel.ids import Ref, TenantId
from guilder.kernel.noun import replace


def consolidated(
    drafts: Sequence[Draft],
    *,
    issuers: Mapping[Ref, Issuer],
    default_issuers: Mapping[TenantId, Issuer],
    time_zones: Mapping[Ref, str],
) -> list[Draft]:
    """Put drafts together whose issuer consolidates; each shared one stands where its first part stood.

    Together come those of one customer, currency, issuer and local date that are collected in the same way. What an
    order is answered with stays an invoice of its own.
    """
    shared: dict[tuple[object, ...], list[Draft]] = {}
    for n, draft in enumerate(drafts):
        issuer = _issuer(draft, issuers, default_issuers)
        alone = issuer is None or not issuer.consolidates or draft.order_id is not None
        zone = ZoneInfo(time_zones[Ref(draft.tenant_id, draft.customer_id)])
        key = (n,) if alone else _key(draft, issuer.id if issuer else None, draft.issued_at.astimezone(zone).date())
        shared.setdefault(key, []).append(draft)
    return [_together(parts) for parts in shared.values()]


def _issuer(draft: Draft, issuers: Mapping[Ref, Issuer], default_issuers: Mapping[TenantId, Issuer]) -> Issuer | None:
    if draft.issuer_id is None:
        return default_issuers.get(draft.tenant_id)
    return issuers.get(Ref(draft.tenant_id, draft.issuer_id))


def _key(draft: Draft, issuer_id: UUID | None, on: date) -> tuple[object, ...]:
    collected = (draft.is_sent, draft.net_days, draft.payment_method_id)
    taken = (draft.takes_discounts, draft.takes_credit, draft.corrects_invoice_id, draft.memo)
    return (draft.tenant_id, draft.customer_id, draft.currency, issuer_id, on, *collected, *taken)


def _together(parts: Sequence[Draft]) -> Draft:
    first = parts[0]
    if len(parts) == 1:
        return first
    subscription_id, plan_id = _one(part.subscription_id for part in parts), _one(part.plan_id for part in parts)
    return replace(
        first,
        lines=tuple(
            _named(line, part, is_named_by_draft=part.plan_id == plan_id) for part in parts for line in part.lines
        ),
        issued_at=max(part.issued_at for part in parts),
        subscription_id=subscription_id,
        plan_id=plan_id,
        metadata={name: value for part in parts for name, value in part.metadata.items()},
    )


def _named(line: NewLine, part: Draft, *, is_named_by_draft: bool) -> NewLine:
    """Let a line say itself what its draft said for it, and no longer says for all."""
    plan_id = line.plan_id or (None if is_named_by_draft else part.plan_id)
    subscription_id = line.subscription_id or part.subscription_id
    if plan_id == line.plan_id and subscription_id == line.subscription_id:
        return line
    return replace(line, plan_id=plan_id, subscription_id=subscription_id)


def _one(ids: Iterable[UUID | None]) -> UUID | None:
    """Return what all have, if it is one."""
    different = set(ids)
    return different.pop() if len(different) == 1 else None
