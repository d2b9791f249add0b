"""The edge: one request, one transaction; what comes in is strict, what goes out is uniform.

Owns: the envelope, problems, cursors, idempotency keys, rate limits, limits of size and depth, headers, health.
Never: what a route does.
"""
