"""The kernel: plain values that every floor speaks.

Owns: money, currencies, periods, ids, events, lifecycles, refusals, pages.
Never: I/O, a clock, settings, anything outside the standard library.
"""
