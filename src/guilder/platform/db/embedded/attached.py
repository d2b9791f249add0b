"""A server of this data folder as another process finds it: where its files are, and whether it answers."""

from pathlib import Path

from guilder.platform.db.embedded.account import account_for
from guilder.platform.db.embedded.cluster import Cluster
from guilder.platform.db.embedded.process import is_server_of

_PORT, _SOCKETS, _STATUS = 3, 4, 7  # lines of postmaster.pid


def cluster_of(folder: Path) -> Cluster:
    """Return the files of the embedded server of this folder, wherever they are kept; nothing is made."""
    folder = folder.absolute()
    elsewhere = folder / "kept-in"
    place = Path(elsewhere.read_text().strip()) if elsewhere.exists() else folder
    return Cluster(place, account_for(place / "data"))


def running_admin_url(folder: Path) -> str | None:
    """Return the superuser's address of the server that runs on this folder, whoever started it; None: none runs."""
    cluster = cluster_of(folder)
    try:
        lines = (cluster.data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    if len(lines) <= _STATUS or lines[_STATUS].strip() != "ready" or not is_server_of(int(lines[0]), cluster.data):
        return None
    return cluster.admin_url(int(lines[_PORT]), Path(lines[_SOCKETS]), database="guilder")
