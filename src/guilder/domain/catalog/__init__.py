"""Catalog: what is sold, and for how much.

Owns: plans in versions with prices, charges for use, features, limits and how they are billed; one-off products such as
content; meters; promo codes and how often each was redeemed; tax rates; rating.
Announces: PlanCreated, PlanVersioned, PlanArchived, ProductCreated, MeterCreated, PromoCodeCreated, PromoCodeArchived.
Listens to: nothing. Calls: nothing.
Never: a change to a version that is out; what a subscription agreed to (it keeps its own copy); who redeemed a code.
"""
