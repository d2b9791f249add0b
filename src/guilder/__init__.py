"""Guilder: subscription billing and payments that a company runs itself.

Five floors, one direction: entrypoints -> wiring -> domain -> platform -> kernel. ARCHITECTURE.md is the map.
"""
