"""Attacks from outside, on a house furnished once for a worker and taken down with the last of them."""
