"""What HTTP says and hears of invoices: one file for each of its nouns."""
