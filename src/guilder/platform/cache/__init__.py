"""What processes share to be quicker: rate limits, answers kept for seconds, key sets of issuers. In Redis, if there is one.

Owns: the client (one server, Sentinel, Cluster), token buckets, kept answers with their stamps, shared key sets.
Never: anything whose loss is more than slowness. No lock, no amount, nothing that an order or a payment reads; and nobody
who can write to Redis can let anybody in or change an answer, for what is kept there is sealed.
"""
