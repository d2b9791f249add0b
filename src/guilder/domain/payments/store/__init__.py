"""All SQL of payments: one file for each of its nouns."""
