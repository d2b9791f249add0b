"""TLS to PostgreSQL: on, with the server's certificate checked, unless the server is of this machine."""

import ipaddress
import ssl
from urllib.parse import parse_qs, urlsplit

_CHECKED = frozenset({"verify-full", "verify-ca"})


def context_for(url: str) -> ssl.SSLContext | None:
    """Return how to connect; None where the address says it itself (`sslmode=…`), or leads to this machine.

    Certificates are checked against those that the system trusts; name others with `sslrootcert=` in the address,
    beside `sslmode=verify-full`, or with SSL_CERT_FILE.
    """
    if "sslmode" in parse_qs(urlsplit(url).query) or all(is_local(host) for host in hosts(url)):
        return None
    return ssl.create_default_context()


def is_checked(url: str) -> bool:
    """Tell whether nobody in between can listen: TLS with a certificate that is checked, or no network at all."""
    modes = parse_qs(urlsplit(url).query).get("sslmode")
    return all(is_local(host) for host in hosts(url)) or modes is None or modes[-1] in _CHECKED


def hosts(url: str) -> list[str]:
    """Return the hosts of an address: several by comma, a socket's folder as `host=`, nothing for this machine."""
    parts = urlsplit(url)
    named = parts.netloc.rpartition("@")[2].split(",") if parts.netloc.rpartition("@")[2] else []
    return [_host(each) for each in named] or parse_qs(parts.query).get("host", [""])


def is_local(host: str) -> bool:
    if host in {"", "localhost"} or host.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _host(named: str) -> str:
    return named.partition("]")[0].strip("[") if named.startswith("[") else named.partition(":")[0]
