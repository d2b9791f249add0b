from guilder.kernel.errors import Foreseen


class EmbeddedError(Foreseen):
    """The embedded PostgreSQL cannot run; one sentence says why, and the way out."""
