"""Explaining an invoice in the language that it was written in."""

from guilder.domain.invoicing.model import Invoice
from guilder.domain.invoicing.rules import explaining
from guilder.domain.invoicing.rules.explaining import InvoiceExplanation
from guilder.platform.words import Speech


def explained(invoice: Invoice) -> InvoiceExplanation:
    """Say why an invoice comes to what it comes to; in English where its language is not spoken here."""
    return explaining.explain_invoice(invoice, Speech(explaining.spoken(invoice.language)))
