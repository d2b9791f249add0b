"""Catalog: what is sold, and for how much.

Owns: plans in versions with prices, features and limits; one-off products such as content; tax rates.
Announces: PlanCreated, PlanVersioned, PlanArchived, ProductCreated.
Listens to: nothing. Calls: nothing.
Never: a change to a version that is out; what a subscription agreed to (it keeps its own copy).
"""
