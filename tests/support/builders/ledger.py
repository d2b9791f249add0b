"""Journal entries."""

from typing import Any
from uuid import uuid4

from guilder.domain.ledger.model import Account, JournalEntry, Posting
from guilder.kernel.ids import TenantId
from tests.support.builders.identity import NOW


def an_entry(tenant_id: TenantId, **over: Any) -> JournalEntry:
    """Book a fact of its own: 12.00 EUR owed and earned, unless `postings` say otherwise."""
    said = {
        "kind": "invoice_finalized",
        "source_type": "invoice",
        "source_id": uuid4(),
        "customer_id": None,
        "currency": "EUR",
        "posted_at": NOW,
        "postings": (Posting(Account.RECEIVABLE, 1_200, uuid4()), Posting(Account.REVENUE, -1_200)),
    }
    return JournalEntry(tenant_id=tenant_id, **{**said, **over})
