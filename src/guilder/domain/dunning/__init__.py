"""Dunning: when to try again, what then, and when access ends.

Owns: each tenant's policy; cases, one for each invoice whose saved method failed or whose terms ran out; the failures
that they count.
Announces: CaseOpened, RetryPlanned, ReminderDue, RetriesExhausted, AccessToBlock, CaseRecovered, CaseClosed.
Listens to: PaymentFailed, InvoiceOverdue, InvoicePaid, InvoiceVoided, PaymentMethodAdded.
Calls: payments (collect), subscriptions (past due, recover, suspend, end), invoicing (void, give up, bill what a
recovery begins).
Never: a gateway; a decline at a page where the customer is present (it can be tried again there); a block itself (that
is entitlements').
"""
