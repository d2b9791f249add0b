"""Notifications: what customers are told, by e-mail and SMS.

Owns: messages, each about one cause and once a channel; their sealed contents; the local mailbox.
Announces: NotificationRequested, NotificationSent, NotificationFailed.
Listens to: InvoiceFinalized, InvoicePaid, InvoiceDueSoon, InvoiceOverdue, CreditNoteIssued, UsageAlertReached,
SubscriptionActivated, SubscriptionPaused, SubscriptionResumed, SubscriptionChangeScheduled, SubscriptionTrialExtended,
SubscriptionCancelScheduled, SubscriptionEnded, TrialEnding, CaseOpened, RetryPlanned, ReminderDue, RetriesExhausted,
CaseRecovered, RefundSucceeded, PaymentActionRequired.
Calls: identity, catalog (names of meters), customers, subscriptions, payments, invoicing, orders (payment links), entitlements.
Never: a mail to anybody from a sandbox; an address or a name outside what is sealed; a decision about money.
"""
