"""PayPal over its REST API: Orders v2, Payments v2, Vault v3, Webhooks v1, Transaction Search v1; no SDK.

A charge is an order, confirmed by capturing it; a saved method is a payment token. Where PayPal has no such thing as we
ask for (closing an order, finding one by our key) `docs/design/paypal.md` says what is done instead and why it is safe.
"""
