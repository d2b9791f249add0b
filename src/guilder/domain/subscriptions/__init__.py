"""Subscriptions: who has which plan, and when its periods run.

Owns: subscriptions, their terms, their periods, the state each is in and its history; the segments of time
that are billed when they are over.
Announces: SubscriptionCreated, Activated, Renewed, Changed, ChangeScheduled, ChangeRevoked, CancelScheduled,
RenewalResumed, PastDue, Suspended, Recovered, PauseScheduled, Paused, Resumed, Ended; TrialEnding,
SubscriptionTrialExtended, SubscriptionRenewalUpcoming.
Listens to: nothing; what is paid and what is not reaches it by a call down, in the transaction that records it.
Calls: nothing.
Never: an amount (that is invoicing's); a price list (it keeps its own copy of what was agreed).
"""
