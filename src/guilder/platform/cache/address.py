"""Where Redis is, as REDIS_URL says it.

    redis://[user:password@]host[:6379][/database]            one server
    redis+sentinel://[…@]host[:26379],host…/master[/database]  whichever server is the master now
    redis+cluster://[…@]host[:6379],host…                      a cluster, found by any of its servers

`rediss` in place of `redis` is TLS, with the server's certificate and name checked; `?ca=/file` names who signed it, where
the system does not know them. The user and the password are for the sentinels too, unless `?sentinel=open`. `?prefix=name`
begins every key with another word than `guilder`, where installations share a server.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qs, unquote, urlsplit

from guilder.platform.db.tls import is_local

PORT = 6379
SENTINEL_PORT = 26_379
DATABASES_MAX = 1_024


class BadAddress(ValueError):
    """This is no address of Redis; says why, and never the address."""


class Form(StrEnum):
    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Address:
    form: Form
    hosts: tuple[tuple[str, int], ...]
    is_tls: bool = False
    master: str = ""
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    sentinels_ask: bool = True
    prefix: str = "guilder"

    @property
    def is_private(self) -> bool:
        """Tell whether nobody in between can listen: TLS, or no network at all."""
        return self.is_tls or all(is_local(host) for host, _ in self.hosts)


_SCHEMES = {
    f"{scheme}{plus}": (form, scheme == "rediss")
    for scheme in ("redis", "rediss")
    for plus, form in (("", Form.SINGLE), ("+sentinel", Form.SENTINEL), ("+cluster", Form.CLUSTER))
}


def parse(url: str) -> Address:
    """Read REDIS_URL.

    :raises BadAddress: says what is wrong with it, without repeating it
    """
    scheme, _, rest = url.partition("://")
    if scheme not in _SCHEMES:
        raise BadAddress(f"should begin with {', '.join(f'{each}://' for each in _SCHEMES)}")
    form, is_tls = _SCHEMES[scheme]
    parts = urlsplit(f"redis://{rest}")
    login, _, named = parts.netloc.rpartition("@")
    hosts = tuple(_host(each, SENTINEL_PORT if form is Form.SENTINEL else PORT) for each in named.split(","))
    if form is Form.SINGLE and len(hosts) > 1:
        raise BadAddress("names several servers: say redis+sentinel:// or redis+cluster://")
    master, database = _path(form, [unquote(each) for each in parts.path.split("/") if each])
    username, _, password = login.partition(":")
    said = parse_qs(parts.query)
    if said.keys() - {"ca", "sentinel", "prefix"}:
        raise BadAddress("has a parameter other than ca, sentinel and prefix")
    return Address(
        form,
        hosts,
        is_tls,
        master,
        database,
        unquote(username) or None,
        unquote(password) or None,
        said["ca"][-1] if "ca" in said else None,
        said.get("sentinel", [""])[-1] != "open",
        said.get("prefix", ["guilder"])[-1],
    )


def _host(text: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"redis://{text}")
    try:
        found = parts.hostname, parts.port
    except ValueError:
        raise BadAddress("has a port that is no port") from None
    if not found[0]:
        raise BadAddress("names no server")
    return found[0], found[1] or port


def _path(form: Form, steps: list[str]) -> tuple[str, int]:
    if form is Form.SENTINEL:
        if not steps:
            raise BadAddress("should name the master after the sentinels: redis+sentinel://host,host/master")
        return steps[0], _database(steps[1:])
    if form is Form.CLUSTER and steps:
        raise BadAddress("names a database, and a cluster has one")
    return "", _database(steps)


def _database(steps: list[str]) -> int:
    if not steps:
        return 0
    if len(steps) > 1 or not (steps[0].isascii() and steps[0].isdigit()) or int(steps[0]) > DATABASES_MAX:
        raise BadAddress("names a database that is no number")
    return int(steps[0])
