"""The dates of a case, and the states that it goes through."""
