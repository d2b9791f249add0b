"""A payment provider that moves no money: a program of its own, modelled on PaymentIntents and SetupIntents.

Owns: accounts and their clocks, intents, charges, refunds, payment methods, the hosted page, signed webhooks, faults, the journal.
Announces: payment_intent.*, setup_intent.*, payment_method.*, charge.refunded, refund.updated; as webhooks, retried.
Calls: the webhook endpoints that its accounts registered. Never: Guilder, which it knows only as a caller; a real card number.

Its journal is the truth that the invariants are checked against, so it is written in the transaction that moves the
(imagined) money and it survives kill -9. docs/design/simulated-provider.md is the manual.
"""
