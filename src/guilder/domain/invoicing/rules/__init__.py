"""What is owed, worked out: plain functions over the nouns of invoicing, one subject a file."""
