"""The lifecycle of a subscription and the run of its periods."""
