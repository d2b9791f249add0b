"""What of the audit is decided in plain values: chains, and what of an event may be kept."""
