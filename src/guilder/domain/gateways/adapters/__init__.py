"""Adapters: one folder a provider, each with client, mapping and signature. All pass the same tests."""
