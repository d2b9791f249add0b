"""Payments: moving money.

Owns: payment methods and their order, routes (which account takes what), payments (each is one attempt to collect one
invoice), refunds, disputes, what staff recorded by hand, what one person may give away alone. Announces: PaymentRequested, PaymentSucceeded, PaymentFailed,
PaymentCanceled, PaymentOverpaid, PaymentParked, Refund…, Dispute…, PaymentMethod….
Listens to: its own PaymentRequested, gateways' GatewayAnswered, NoticeReceived and DisputeNoticed.
Calls: customers, gateways, ledger. Never: knows what an invoice is beyond its id and what is owed; makes attempt n+1
before attempt n is final at the provider; moves elsewhere what a provider may know of; takes "no answer" for "failed";
changes what is over.
"""
