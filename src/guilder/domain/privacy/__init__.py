"""Privacy: what is known of a person is given to them, forgotten, and kept no longer than it must be.

Owns: every request about a subject and what came of it; what subjects agreed to; how long a tenant keeps what.
Announces: PrivacyRequestAsked, PrivacyRequestDone, PrivacyRequestRefused, ConsentRecorded.
Listens to: whatever closes what stood in the way of an erasure (InvoicePaid, InvoiceVoided, InvoiceGivenUp,
PaymentSucceeded, PaymentFailed, PaymentCanceled, RefundSucceeded, RefundFailed, RefundRefused, DisputeWon, DisputeLost,
SubscriptionEnded, CaseRecovered, CaseClosed); CreditNoteIssued, MemberRemoved.
Calls: every room that holds something of a customer: to hand it over, to say what is open, to forget.
Never: another room's rows; a name, an address or an organization id in the clear; a legal document before its time.
"""
