"""Invoicing: what is owed, line by line, and why.

Owns: invoices, lines with their explanations, gapless numbers, totals and tax, settlement, the documents.
Announces: InvoiceFinalized, InvoicePaid, InvoiceVoided, InvoiceGivenUp, InvoiceDocumentStored.
Listens to: PaymentSucceeded, RefundSucceeded; its own InvoiceFinalized, InvoicePaid and InvoiceVoided, for documents.
Calls: catalog (tax rates), customers, identity (issuer), ledger, payments (collect, cancel, totals), subscriptions
(roll, activate).
Never: a gateway; the clock; a change to what is final.
"""
