"""An embedded PostgreSQL: for a laptop, a demonstration, a small server, and every test.

Owns: finding the binaries, the data folder, its passwords and settings, the server process and its end.
Never: the tables (the migration runner), a pool of connections, the production database of a deployment.

The server is a child of the process that starts it, and dies with it, even by kill -9. What was committed stays.
"""

from guilder.platform.db.embedded.attached import cluster_of, running_admin_url
from guilder.platform.db.embedded.binaries import Binaries, tool
from guilder.platform.db.embedded.cluster import Cluster, Endpoints
from guilder.platform.db.embedded.errors import EmbeddedError
from guilder.platform.db.embedded.supervisor import EmbeddedPostgres

__all__ = [
    "Binaries",
    "Cluster",
    "EmbeddedError",
    "EmbeddedPostgres",
    "Endpoints",
    "cluster_of",
    "running_admin_url",
    "tool",
]
