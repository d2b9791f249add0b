"""Kafka: the log's second transport, and the way in for what other systems publish.

Owns: the connection, the topics, the relay and its place in the log, what the topics brought, the intake's loop.
Never: a cursor that is not in PostgreSQL; an event that is taken from a topic instead of from the log; what an event means.
"""
