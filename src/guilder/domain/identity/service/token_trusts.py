"""Issuers of tokens that a tenant trusts, and what verifies their tokens."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import httpx

from guilder.domain.identity import store
from guilder.domain.identity.events import TokenTrustAdded, TokenTrustRemoved
from guilder.domain.identity.model import TokenTrust, TrustKind
from guilder.domain.identity.rules.trusts import BadTrust, checked_trust
from guilder.domain.identity.service.sessions import end_sessions_by
from guilder.kernel import ids
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.noun import replace
from guilder.platform.auth.introspection import AuthService, Introspector
from guilder.platform.auth.jwks import JwksKeys, SharedKeySets, checked_url
from guilder.platform.auth.jwt import IssuerTrust, KeySource, PemKey, TokenVerifier
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx
from guilder.platform.outside.http import OutboundPolicy, UnsafeUrl

TRUSTS_MAX = 20
REMEMBERED_MAX = 1_000
# What may be written down; whom one may connect to is decided again, and more strictly in production, by the client.
_WRITTEN = OutboundPolicy(allows_loopback=True)
_WELL_KNOWN = {TrustKind.CLERK: "/.well-known/jwks.json", TrustKind.OIDC: "/.well-known/openid-configuration"}

V = TypeVar("V")


class TooManyTrusts(Conflict):
    """This tenant trusts as many issuers as it may; remove one first."""

    code = "too_many_token_trusts"


async def trust(
    tx: Tx,
    *,
    kind: TrustKind,
    issuer: str,
    now: datetime,
    jwks_url: str = "",
    public_key_pem: str = "",
    audience: str = "",
    authorized_parties: Sequence[str] = (),
    introspection_url: str = "",
    client_id: str = "",
    client_secret: str = "",
    organization_claim: str = "org_id",
    role_claim: str = "org_role",
    authorization_url: str = "",
    token_url: str = "",
    acr_values: Sequence[str] = (),
) -> TokenTrust:
    """Believe tokens of an issuer. With no key and no URL of keys, they are looked for where its kind has them.

    With the `client_id` that a signing issuer knows us by, staff sign in there.

    :raises BadTrust: something is missing, or has no meaning for its kind
    :raises TooManyTrusts: the limit is reached
    """
    if kind in _WELL_KNOWN and not jwks_url and not public_key_pem:
        jwks_url = issuer.rstrip("/") + _WELL_KNOWN[kind]
    new = TokenTrust(
        tenant_id=tx.tenant_id,
        id=ids.new(now),
        kind=kind,
        issuer=issuer,
        jwks_url=jwks_url,
        public_key_pem=public_key_pem,
        audience=audience,
        authorized_parties=tuple(authorized_parties),
        introspection_url=introspection_url,
        client_id=client_id,
        client_secret=client_secret,
        organization_claim=organization_claim,
        role_claim=role_claim,
        authorization_url=authorization_url,
        token_url=token_url,
        acr_values=tuple(acr_values),
    )
    _check_means(checked_trust(new))
    await store.lock_tenant(tx)
    if len(await store.trusts(tx)) >= TRUSTS_MAX:
        raise TooManyTrusts
    await store.insert_trust(tx, new, now=now)
    event = TokenTrustAdded(tenant_id=new.tenant_id, token_trust_id=new.id, kind=kind.value, issuer=issuer)
    outbox.announce(tx, [event], now=now)
    return replace(new, client_secret="")


async def trusts(tx: Tx) -> list[TokenTrust]:
    """Return the tenant's trusts, without secrets, the first registered first."""
    return await store.trusts(tx)


async def distrust(tx: Tx, *, trust_id: UUID, now: datetime) -> None:
    """Believe an issuer no more, from the next request on; sessions that began there end.

    :raises NotFound: no such trust
    """
    if not await store.delete_trust(tx, trust_id):
        raise NotFound("there is no such token trust")
    await end_sessions_by(tx, trust_id=trust_id, now=now)
    outbox.announce(tx, [TokenTrustRemoved(tenant_id=tx.tenant_id, token_trust_id=trust_id)], now=now)


