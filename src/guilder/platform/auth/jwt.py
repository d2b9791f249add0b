"""JSON Web Tokens of an identity provider, verified to one contract whoever issued them.

    the algorithm    RS256 or ES256, and of the kind the key is
    the key          from the set of the configured issuer; the token names at most which key of that set
    required         exp, iat, nbf (an issuer may be configured to lack nbf), iss, sub
    iss              exactly a configured one
    azp or aud       on the allow-list of that issuer; absent is refused
    time             `now` within nbf and exp, with 5 seconds of leeway
    refused as well  sts=pending, ID tokens, jku/x5u/x5c/jwk/crit headers, anything above 8 KiB

Every refusal is the same to the caller; the reason goes to the log and the metrics.
"""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from guilder.kernel.errors import Unauthenticated, Unavailable
from guilder.platform import logging, metrics
from guilder.platform.auth.proving import verified_at
from guilder.platform.crypto import same

LEEWAY_S = 5
TOKEN_BYTES_MAX = 8_192
KID_LENGTH_MAX = 200
CLAIM_LENGTH_MAX = 255
RSA_BITS_MIN = 2_048

PublicKey = RSAPublicKey | EllipticCurvePublicKey

_KEYS_IN_HEADER = ("jku", "x5u", "x5c", "jwk", "crit", "b64", "zip", "enc")
_ACCESS_TYPES = frozenset({"at+jwt", "application/at+jwt"})
_TYPES = _ACCESS_TYPES | {"jwt"}
# Claims that only an ID token has: it tells a client who signed in, and is no leave to call anybody.
_ID_TOKEN_CLAIMS = ("at_hash", "c_hash", "nonce")

log = logging.get(__name__)


class _Unfit(Exception):
    """Why a token is refused: for the log, in few words and never with anything of the token in it."""


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key and the one algorithm it is used with."""

    algorithm: str
    key: PublicKey = field(repr=False)


class KeySource(Protocol):
    async def find(self, kid: str | None) -> VerifyingKey | None:
        """Return the key a token names, or the only key there is; None if there is no such key.

        :raises Unavailable: no keys could be had at all
        """
        ...


class PemKey:
    """One key given in PEM, such as CLERK_JWT_KEY: no network at all. The `kid` of a token is of no interest."""

    def __init__(self, pem: str) -> None:
        # An environment variable often carries its line breaks as backslash and n.
        key = load_pem_public_key(pem.replace("\\n", "\n").strip().encode())
        self._key = verifying_key(key)

    async def find(self, kid: str | None) -> VerifyingKey | None:
        return self._key


@dataclass(frozen=True, slots=True)
class IssuerTrust:
    """What is believed of one issuer: whose keys, and tokens made for whom.

    At least one of `authorized_parties` (`azp`) and `audiences` (`aud`) is given; where both are, both must fit.
    `owner` is whatever the caller wants to know it by, such as the tenant that registered it.
    """

    issuer: str
    keys: KeySource
    authorized_parties: frozenset[str] = frozenset()
    audiences: frozenset[str] = frozenset()
    requires_nbf: bool = True
    requires_access_type: bool = False  # `typ: at+jwt` (RFC 9068), where the issuer sets it
    organization_claim: str = "org_id"
    role_claim: str = "org_role"
    acr_values: frozenset[str] = frozenset()  # how well who comes must have proven themselves; empty asks for nothing
    owner: object = None

    def __post_init__(self) -> None:
        if not self.issuer or not (self.authorized_parties or self.audiences):
            raise ValueError("an issuer is trusted for its name and for an azp or aud, never for everything it signs")


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What a token proved. `role` is as the issuer says it, without Clerk's "org:"; `claims` are all, verified.

    `verified_at` is when the person last proved who they are, as far as the issuer says (proving.py).
    """

    issuer: str
    subject: str
    organization_id: str | None
    role: str | None
    azp: str | None
    expires_at: datetime
    claims: Mapping[str, Any] = field(repr=False)
    trust: IssuerTrust | None = field(default=None, repr=False)
    verified_at: datetime | None = None


