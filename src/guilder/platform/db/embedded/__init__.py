"""An embedded PostgreSQL: for a laptop, a demonstration, a small server, and every test.

Owns: finding the binaries, the data folder, its passwords and settings, the server process and its end.
Never: the tables (the migration runner), a pool of connections, the production database of a deployment.

The server is a child of the process that starts it, and dies with it, even by kill -9. What was committed stays.
"""

from guilder.platform.db.embedded.cluster import Endpoints
from guilder.platform.db.embedded.errors import EmbeddedError
from guilder.platform.db.embedded.supervisor import EmbeddedPostgres

__all__ = ["EmbeddedError", "EmbeddedPostgres", "Endpoints"]
