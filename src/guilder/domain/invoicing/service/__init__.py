"""Invoicing's verbs."""

from guilder.domain.invoicing.service.billing import bill_due, bill_periods, billed_for_period
from guilder.domain.invoicing.service.documents import (
    DOCUMENT,
    Described,
    DocumentNotReady,
    describe,
    document_path,
    document_stored,
    request_documents,
)
from guilder.domain.invoicing.service.finalizing import AlreadyBilled, are_billed, finalize
from guilder.domain.invoicing.service.pricing import UnknownIssuer
from guilder.domain.invoicing.service.reading import get, listing, lock, one
from guilder.domain.invoicing.service.standing import (
    InvoiceIsPaid,
    IsCreditNote,
    give_up,
    recognize_due,
    record_refunds,
    settle,
    tell_due_soon,
    tell_overdue,
    void,
)

__all__ = [
    "DOCUMENT",
    "AlreadyBilled",
    "Described",
    "DocumentNotReady",
    "InvoiceIsPaid",
    "IsCreditNote",
    "UnknownIssuer",
    "are_billed",
    "bill_due",
    "bill_periods",
    "billed_for_period",
    "describe",
    "document_path",
    "document_stored",
    "finalize",
    "get",
    "give_up",
    "listing",
    "lock",
    "one",
    "recognize_due",
    "record_refunds",
    "request_documents",
    "settle",
    "tell_due_soon",
    "tell_overdue",
    "void",
]
