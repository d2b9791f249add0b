"""Payments: moving money.

Owns: payment methods, payments (each is one attempt to collect one invoice), refunds, disputes. Announces: PaymentRequested,
PaymentSucceeded, PaymentFailed, PaymentCanceled, PaymentOverpaid, PaymentParked, Refund…, Dispute…, PaymentMethod….
Listens to: its own PaymentRequested, gateways' GatewayAnswered, DisputeNoticed, NoticeReceived and DisputeNoticed.
Calls: customers, gateways, ledger. Never: knows what an invoice is beyond its id and what is owed; makes attempt n+1
before attempt n is final at the provider; takes "no answer" for "failed"; changes what is over.
"""
