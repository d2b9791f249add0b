"""The platform: the machinery under the business. Knows nothing of billing.

Floors, top first: http · auth, jobs, outside · bus · db · clock, config, crypto, logging, metrics, tracing, words.
"""
