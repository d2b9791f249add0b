class EmbeddedError(Exception):
    """The embedded PostgreSQL cannot run; one sentence says why, and the way out."""
