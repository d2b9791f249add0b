"""Who issues what: what gives time back, and what a change charges for the rest of it, is of whoever billed that time."""

from collections.abc import Mapping
from uuid import UUID

from guilder.domain.invoicing.model import Draft, LineKind
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace


def named(draft: Draft, billed_by: Mapping[Ref, UUID]) -> Draft:
    """Name the issuer of a draft that names none and gives back what one issuer billed: `billed_by` says which, by line.

    What begins a period besides, or bills use and corrects some of before, is of the tenant's default.
    """
    if draft.issuer_id is not None or not _is_of_time_before(draft):
        return draft
    issuers = {
        billed_by[Ref(draft.tenant_id, line.credits_line_id)]
        for line in draft.lines
        if line.credits_line_id is not None
    }
    return replace(draft, issuer_id=issuers.pop()) if len(issuers) == 1 else draft


def _is_of_time_before(draft: Draft) -> bool:
    kinds = {line.kind for line in draft.lines}
    if LineKind.PRORATION_CREDIT in kinds:
        return LineKind.RECURRING not in kinds
    return all(line.credits_line_id is not None for line in draft.lines)
