"""How PayPal signs its webhooks: RSA-SHA256 over `id|time|webhook id|crc32 of the body`, by a certificate it names.

The headers say where the certificate is, so they could lead anywhere: only PayPal's own address is asked, and what it
gives must be issued to PayPal by an authority that we trust.
"""

import asyncio
import base64
import binascii
import re
import ssl
import warnings
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from guilder.domain.gateways.port import BadNotice
from guilder.platform.outside.http import Outbound, OutboundPolicy
from guilder.platform.outside.intents import CallFailed

HEADERS = ("transmission-id", "transmission-time", "transmission-sig", "cert-url", "auth-algo")
HEADER_MAX = 1_000
ALGORITHM = "SHA256withRSA"
CERT_HOSTS = {"sandbox": "api.sandbox.paypal.com", "live": "api.paypal.com"}
# PayPal sends again for three days what was not taken, with the time of the first sending: younger ones are not refused.
# A second copy of what we have does nothing (a notice's id is taken in once), so age is no danger by itself.
PAST = timedelta(days=3, minutes=5)
FUTURE = timedelta(minutes=5)
CERTIFICATES_MAX = 64
CHAIN_MAX = 6
KEY_BITS_MIN = 2048
KEPT_FOR = timedelta(hours=12)
_CERT_PATH = re.compile(r"/v1/notifications/certs/CERT-[0-9A-Za-z-]{1,100}", re.ASCII)
_WEBHOOK_ID = re.compile(r"[0-9A-Za-z-]{1,50}", re.ASCII)
_TRANSMISSION_ID = re.compile(r"[0-9A-Za-z-]{1,50}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]{1,10000}-----END CERTIFICATE-----")
_NOT_THERE = frozenset({400, 401, 403, 404, 410})
_OWNER = ".paypal.com"


class Certificates:
    """PayPal's signing certificates, by their address: fetched once, verified at every use, few at a time.

    `origins` sends the calls for a host elsewhere (tests); `roots` are the trusted authorities, else the public ones.
    """

    def __init__(
        self,
        *,
        policy: OutboundPolicy | None = None,
        origins: Mapping[str, str] | None = None,
        roots: Sequence[x509.Certificate] | None = None,
        verify_tls: ssl.SSLContext | None = None,
    ) -> None:
        self._outbound = Outbound(policy or OutboundPolicy(), verify=verify_tls)
        self._origins = dict(origins or {})
        self._roots = list(roots or [])
        self._authorities: tuple[frozenset[x509.Name], Store] | None = None
        self._known: dict[str, tuple[datetime, list[x509.Certificate]]] = {}
        self._lock = asyncio.Lock()

    async def close(self) -> None:
        await self._outbound.close()

    async def key(self, url: str, *, host: str, now: datetime) -> rsa.RSAPublicKey:
        """Return the key of the certificate at this address.

        :raises BadNotice: the address is not PayPal's, or what is there is not PayPal's certificate, or not of now
        :raises CallFailed: it could not be fetched
        """
        path = _path(url, host)
        chain = await self._chain(host, path, now)
        self._check(chain, now)
        key = chain[0].public_key()
        if not isinstance(key, rsa.RSAPublicKey) or key.key_size < KEY_BITS_MIN:
            raise BadNotice
        return key

    async def _chain(self, host: str, path: str, now: datetime) -> list[x509.Certificate]:
        name = host + path
        if (kept := self._kept(name, now)) is not None:
            return kept
        # One fetch at a time: a flood of notices is one, and forged ones queue up behind each other.
        async with self._lock:
            if (kept := self._kept(name, now)) is not None:
                return kept
            chain = await self._fetch(self._origins.get(host, f"https://{host}") + path)
            self._known[name] = (now, chain)
            if len(self._known) > CERTIFICATES_MAX:
                del self._known[next(iter(self._known))]
            return chain

    def _kept(self, name: str, now: datetime) -> list[x509.Certificate] | None:
        kept = self._known.get(name)
        return kept[1] if kept is not None and abs(now - kept[0]) < KEPT_FOR else None

    async def _fetch(self, url: str) -> list[x509.Certificate]:
        answer = await self._outbound.send("GET", url)
        if answer.status in _NOT_THERE or 300 <= answer.status < 400:
            raise BadNotice
        if answer.status != 200 or answer.is_cut:
            raise CallFailed(f"PayPal's certificate: answered {answer.status}")
        try:
            chain = [x509.load_pem_x509_certificate(each) for each in _PEM.findall(answer.body)[: CHAIN_MAX + 1]]
        except (ValueError, UnsupportedAlgorithm) as error:
            raise BadNotice from error
        if not 0 < len(chain) <= CHAIN_MAX:
            raise BadNotice
        return chain

    def _check(self, chain: Sequence[x509.Certificate], now: datetime) -> None:
        """Check that a trusted authority issued it to PayPal, and that it is valid now.

        PayPal has been seen to give the certificate without what is between it and its root. Such a one, and only
        such a one, is taken on the word of the pinned host's own TLS: in date, PayPal's, and not issued by itself.
        """
        leaf = chain[0]
        names = [each for each in _names(leaf) if each.lower().endswith(_OWNER) and "*" not in each]
        if not names or not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
            raise BadNotice
        issuers, store = self._trusted()
        if len(chain) == 1 and leaf.issuer not in issuers:
            if leaf.issuer == leaf.subject:
                raise BadNotice
            return
        verifier = PolicyBuilder().store(store).time(now.astimezone(UTC)).max_chain_depth(CHAIN_MAX)
        try:
            verifier.build_server_verifier(x509.DNSName(names[0])).verify(leaf, list(chain[1:]))
        except (VerificationError, ValueError, UnsupportedAlgorithm) as error:
            raise BadNotice from error

    def _trusted(self) -> tuple[frozenset[x509.Name], Store]:
        """Return the authorities' names and the store of them; made at the first notice, and once."""
        if self._authorities is None:
            roots = self._roots or _public_roots()
            self._authorities = frozenset(root.subject for root in roots), Store(roots)
        return self._authorities


