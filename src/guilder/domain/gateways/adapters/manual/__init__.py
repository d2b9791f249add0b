"""Transfers recorded by hand: a provider that nobody can ask, so nothing is known before staff says what they saw."""
