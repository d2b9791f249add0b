"""Readings in, totals out.

Owns: usage events and their corrections, watermarks and what came late, alerts.
Announces: UsageRecorded, UsageCorrected, UsageAlertReached.
Listens to: its own UsageRecorded and UsageCorrected, to judge alerts. Calls: catalog (meters), customers.
Never: knows a price, an invoice or when a subscription's period runs.
"""
