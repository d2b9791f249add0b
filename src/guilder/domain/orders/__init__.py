"""Orders: what a customer asks for, carried out whole, and answered at once with what is owed and where it can be paid.

Owns: orders; payment links; the checkout page; charges that company products asked for.
Announces: OrderPlaced, OrderCompleted, OrderCanceled, ChargeRequested, ChargeAccepted, ChargeRefused, ChargeSettled,
ChargeFailed. Listens to: InvoicePaid, InvoiceVoided, InvoiceGivenUp, PaymentFailed, SubscriptionEnded,
SubscriptionPaused, SubscriptionSuspended, its own ChargeRequested.
Calls: customers, catalog, subscriptions, invoicing, payments: all in the transaction of the order.
Never: a gateway; a price that a customer's user names; a retry (that is dunning's).
"""
