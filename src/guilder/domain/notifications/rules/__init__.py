"""Which cause a message is about, when it is no longer true or wanted, what may be spent on it, and whose word counts."""
