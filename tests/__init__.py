"""Guilder's tests: on a real PostgreSQL, by speed and by story (CONTRIBUTING.md says which goes where)."""
