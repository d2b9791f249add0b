"""What may be said about a customer."""
