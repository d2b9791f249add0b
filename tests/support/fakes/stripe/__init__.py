"""A Stripe of our own: its wire form (form encoding in, JSON out), its objects and how they move, its webhooks.

Written from Stripe's published behaviour, and apart from the adapter: what a currency's unit is, how an event is signed
and what a request may hold are worked out here a second time. Every request is held against the parameter types that
Stripe publishes with its SDK (`forms`): a field that they do not name is a 400, as at Stripe.
"""
