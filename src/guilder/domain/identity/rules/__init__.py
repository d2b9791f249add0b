"""What may be said about a tenant: its time zone, logo, invoice numbers, clock, keys and trusts."""
