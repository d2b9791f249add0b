"""Two tenants with one of everything, in one house whose API also answers in this process: thousands of requests are
seconds.

The attackers are everybody who can hold a credential, and some who hold none. What each may do is said here a second
time, in the plainest way, so that the real rule has somebody to disagree with.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from guilder.entrypoints import answering
from guilder.entrypoints.house import open_house
from guilder.kernel.noun import replace
from guilder.platform.auth.permission import Permission
from guilder.platform.config import Settings
from guilder.platform.http.edge import EdgeRoute
from tests.support.identity_provider import SigningKey, claims
from tests.support.neighbours import USERS_KEY, Belongings, furnished, issuer_of
from tests.support.outcomes import rest
from tests.support.processes import Installation
from tests.support.world import World, a_world

ROLES = ("member", "billing", "admin")
A_DAY_S = 86_400
# What an answer says of itself, and of nobody's things.
_OF_EACH_ANSWER = {"x-request-id", "date", "ratelimit-remaining", "ratelimit-reset", "ratelimit-limit"}
_REQUEST_ID = re.compile(r"req_[0-9a-f]{24}")


@dataclass(frozen=True, slots=True)
class Attacker:
    """Somebody who asks: `kind` is nobody, key, staff, customer, or stranger (another customer's). `is_stale`: proved who they are too long ago."""

    name: str
    kind: str
    role: str = "member"
    headers: dict[str, str] = field(default_factory=dict)
    only_reads: bool = False
    is_stale: bool = False
    signs_in: Callable[[], dict[str, str]] | None = None

    def now(self) -> "Attacker":
        """Return this one as of this moment: who proved who they are lately has to do so again, in a long siege."""
        return self if self.signs_in is None else replace(self, headers=self.signs_in())

    def refusal(self, permission: Permission) -> int | None:
        """Say with which status this one is refused what asks for `permission`; None if it is let in."""
        if permission.is_public:
            return None
        if self.kind == "nobody":
            return 401
        least = permission.customer if self.kind in {"customer", "stranger"} else permission.tenant
        if least is None or ROLES.index(self.role) < ROLES.index(least.value):
            return 403
        if self.only_reads and not permission.scope.endswith(":read"):
            return 403
        if self.is_stale and getattr(permission, "steps_up", False):
            return 403
        return None


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: str
    permission: Permission
    described: dict[str, Any]

    @property
    def label(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def names(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)

    def asked(self, place: str) -> list[dict[str, Any]]:
        """Return what this takes in its `query`, `header` or `path`."""
        return [each for each in self.described.get("parameters", []) if each["in"] == place]


@dataclass
class Siege:
    """`mine` and `theirs` are furnished alike: `own` and `foreign` name what each has."""

    installation: Installation
    mine: World
    theirs: World
    own: Belongings
    foreign: Belongings
    app: FastAPI
    http: httpx.AsyncClient
    operations: list[Operation]
    attackers: dict[str, Attacker] = field(default_factory=dict)
    asked: int = 0

    async def ask(self, who: Attacker, method: str, url: str, **more: Any) -> httpx.Response:
        self.asked += 1
        headers = {**who.now().headers, **more.pop("headers", {})}
        answer = await self.http.request(method, url, headers=headers, **more)
        assert answer.status_code < 500, (who.name, method, url, answer.status_code, answer.text)
        return answer

    def among(self, *kinds: str) -> list[Attacker]:
        return [each for each in self.attackers.values() if each.kind in kinds]

    def operation(self, label: str) -> Operation:
        return next(each for each in self.operations if each.label == label)


def told(answer: httpx.Response) -> tuple[int, str, dict[str, str]]:
    """What an answer says, but for what is of each answer its own."""
    headers = {name: value for name, value in answer.headers.items() if name not in _OF_EACH_ANSWER}
    return answer.status_code, _REQUEST_ID.sub("req_?", answer.text), headers


def operations_of(app: FastAPI) -> list[Operation]:
    """Return every documented operation with what it asks of its caller."""
    document, found = app.openapi()["paths"], []
    for context in iter_route_contexts(app.routes):
        route, path = context.original_route, context.path_format
        if not isinstance(route, EdgeRoute) or path is None or path not in document:
            continue
        found += [
            Operation(method, path, app.state.edge.guards.of(method, path).permission, document[path][method.lower()])
            for method in sorted(context.methods or ())
            if method.lower() in document[path]
        ]
    return found


def token(issuer: str, said: dict[str, Any], *, key: SigningKey = USERS_KEY, proven_s_ago: int = 0) -> dict[str, str]:
    """Return the header of a user; `proven_s_ago` is said in every way in which tokens say it."""
    now = int(time.time())
    lately = {"iat": now, "nbf": now, "exp": now + 3_000}
    proven = {"auth_time": now - proven_s_ago, "fva": [proven_s_ago // 60, -1]}
    return {"Authorization": f"Bearer {key.sign(claims(iss=issuer, **{**lately, **proven, **said}))}"}


async def _key(world: World, **about: Any) -> tuple[str, dict[str, str]]:
    made = await world.post("/api/api-keys", {"name": "an attacker's", **about})
    return made["id"], {"Authorization": f"Bearer {made['key']}"}


async def _keys(world: World, operations: list[Operation]) -> list[Attacker]:
    found = [Attacker(f"key, {role}", "key", role, (await _key(world, role=role))[1]) for role in ROLES]
    scopes = sorted({each.permission.scope for each in operations if each.permission.scope.endswith(":read")})
    _, headers = await _key(world, role="admin", scopes=scopes)
    return [*found, Attacker("key, admin, reads only", "key", "admin", headers, only_reads=True)]


async def _nobodies(world: World) -> list[Attacker]:
    soon = datetime.now(UTC) + timedelta(seconds=1)
    _, expired = await _key(world, role="admin", expires_at=soon.isoformat())
    revoked_id, revoked = await _key(world, role="admin")
    await world.delete(f"/api/api-keys/{revoked_id}")
    forged = token(issuer_of("acme"), {"org_id": "acme"}, key=SigningKey("k1"))
    while datetime.now(UTC) <= soon:
        await asyncio.sleep(0.1)
    return [
        Attacker("nobody", "nobody"),
        Attacker("an expired key", "nobody", headers=expired),
        Attacker("a revoked key", "nobody", headers=revoked),
        Attacker("a made-up key", "nobody", headers={"Authorization": "Bearer gk_sandbox_" + "a" * 49}),
        Attacker("a forged token", "nobody", headers=forged),
        Attacker("a login by name", "nobody", headers={"Authorization": "Basic YWRtaW46YWRtaW4="}),
        Attacker("a key as a cookie", "nobody", headers={"Cookie": f"session={world.api_key}; token={world.api_key}"}),
    ]


async def _staff(world: World) -> list[Attacker]:
    issuer, found = issuer_of("acme"), []
    for role in ROLES:
        email = f"{role}@staff.example"
        await world.post("/api/members", {"email": email, "role": role})
        said = {"sub": f"staff-{role}", "org_id": None, "org_role": None, "email": email, "email_verified": True}
        found.append(Attacker(f"staff, {role}", "staff", role, signs_in=_lately(issuer, said)))
    stale = _lately(issuer, said, proven_s_ago=A_DAY_S)
    return [*found, Attacker("staff, admin of yesterday", "staff", "admin", is_stale=True, signs_in=stale)]


def _lately(issuer: str, said: dict[str, Any], *, proven_s_ago: int = 0) -> Callable[[], dict[str, str]]:
    """Return what signs a token, and signs another when that is some minutes old."""
    signed: dict[int, dict[str, str]] = {}

    def sign() -> dict[str, str]:
        minutes = int(time.time()) // 240
        if minutes not in signed:
            signed[minutes] = token(issuer, said, proven_s_ago=proven_s_ago)
        return signed[minutes]

    return sign


def _users() -> list[Attacker]:
    """The users of the customer whose things are asked for, and strangers: users of another customer of the tenant."""
    return [
        Attacker(
            f"{name}, {role}",
            kind,
            role,
            signs_in=_lately(
                issuer_of("acme"), {"sub": f"{name}-{role}", "org_id": organization, "org_role": f"org:{role}"}
            ),
        )
        for role in ROLES
        for name, kind, organization in (("user", "customer", "acme"), ("stranger", "stranger", "poor-acme"))
    ]


@asynccontextmanager
async def besieged(installation: Installation, *, starts_at: datetime) -> AsyncIterator[Siege]:
    """Furnish two tenants, arm the attackers, and open a house of this process on the installation's database."""
    async with a_world(installation, starts_at=starts_at) as mine, a_world(installation, starts_at=starts_at) as theirs:
        own, foreign = await asyncio.gather(furnished(mine, "acme"), furnished(theirs, "umbrella"))
        async with open_house(settings_of(installation)) as house:
            app = answering.api(house)
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=installation.base_url) as http:
                siege = Siege(installation, mine, theirs, own, foreign, app, http, operations_of(app))
                arms = [*await _nobodies(mine), *await _keys(mine, siege.operations), *await _staff(mine), *_users()]
                siege.attackers = {each.name: each for each in arms}
                for each in siege.among("staff"):
                    await siege.ask(each, "GET", "/api/tenant")  # who was invited joins when first seen
                await asyncio.gather(rest(mine), rest(theirs))
                yield siege


def settings_of(installation: Installation) -> Settings:
    fields = {name.upper(): name for name in Settings.model_fields}
    said = installation.environment.items()
    # In an environment an empty value is the same as none.
    given: dict[str, Any] = {fields[name]: value for name, value in said if name in fields and value}
    return Settings(_env_file=None, **given)
