"""The rules of payments: what a payment can become, and when it is looked at again."""
