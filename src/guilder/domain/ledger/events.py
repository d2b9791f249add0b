"""The ledger announces nothing: its entries are written with the fact that they record."""
