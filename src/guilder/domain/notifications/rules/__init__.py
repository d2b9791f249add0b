"""Which cause a message is about, and when a message is no longer true."""
