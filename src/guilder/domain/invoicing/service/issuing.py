"""Naming the issuers of drafts that give back what was billed before."""

from collections.abc import Sequence

from guilder.domain.invoicing import store
from guilder.domain.invoicing.model import Draft
from guilder.domain.invoicing.rules import issuing as rule
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def named(tx: Tx, *, drafts: Sequence[Draft]) -> list[Draft]:
    """Return these drafts; what gives back what one issuer billed is of that one, whoever is the default by now."""
    credited = sorted(
        {
            Ref(draft.tenant_id, line.credits_line_id)
            for draft in drafts
            if draft.issuer_id is None
            for line in draft.lines
            if line.credits_line_id is not None
        }
    )
    if not credited:
        return list(drafts)
    billed_by = await store.issuers_of_lines(tx, credited)
    return [rule.named(draft, billed_by) for draft in drafts]
