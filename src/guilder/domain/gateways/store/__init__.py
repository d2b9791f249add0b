"""The SQL of gateways, by what it is about."""
