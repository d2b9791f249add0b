"""The rules of gateways: what follows from a provider's answer."""
