"""What HTTP says and hears of the catalog: one file for each of its nouns."""
