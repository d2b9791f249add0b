"""Watching: figures of the business that no single process knows, gathered from the database for the page of metrics.

Owns: the queries, and nothing else. Read-only, as the doctor's role, over all tenants but sandboxes; each is a step into
an index or limited, so that its price does not grow with what lies in the tables.
"""
