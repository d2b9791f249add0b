"""All SQL of the catalog: one file for each of its nouns."""
