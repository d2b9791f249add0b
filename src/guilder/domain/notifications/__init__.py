"""Notifications: what customers are told, by e-mail and SMS.

Owns: messages, each about one cause and once a channel; their sealed contents; the local mailbox; what customers wish to
hear; what tenants may send, and in which words; addresses that take nothing.
Announces: NotificationRequested, NotificationSent, NotificationFailed, NotificationBounced, NotificationLimitReached.
Listens to: InvoiceFinalized, InvoicePaid, InvoiceDueSoon, InvoiceOverdue, InvoiceDocumentStored, CreditNoteIssued,
UsageAlertReached, SubscriptionActivated, SubscriptionPaused, SubscriptionResumed, SubscriptionChangeScheduled,
SubscriptionTrialExtended, SubscriptionCancelScheduled, SubscriptionEnded, SubscriptionRenewalUpcoming, TrialEnding,
CaseOpened, RetryPlanned, ReminderDue, RetriesExhausted, CaseRecovered, RefundAsked, RefundRefused, RefundSucceeded,
DisputeOpened, PaymentActionRequired, PaymentMethodAdded, PaymentMethodRefused, PaymentMethodExpiring.
Calls: identity, catalog (names of meters), customers, subscriptions, payments, invoicing, orders (payment links), entitlements.
Never: a mail to anybody from a sandbox; an address or a name outside what is sealed; a decision about money.
"""
