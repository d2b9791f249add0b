"""Explaining: why a line is what it is, as data that the amount can be worked out from again, and as a sentence.

What a line was billed by is written into it when it is made. That record is the only source here: nothing is looked up,
so an explanation says the same for ever, and what cannot be explained from it alone was not recorded well enough.
"""

from guilder.domain.invoicing.rules.explaining.invoices import InvoiceExplanation, TaxStep, Walk, explain_invoice
from guilder.domain.invoicing.rules.explaining.lines import explain
from guilder.domain.invoicing.rules.explaining.reading import Explanation, Share, TakenOff, TaxReason
from guilder.domain.invoicing.rules.explaining.reckoning import RULES, reckon
from guilder.domain.invoicing.rules.explaining.words import spoken

__all__ = [
    "RULES",
    "Explanation",
    "InvoiceExplanation",
    "Share",
    "TakenOff",
    "TaxReason",
    "TaxStep",
    "Walk",
    "explain",
    "explain_invoice",
    "reckon",
    "spoken",
]
