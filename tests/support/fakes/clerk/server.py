"""Clerk as it is from outside: what its API answers follows from what happened there, and it tells of that by webhook."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

from standardwebhooks import Webhook

from tests.support.identity_provider import PARTY, SigningKey

SECRET_KEY = "sk_test_" + "k" * 40
WEBHOOK_SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS1mYWtlLWNsZXJrLTMyYnl0ZXM="


@dataclass
class Clerk:
    """One instance. `mode` says how the backend API behaves: ok, down (503), refused (401), garbage, slow."""

    url: str = ""
    key: SigningKey = field(default_factory=lambda: SigningKey("ins_1"))
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    memberships: dict[tuple[str, str], str] = field(default_factory=dict)
    mode: str = "ok"
    asked: list[str] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: count(1))

    @property
    def issuer(self) -> str:
        return self.url

    def joins(self, user: str, organization: str, role: str = "org:admin") -> str:
        """Have a user be of an organization, with a session; return the session's id."""
        self.users.setdefault(user, {"id": user, "object": "user", "banned": False, "locked": False})
        self.memberships[user, organization] = role
        return self.signs_in(user)

    def signs_in(self, user: str) -> str:
        self.users.setdefault(user, {"id": user, "object": "user", "banned": False, "locked": False})
        session = f"sess_{next(self._numbers)}"
        self.sessions[session] = {"id": session, "object": "session", "user_id": user, "status": "active"}
        return session

    def token(self, session: str, organization: str | None, *, at: datetime, **over: Any) -> str:
        """Make a session token, version 2, as of now."""
        user = self.sessions[session]["user_id"]
        made = int(at.timestamp())
        claims: dict[str, Any] = {
            "v": 2,
            "iss": self.issuer,
            "sub": user,
            "sid": session,
            "azp": PARTY,
            "iat": made,
            "nbf": made,
            "exp": made + 60,
            "fva": [0, -1],
        }
        if organization is not None:
            claims["o"] = {
                "id": organization,
                "rol": self.memberships[user, organization].removeprefix("org:"),
                "slg": "acme",
            }
        return self.key.sign({**claims, **over})

    # What happens, each answering with the event that tells of it.

    def leaves(self, user: str, organization: str, *, at: datetime) -> dict[str, Any]:
        role = self.memberships.pop((user, organization))
        return self._event("organizationMembership.deleted", _membership(user, organization, role), at)

    def changes_role(self, user: str, organization: str, role: str, *, at: datetime) -> dict[str, Any]:
        self.memberships[user, organization] = role
        return self._event("organizationMembership.updated", _membership(user, organization, role), at)

    def is_deleted(self, user: str, *, at: datetime) -> dict[str, Any]:
        self.users.pop(user, None)
        self.memberships = {name: role for name, role in self.memberships.items() if name[0] != user}
        return self._event("user.deleted", {"id": user, "object": "user", "deleted": True}, at)

    def signs_out(self, session: str, *, at: datetime, how: str = "ended") -> dict[str, Any]:
        self.sessions[session]["status"] = how
        return self._event(f"session.{how}", self.sessions[session], at)

    def organization_ends(self, organization: str, *, at: datetime) -> dict[str, Any]:
        self.memberships = {name: role for name, role in self.memberships.items() if name[1] != organization}
        data = {"id": organization, "object": "organization", "deleted": True}
        return self._event("organization.deleted", data, at)

    def _event(self, kind: str, data: dict[str, Any], at: datetime) -> dict[str, Any]:
        return {
            "object": "event",
            "type": kind,
            "timestamp": int(at.timestamp() * 1000),
            "instance_id": "ins_1",
            "data": data,
        }

    def sent(
        self, event: Any, *, at: datetime, id_: str | None = None, secret: str = WEBHOOK_SECRET, prefix: str = "svix"
    ) -> tuple[bytes, dict[str, str]]:
        """Return (body, headers) as Svix would send them, signed by the reference library."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        name = id_ or f"msg_{next(self._numbers)}"
        signature = Webhook(secret).sign(name, at, body.decode(errors="replace"))
        headers = {"id": name, "timestamp": str(int(at.timestamp())), "signature": signature}
        return body, {f"{prefix}-{word}": value for word, value in headers.items()}

    # The API.

    def answer(self, method: str, target: str, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        parts = urlsplit(target)
        self.asked.append(target)
        if parts.path == "/.well-known/jwks.json":
            return 200, json.dumps({"keys": [self.key.jwk()]}).encode(), {}
        if self.mode == "down":
            return 503, b"{}", {"Retry-After": "7"}
        if self.mode == "garbage":
            return 200, b"<html>", {}
        if self.mode == "refused" or headers.get("authorization") != f"Bearer {SECRET_KEY}":
            return 401, b'{"errors": [{"code": "authentication_invalid"}]}', {}
        found = self._found(parts.path.split("/")[1:], parse_qs(parts.query))
        if method != "GET" or found is None:
            return 404, b'{"errors": [{"code": "resource_not_found"}]}', {}
        return 200, json.dumps(found).encode(), {}

    def _found(self, path: list[str], query: dict[str, list[str]]) -> Any:
        match path:
            case ["v1", "sessions", session]:
                return self.sessions.get(session)
            case ["v1", "users", user]:
                return self.users.get(user)
            case ["v1", "users", user, "organization_memberships"] if user in self.users:
                theirs = [_membership(*name, role) for name, role in self.memberships.items() if name[0] == user]
                start, limit = int(query.get("offset", ["0"])[0]), int(query.get("limit", ["10"])[0])
                return {"data": theirs[start : start + limit], "total_count": len(theirs)}
        return None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            start, *lines = head.split("\r\n")
            method, target, _ = start.split(" ")
            headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines if line}
            if self.mode == "slow" and not target.startswith("/.well-known"):
                self.asked.append(target)
                await asyncio.sleep(60)
            status, body, extra = self.answer(method, target, headers)
            said = "".join(f"{name}: {value}\r\n" for name, value in extra.items())
            writer.write(
                f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{said}\r\n".encode() + body
            )
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


def _membership(user: str, organization: str, role: str) -> dict[str, Any]:
    return {
        "id": f"orgmem_{user}_{organization}",
        "object": "organization_membership",
        "role": role,
        "organization": {"id": organization, "object": "organization", "name": organization},
        "public_user_data": {"user_id": user, "identifier": f"{user}@example.test"},
    }


@asynccontextmanager
async def serving_clerk() -> AsyncIterator[Clerk]:
    clerk = Clerk()
    server = await asyncio.start_server(clerk.serve, "127.0.0.1", 0)
    clerk.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield clerk
    finally:
        server.close()
