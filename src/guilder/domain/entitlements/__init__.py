"""Entitlements: what may this customer use now.

Owns: what subscriptions and products grant, what shuts a customer out, what a refund took back; what is left of limits;
the standing of each customer, in which all of this is one row; whether a dispute shuts its customer out.
Announces: AccessGranted, AccessEnded, AccessBlocked, AccessRestored, LimitReached.
Listens to: SubscriptionActivated, SubscriptionRenewed, SubscriptionChanged, SubscriptionCancelScheduled,
SubscriptionRenewalResumed, SubscriptionSuspended, SubscriptionRecovered, SubscriptionEnded, OrderCompleted,
RefundSucceeded, DisputeOpened, DisputeWon, PaymentSucceeded, InvoicePaid, AccessToBlock, CaseRecovered, CaseClosed, CustomerCreated, UsageRecorded,
UsageCorrected.
Calls: subscriptions, catalog (the version agreed to, meters), usage (totals), invoicing (what a refunded invoice was
for), customers.
Never: a decision whether somebody should be shut out for a debt (dunning's); a job, since time is compared when it is
asked.
"""
