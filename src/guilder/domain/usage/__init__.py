"""Readings in, totals out.

Owns: usage events and their corrections, watermarks, alerts. Announces: that use was recorded, that an alert was reached.
Listens to: nothing. Calls: catalog, customers. Never: knows a price, an invoice or a subscription.
"""
