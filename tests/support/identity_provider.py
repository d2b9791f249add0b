"""An identity provider of the tests' own: keys, tokens good and bad, and a key set served on this machine."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ISSUER = "https://idp.example.test"
PARTY = "https://app.example.test"


@dataclass
class SigningKey:
    kid: str
    private: Any = field(default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048))
    algorithm: str = "RS256"

    def jwk(self) -> dict[str, Any]:
        of = jwt.algorithms.RSAAlgorithm if self.algorithm == "RS256" else jwt.algorithms.ECAlgorithm
        public: dict[str, Any] = json.loads(of.to_jwk(self.private.public_key()))
        return {**public, "kid": self.kid, "alg": self.algorithm, "use": "sig"}

    def pem(self) -> bytes:
        pem: bytes = self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        return jwt.encode(claims, self.private, algorithm=self.algorithm, headers={"kid": self.kid, **header})


def an_ec_key(kid: str) -> SigningKey:
    return SigningKey(kid, ec.generate_private_key(ec.SECP256R1()), "ES256")


def claims(**changes: Any) -> dict[str, Any]:
    """Return claims of a good session token at NOW; a change to None leaves one out."""
    now = int(NOW.timestamp())
    good = {
        "iss": ISSUER,
        "sub": "user_1",
        "azp": PARTY,
        "iat": now,
        "nbf": now,
        "exp": now + 60,
        "org_id": "org_1",
        "org_role": "org:admin",
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def by_hand(header: dict[str, Any], body: Any, signature: bytes = b"x") -> str:
    """Put a token together that no library would sign."""
    parts = (json.dumps(header).encode(), body if isinstance(body, bytes) else json.dumps(body).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


class KeySetServer:
    """Serves what `answer` says, counts who asks, and can be slow or down."""

    def __init__(self, answer: Callable[[str], tuple[int, Any]]) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.heads: list[str] = []
        self.bodies: list[str] = []
        self.delay_s = 0.0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next((int(line[15:]) for line in head.split("\r\n") if line.lower()[:15] == "content-length:"), 0)
            self.bodies.append((await reader.readexactly(length)).decode())
            path = head.split(" ")[1]
            self.heads.append(head)
            self.asked.append(path)
            await asyncio.sleep(self.delay_s)
            status, document = self.answer(path)
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            extra = {302: "Location: /elsewhere\r\n", 303: f"Location: {document}\r\n"}.get(status, "")
            body = b"" if status == 303 else body
            start = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{extra}\r\n"
            writer.write(start.encode() + body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(answer: Callable[[str], tuple[int, Any]]) -> AsyncIterator[KeySetServer]:
    state = KeySetServer(answer)
    server = await asyncio.start_server(state.serve, "127.0.0.1", 0)
    state.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield state
    finally:
        server.close()
        await server.wait_closed()


@dataclass
class SignInProvider:
    """An OpenID provider at which one person is signed in, and which is strict about the code flow with PKCE.

    `person` is what its ID tokens say of them; `spoils` what they say wrong; `now` is its clock. `by_userinfo` is what it
    says when it is asked with the access token.
    """

    key: SigningKey
    now: datetime = NOW
    client_id: str = "guilder"
    client_secret: str = "s3cret"
    person: dict[str, Any] = field(default_factory=lambda: {"sub": "user_1"})
    spoils: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    by_userinfo: dict[str, Any] | None = None
    asked: list[dict[str, str]] = field(default_factory=list)
    server: "KeySetServer | None" = None

    @property
    def issuer(self) -> str:
        assert self.server is not None
        return self.server.url

    def answer(self, path: str) -> tuple[int, Any]:
        parts = urlsplit(path)
        if parts.path == "/.well-known/openid-configuration":
            endpoints = {f"{name}_endpoint": f"{self.issuer}/{name.lower()}" for name in ("authorization", "token")}
            endpoints |= {"userinfo_endpoint": f"{self.issuer}/userinfo"} if self.by_userinfo is not None else {}
            return 200, {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", **endpoints}
        if parts.path == "/keys":
            return 200, {"keys": [self.key.jwk()]}
        if parts.path == "/authorization":
            return 303, self.authorize(path)
        if parts.path == "/token":
            return self._token()
        if parts.path == "/userinfo" and self.server is not None and "Bearer at\r\n" in self.server.heads[-1]:
            return 200, self.by_userinfo
        return 404, {}

    def authorize(self, url: str) -> str:
        """Let the person in at once, and say where their browser is sent back to."""
        said = dict(parse_qsl(urlsplit(url).query))
        assert (said["client_id"], said["response_type"]) == (self.client_id, "code"), said
        assert said["code_challenge_method"] == "S256", said
        code = f"code-{len(self.asked)}"
        self.asked.append(said)
        self.codes[code] = said
        return f"{said['redirect_uri']}?{urlencode({'code': code, 'state': said['state'], 'iss': self.issuer})}"

    def _token(self) -> tuple[int, Any]:
        assert self.server is not None
        form = dict(parse_qsl(self.server.bodies[-1]))
        said = self.codes.pop(form.get("code", ""), None)
        pair = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        if said is None or f"basic {pair}".lower() not in self.server.heads[-1].lower():
            return 400, {"error": "invalid_grant"}
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        if said["code_challenge"] != challenge.decode() or said["redirect_uri"] != form["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        made = int(self.now.timestamp())
        told = {"iss": self.issuer, "aud": self.client_id, "iat": made, "exp": made + 300, "nonce": said["nonce"]}
        told |= {"auth_time": made} if "max_age" in said else {}
        claims_ = {name: value for name, value in (told | self.person | self.spoils).items() if value is not None}
        return 200, {"access_token": "at", "token_type": "Bearer", "id_token": self.key.sign(claims_)}


@asynccontextmanager
async def signing_in(key: SigningKey) -> AsyncIterator[SignInProvider]:
    provider = SignInProvider(key)
    async with serving(provider.answer) as server:
        provider.server = server
        yield provider


class Seconds:
    """A monotonic clock moved by hand."""

    def __init__(self) -> None:
        self.now = 10_000.0  # whole, so that moves add up to what they say

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds
