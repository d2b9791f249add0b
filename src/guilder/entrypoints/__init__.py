"""Entry points: start, serve, stop. Thin."""
