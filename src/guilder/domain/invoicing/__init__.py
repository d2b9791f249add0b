"""Invoicing: what is owed, line by line, and why.

Owns: invoices and credit notes, lines with their explanations, gapless numbers, totals, discounts and tax, settlement,
customer credit, prepaid credits, the documents.
Announces: InvoiceFinalized, InvoicePaid, InvoiceVoided, InvoiceGivenUp, InvoiceDueSoon, InvoiceOverdue, CreditNoteIssued,
CreditGranted, CreditRequested, CreditApproved, CreditRefused, DiscountRedeemed, InvoiceDocumentStored.
Listens to: PaymentSucceeded, RefundAsked, RefundSucceeded, RefundFailed, DisputeOpened, DisputeWon, DisputeLost,
UsageRecorded, UsageCorrected; its own InvoiceFinalized, InvoicePaid, InvoiceVoided and CreditNoteIssued, for documents.
Calls: catalog (tax rates, promo codes, rating), customers, identity (issuers), usage (close, totals, late use), ledger,
payments (collect, cancel, totals, what is given back), subscriptions (roll, activate, segments).
Never: a gateway; the clock; a change to what is final.
"""