class TokenVerifier:
    """Verifies tokens of a fixed list of issuers; make another one when the list changes.

    Several may be of one issuer (tenants that share an identity provider), told apart by `azp` or `aud`; where two
    fit, the first in the list counts, so list the one registered first first.
    """

    def __init__(self, issuers: Sequence[IssuerTrust]) -> None:
        self._by_issuer: dict[str, list[IssuerTrust]] = {}
        for trust in issuers:
            self._by_issuer.setdefault(trust.issuer, []).append(trust)

    async def verify(self, token: str, *, now: datetime) -> VerifiedToken:
        """Return what the token proves at `now`.

        :raises Unauthenticated: it proves nothing; the same answer for every reason
        :raises Unavailable: the issuer's keys could never be had
        """
        try:
            return await self._verify(token, now.timestamp())
        except _Unfit as unfit:
            refuse(str(unfit))

    async def _verify(self, token: str, now_s: float) -> VerifiedToken:
        header, unproven = _parts(token)
        algorithm, kid = _check_header(header)
        # Unproven, the claims only choose among what is configured; they count once the signature has been checked.
        fitting = [trust for trust in self._by_issuer.get(_text(unproven, "iss"), ()) if _is_meant_for(trust, unproven)]
        if not fitting:
            raise _Unfit("issuer or party not trusted")
        trust = await _signer(fitting, token, algorithm, kid)
        _check_claims(trust, unproven, now_s)
        _check_access(trust, header, unproven)
        return _verified(trust, unproven)


async def verify_id_token(
    token: str, *, trust: IssuerTrust, client_id: str, nonce: str, now: datetime
) -> VerifiedToken:
    """Return what an ID token proves that was asked for with `nonce`, made for the client that asked and nobody else.

    The rules of the contract above, but for two: it is an ID token, and `aud` is the client (OpenID Connect Core 3.1.3.7).

    :raises Unauthenticated: it proves nothing; the same answer for every reason
    :raises Unavailable: the issuer's keys could never be had
    """
    try:
        header, claims = _parts(token)
        algorithm, kid = _check_header(header)
        if _text(claims, "iss") != trust.issuer:
            raise _Unfit("issuer or party not trusted")
        await _signer([trust], token, algorithm, kid)
        _check_claims(trust, claims, now.timestamp())
        _check_client(claims, client_id, nonce)
        if trust.acr_values and _text(claims, "acr") not in trust.acr_values:
            raise _Unfit("acr")
        return _verified(trust, claims)
    except _Unfit as unfit:
        refuse(str(unfit))


async def verify_signed(token: str, *, trust: IssuerTrust, types: frozenset[str]) -> Mapping[str, Any]:
    """Return the claims of a token of one issuer that is of one of these types, and proven to be its. They are not judged.

    :raises Unauthenticated: it is not signed by that issuer, or of another type
    :raises Unavailable: the issuer's keys could never be had
    """
    try:
        header, claims = _parts(token)
        if str(header.get("typ", "jwt")).lower() not in types:
            raise _Unfit("type")
        algorithm, kid = _check_header({**header, "typ": "JWT"})
        if _text(claims, "iss") != trust.issuer:
            raise _Unfit("issuer or party not trusted")
        await _signer([trust], token, algorithm, kid)
        return claims
    except _Unfit as unfit:
        refuse(str(unfit))


def claimed_issuer(token: str) -> str | None:
    """Return the issuer that a token names, unproven: good for choosing whose keys to try it with, and nothing else.

    None if it is no signed token at all (an opaque one, perhaps).
    """
    try:
        _, claims = _parts(token)
    except _Unfit:
        return None
    return _text(claims, "iss") or None


def refuse(reason: str) -> NoReturn:
    """Refuse a credential: the caller learns nothing, the log and the metrics learn why."""
    metrics.credentials_refused(reason=reason)
    log.info("credentials refused", reason=reason)
    raise Unauthenticated from None


def verifying_key(key: object) -> VerifyingKey:
    """Take a public key into use.

    :raises ValueError: it is neither RSA of 2048 bits or more nor on the curve P-256
    """
    if isinstance(key, RSAPublicKey) and key.key_size >= RSA_BITS_MIN:
        return VerifyingKey("RS256", key)
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return VerifyingKey("ES256", key)
    raise ValueError("a verifying key is RSA with 2048 bits or more, or EC on P-256, and public")


def organization_of(claims: Mapping[str, Any], id_claim: str, role_claim: str) -> tuple[str | None, str | None]:
    """Return the organization and role that verified claims name: flat claims, or Clerk's version 2 (`o`).

    :raises ValueError: they are no texts, or the two ways disagree
    """
    flat = (_optional(claims.get(id_claim)), _role(claims.get(role_claim)))
    nested = claims.get("o")
    if not isinstance(nested, Mapping) or not nested:
        return flat
    compact = (_optional(nested.get("id")), _role(nested.get("rol")))
    if flat[0] is not None and flat[0] != compact[0]:
        raise ValueError("two organizations in one token")
    return compact