async def verify(
    headers: Mapping[str, str], body: bytes, *, settings: Mapping[str, str], now: datetime, certificates: Certificates
) -> None:
    """Check that PayPal signed these very bytes for our webhook; without the webhook's id nothing is taken.

    :raises BadNotice: anything else
    :raises CallFailed: the certificate could not be had; PayPal will send the notice again
    """
    webhook_id, host = settings.get("webhook_id", ""), CERT_HOSTS.get(settings.get("environment", ""))
    if host is None or not _WEBHOOK_ID.fullmatch(webhook_id):
        raise BadNotice
    given = [headers.get(f"paypal-{name}", "") for name in HEADERS]
    if not all(0 < len(each) <= HEADER_MAX and each.isascii() for each in given):
        raise BadNotice
    transmission_id, at, signature, url, algorithm = given
    if algorithm != ALGORITHM or not _TRANSMISSION_ID.fullmatch(transmission_id):
        raise BadNotice
    sent_at = _moment(at)
    if not now - PAST <= sent_at <= now + FUTURE:
        raise BadNotice
    raw = _decoded(signature)
    key = await certificates.key(url, host=host, now=now)
    message = f"{transmission_id}|{at}|{webhook_id}|{zlib.crc32(body)}".encode()
    try:
        key.verify(raw, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature as error:
        raise BadNotice from error


def _public_roots() -> list[x509.Certificate]:
    """Load the public authorities; one whose form the library does not take any more is left out, not fatal."""
    roots = []
    for each in _PEM.findall(Path(certifi.where()).read_bytes()):
        with warnings.catch_warnings(), suppress(ValueError, UnsupportedAlgorithm, CryptographyDeprecationWarning):
            warnings.simplefilter("error", CryptographyDeprecationWarning)
            roots.append(x509.load_pem_x509_certificate(each))
    return roots


def _path(url: str, host: str) -> str:
    """Return the path of a certificate's address. It is compared, not parsed: there is one way to write it."""
    start = f"https://{host}"
    path = url.removeprefix(start)
    if not url.startswith(start) or not _CERT_PATH.fullmatch(path):
        raise BadNotice
    return path


def _moment(said: str) -> datetime:
    if not _TIME.fullmatch(said):
        raise BadNotice
    try:
        return datetime.fromisoformat(said)
    except ValueError as error:
        raise BadNotice from error


def _decoded(said: str) -> bytes:
    try:
        return base64.b64decode(said, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadNotice from error


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        said = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return []
    return said.value.get_values_for_type(x509.DNSName)
