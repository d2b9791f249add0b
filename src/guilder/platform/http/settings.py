"""What the edge must be told: where it is reached, whom it trusts, how much it takes."""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from guilder.platform.auth.permission import STEP_UP_S
from guilder.platform.http.shedding import Ceilings

NEWEST_VERSION = "2026-11-21"


@dataclass(frozen=True, slots=True)
class Allowance:
    """A token bucket: `per_minute` come back, and `burst` (the same if none is said) may be taken at once."""

    per_minute: int
    burst: int = 0

    @property
    def size(self) -> int:
        return self.burst or self.per_minute


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """`public_url` has no slash at its end. With `is_production`, /docs is closed and /metrics asks for its token."""

    public_url: str
    is_production: bool = False
    cors_origins: frozenset[str] = frozenset()
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    metrics_token: str | None = None
    # By whom we know and by their tenant, by address for those we do not, and by address for wrong credentials.
    per_principal: Allowance = Allowance(6_000)
    per_tenant: Allowance = Allowance(60_000)
    per_address: Allowance = Allowance(1_200)
    per_failed_login: Allowance = Allowance(60)
    ceilings: Ceilings = field(default_factory=Ceilings)
    request_timeout_s: float = 60
    body_timeout_s: float = 20
    check_timeout_s: float = 2
    # How lately a person must have proven who they are, for what asks for that (`Permission.steps_up`).
    step_up_s: int = STEP_UP_S
    versions: tuple[str, ...] = field(default=(NEWEST_VERSION,))

    def __post_init__(self) -> None:
        assert not self.public_url.endswith("/"), self.public_url
        assert "*" not in self.cors_origins, "CORS is a list of origins"
        assert self.versions, "there is a newest version"