def _parts(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    if len(token) > TOKEN_BYTES_MAX:
        raise _Unfit("too long")
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        raise _Unfit("not a signed token")
    return _object(parts[0]), _object(parts[1])


def _object(part: str) -> Mapping[str, Any]:
    try:
        raw = base64.b64decode(part.encode("ascii") + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
        value = json.loads(raw, object_pairs_hook=_no_twins)
    except (ValueError, RecursionError) as error:
        raise _Unfit("not a signed token") from error
    if not isinstance(value, dict):
        raise _Unfit("not a signed token")
    return value


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that says a name twice: two readers would read two things."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name twice")
    return made


def _check_header(header: Mapping[str, Any]) -> tuple[str, str | None]:
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if algorithm not in {"RS256", "ES256"}:
        raise _Unfit("algorithm")
    if any(name in header for name in _KEYS_IN_HEADER):
        raise _Unfit("key or extension in header")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise _Unfit("type")
    if kid is not None and (not isinstance(kid, str) or not 0 < len(kid) <= KID_LENGTH_MAX):
        raise _Unfit("kid")
    return str(algorithm), kid


def _is_meant_for(trust: IssuerTrust, claims: Mapping[str, Any]) -> bool:
    if trust.authorized_parties and _text(claims, "azp") not in trust.authorized_parties:
        return False
    if not trust.audiences:
        return True
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    return any(isinstance(each, str) and each in trust.audiences for each in named)


def _is_signed(token: str, key: VerifyingKey) -> bool:
    try:
        # Only the signature: PyJWT reads claims more mildly than the contract above, and looks at the clock itself.
        jwt.PyJWS().decode(token, key=key.key, algorithms=[key.algorithm])
    except jwt.PyJWTError:
        return False
    return True


async def _signer(fitting: Sequence[IssuerTrust], token: str, algorithm: str, kid: str | None) -> IssuerTrust:
    """Return the first whose key signed the token. One whose keys cannot be had does not stand in another's way."""
    away: Unavailable | None = None
    for trust in fitting:
        try:
            key = await trust.keys.find(kid)
        except Unavailable as error:
            away = error
            continue
        if key is not None and key.algorithm == algorithm and _is_signed(token, key):
            return trust
    if away:
        raise away
    raise _Unfit("signature or key")


def _check_claims(trust: IssuerTrust, claims: Mapping[str, Any], now_s: float) -> None:
    if not 0 < len(_text(claims, "sub")) <= CLAIM_LENGTH_MAX:
        raise _Unfit("subject")
    if now_s >= _instant(claims, "exp") + LEEWAY_S:
        raise _Unfit("expired")
    if _instant(claims, "iat") > now_s + LEEWAY_S:
        raise _Unfit("issued in the future")
    if (trust.requires_nbf or "nbf" in claims) and _instant(claims, "nbf") > now_s + LEEWAY_S:
        raise _Unfit("not valid yet")
    if claims.get("sts") == "pending":
        raise _Unfit("session pending")


def _check_client(claims: Mapping[str, Any], client_id: str, nonce: str) -> None:
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if client_id not in named:
        raise _Unfit("audience")
    # Made for several, it says which of them asked for it.
    if (len(named) > 1 or "azp" in claims) and _text(claims, "azp") != client_id:
        raise _Unfit("azp")
    if not same(_text(claims, "nonce").encode(), nonce.encode()):
        raise _Unfit("nonce")


def _check_access(trust: IssuerTrust, header: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
    if trust.requires_access_type and str(header.get("typ")).lower() not in _ACCESS_TYPES:
        raise _Unfit("not an access token")
    # Keycloak says typ=ID, Cognito token_use=id; the rest is told by the claims that only ID tokens have.
    says_so = str(claims.get("typ")).lower() == "id" or str(claims.get("token_use")).lower() == "id"
    if says_so or any(name in claims for name in _ID_TOKEN_CLAIMS):
        raise _Unfit("an ID token")


def _verified(trust: IssuerTrust, claims: Mapping[str, Any]) -> VerifiedToken:
    try:
        organization_id, role = organization_of(claims, trust.organization_claim, trust.role_claim)
        expires_at = datetime.fromtimestamp(_instant(claims, "exp"), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise _Unfit("organization or expiry") from error
    azp = _text(claims, "azp") or None
    proven = verified_at(claims, acr_values=trust.acr_values)
    subject = _text(claims, "sub")
    return VerifiedToken(trust.issuer, subject, organization_id, role, azp, expires_at, claims, trust, proven)


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def _instant(claims: Mapping[str, Any], name: str) -> float:
    """Return a NumericDate; a number in a text is none."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _Unfit(f"no {name}")
    return value


def _optional(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= CLAIM_LENGTH_MAX:
        raise ValueError("not a text")
    return value


def _role(value: object) -> str | None:
    text = _optional(value)
    return text.removeprefix("org:") if text else None