def _check_means(trust: TokenTrust) -> None:
    """Refuse a key that cannot be used and an address that may not be asked, before a user stands before the door."""
    for field in ("jwks_url", "introspection_url", "authorization_url", "token_url"):
        url = getattr(trust, field)
        try:
            _ = _WRITTEN.check(checked_url(url)) if url else None
        except (ValueError, UnsafeUrl) as error:
            raise BadTrust(str(error), field=field) from error
    try:
        _ = PemKey(trust.public_key_pem) if trust.public_key_pem else None
    except (ValueError, TypeError) as error:
        raise BadTrust(
            "should be an RSA (2048 bits or more) or P-256 public key in PEM", field="public_key_pem"
        ) from error


class Verifiers:
    """What verifies the tokens of trusted issuers. Keys and answers are remembered; trusts are read anew each time.

    `client` decides whom one may connect to: the addresses are tenants' own, so it should refuse private ones.
    """

    def __init__(
        self, *, client: httpx.AsyncClient, monotonic: Callable[[], float], shared: SharedKeySets | None = None
    ) -> None:
        self.client = client
        self._monotonic = monotonic
        self._shared = shared
        self._key_sets: OrderedDict[Hashable, KeySource] = OrderedDict()
        self._services: OrderedDict[Hashable, Introspector] = OrderedDict()

    def of_signed(self, trusts: Sequence[TokenTrust]) -> TokenVerifier:
        """Verify by signature. The verified token's `trust.owner` is the TokenTrust that fits."""
        return TokenVerifier([self._issuer_trust(each) for each in trusts if each.kind is not TrustKind.INTROSPECTION])

    def of_asked(self, trust: TokenTrust) -> Introspector:
        """Verify by asking the issuer (RFC 7662)."""
        service = AuthService(
            url=trust.introspection_url,
            issuer=trust.issuer,
            client_id=trust.client_id,
            client_secret=trust.client_secret,
            audiences=frozenset({trust.audience} if trust.audience else ()),
            organization_claim=trust.organization_claim,
            role_claim=trust.role_claim,
            acr_values=frozenset(trust.acr_values),
        )
        make = lambda: Introspector(service, client=self.client, monotonic=self._monotonic)  # noqa: E731
        return _remembered(self._services, (trust.tenant_id, trust.id), make)

    def _issuer_trust(self, trust: TokenTrust) -> IssuerTrust:
        return IssuerTrust(
            issuer=trust.issuer,
            keys=self._keys(trust),
            authorized_parties=frozenset(trust.authorized_parties),
            audiences=frozenset({trust.audience} if trust.audience else ()),
            # Clerk always says "not before"; many other issuers never do.
            requires_nbf=trust.kind is TrustKind.CLERK,
            organization_claim=trust.organization_claim,
            role_claim=trust.role_claim,
            acr_values=frozenset(trust.acr_values),
            owner=trust,
        )

    def client_trust(self, trust: TokenTrust) -> IssuerTrust:
        """Return what an ID token of this issuer is verified with: made for our client there, and for nobody else."""
        return IssuerTrust(
            issuer=trust.issuer,
            keys=self._keys(trust),
            audiences=frozenset({trust.client_id}),
            requires_nbf=False,
            acr_values=frozenset(trust.acr_values),
            owner=trust,
        )

    def _keys(self, trust: TokenTrust) -> KeySource:
        if trust.public_key_pem:
            return _remembered(self._key_sets, trust.public_key_pem, lambda: PemKey(trust.public_key_pem))
        make = lambda: JwksKeys(  # noqa: E731
            trust.jwks_url, client=self.client, monotonic=self._monotonic, shared=self._shared
        )
        return _remembered(self._key_sets, trust.jwks_url, make)


def _remembered(memory: OrderedDict[Hashable, V], name: Hashable, make: Callable[[], V]) -> V:
    found = memory.get(name)
    if found is None:
        found = memory[name] = make()
        while len(memory) > REMEMBERED_MAX:
            memory.popitem(last=False)
    return found
