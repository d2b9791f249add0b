"""The rules of privacy."""
