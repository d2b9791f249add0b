"""The log: what rooms announce, in order, heard exactly once in effect.

Owns: the outbox, the sequencer, consumer groups and their cursors, retries, dead letters, retention, transports.
Never: what an event means.
"""
