"""Simulation: the payment protocol in virtual time (L1), and the product's own code on PostgreSQL (L2), by seeds.

`docs/design/simulation.md` says what is tried, by which faults, and which mutants die of it.
"""
