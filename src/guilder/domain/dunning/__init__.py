"""Dunning: when to try again, what then, and when access ends.

Owns: each tenant's policy, and those of single plans; cases, one for each invoice whose saved method failed or whose
terms ran out; the failures that they count; every change of a case, with its reason and who made it.
Announces: CaseOpened, RetryPlanned, ReminderDue, RetriesExhausted, AccessToBlock, CaseRecovered, CaseClosed, CaseChanged.
Listens to: PaymentFailed, PaymentCanceled, InvoiceOverdue, InvoicePaid, InvoiceVoided, PaymentMethodAdded,
PaymentMethodUpdated, PaymentMethodDefaultChanged, PaymentMethodPaidWith, SubscriptionMethodChanged.
Calls: payments (collect, methods tried and untried, when a customer paid), subscriptions (past due, recover, suspend, end),
invoicing (void, credit, give up, bill what a recovery begins), customers (where they live), catalog (plans), identity.
Never: a gateway; a decline at a page where the customer is present (it can be tried again there); a block itself (that
is entitlements').
"""
