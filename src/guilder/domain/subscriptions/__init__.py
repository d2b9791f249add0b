"""Subscriptions: who has which plan, and when its periods run.

Owns: subscriptions, their terms, their periods, the state each is in and its history; the segments of time
that are billed when they are over; what a provider bills itself is followed.
Announces: SubscriptionCreated, Activated, Renewed, Changed, ChangeScheduled, ChangeRevoked, CancelScheduled,
RenewalResumed, PastDue, Suspended, Recovered, PauseScheduled, Paused, Resumed, Ended; TrialEnding,
SubscriptionTrialExtended, SubscriptionRenewalUpcoming.
Listens to: BilledElsewhere; what is paid here reaches it by a call down, in the transaction that records it.
Calls: nothing.
Never: an amount (that is invoicing's); a price list (it keeps its own copy of what was agreed).
"""
