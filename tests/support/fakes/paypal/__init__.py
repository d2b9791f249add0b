"""A PayPal that lives in a thread: its REST API, its webhooks signed by certificates of its own, and its failures."""
