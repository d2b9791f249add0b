"""What gives access, and what takes it."""
