"""Calls to the outside, in phases: intent, call, record; with windows, timeouts, breakers.

Owns: intents and their leases, breakers and bulkheads, the mail, SMS, file and typesetting engines, guarded HTTP.
Never: a transaction open while a call is under way.
"""
