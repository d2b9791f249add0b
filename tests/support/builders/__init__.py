"""Builders: one file a room. Each makes a plain, valid thing; whatever a test is about is said by keyword."""
