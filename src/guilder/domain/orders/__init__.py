"""Orders: what a customer asks for, carried out whole, and answered at once with what is owed and where it can be paid.

Owns: orders; payment links; the checkout page.
Announces: OrderPlaced, OrderCompleted, OrderCanceled.
Listens to: InvoicePaid, InvoiceVoided.
Calls: customers, catalog, subscriptions, invoicing, payments: all in the transaction of the order.
Never: a gateway; a price that a customer's user names; a retry (that is dunning's).
"""
