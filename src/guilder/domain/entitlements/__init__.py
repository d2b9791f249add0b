"""Entitlements: what may this customer use now.

Owns: what subscriptions and products grant, what shuts a customer out, what a refund took back.
Announces: AccessGranted, AccessEnded, AccessBlocked, AccessRestored.
Listens to: SubscriptionActivated, SubscriptionRenewed, SubscriptionChanged, SubscriptionCancelScheduled,
SubscriptionRenewalResumed, SubscriptionSuspended, SubscriptionRecovered, SubscriptionEnded, OrderCompleted,
RefundSucceeded, AccessToBlock, CaseRecovered, CaseClosed, CustomerCreated.
Calls: subscriptions, catalog (the version agreed to), invoicing (what a refunded invoice was for), customers.
Never: a decision whether somebody should be shut out (dunning's); a job, since time is compared when it is asked.
"""
