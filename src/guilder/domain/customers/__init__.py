"""Customers: who is billed.

Owns: organizations and persons, known to the product by their organization id; their personal data, sealed.
Announces: CustomerCreated, CustomerUpdated, CustomerErased.
Listens to: nothing. Calls: identity (a tenant's time zone).
Never: personal data in an event, a log or a plain column; what a customer owes or may use.
"""
