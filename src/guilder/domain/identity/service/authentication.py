"""Who asks: an API key, or a token of an issuer that a tenant registered.

    a key                     its hash names it; it counts if it is not revoked, not expired, and its tenant is active
    a token that says `iss`   the trusts registered for that issuer; the first whose key signed it counts, and its
                              tenant with it
    a token that says nothing the default tenant's own introspection, if it has one; nobody else's, or one tenant
                              could collect the tokens of another's users
    whose it is               the organization claim names the customer; without one, it is staff, by the subject or,
                              the first time, by an e-mail address that the issuer has verified
    a cookie of ours          the session that it is of, and its member, each read anew; for what has an effect, only
                              from a page of our own. A token beside it counts, if it is of the same person
    staff, and Guilder-Tenant the sandbox of their own tenant that it names

Every refusal is the same to the caller; the reason goes to the log and the metrics. Keys, tokens and trusts count by
the wall clock, in a sandbox too. Whose an API key is may be remembered for a second (`leases`), and who revokes one waits
that long: everything else is read anew with each request.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

from guilder.domain.identity import store
from guilder.domain.identity.model import Member, Tenant, TenantStatus, TokenTrust, TrustKind
from guilder.domain.identity.rules import signing_in as rules
from guilder.domain.identity.service import revocations
from guilder.domain.identity.service.clerk import SecondLook, Who
from guilder.domain.identity.service.signing_in import SignIns, member_of
from guilder.domain.identity.service.token_trusts import Verifiers
from guilder.kernel import ids
from guilder.kernel.errors import NotFound, Unauthenticated
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.noun import replace
from guilder.platform.auth import api_keys
from guilder.platform.auth.jwt import VerifiedToken, claimed_issuer, refuse
from guilder.platform.auth.leases import Leases
from guilder.platform.auth.passwords import Passwords
from guilder.platform.auth.principal import Kind, Principal, Role
from guilder.platform.cache.near import Near
from guilder.platform.clock import Clock
from guilder.platform.crypto import digest
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from guilder.platform.http.exchange import RequestHead
from guilder.platform.http.origins import origin_of, refuse_cross_site

CustomerOf = Callable[[Tx, str], Awaitable[CustomerId | None]]

ACTOR = "authentication"
REMEMBERED_MAX = 10_000
TENANT_HEADER = "guilder-tenant"
NO_TENANT = "there is no such tenant"
_KEY_PREFIX = "gk_"
_BEARER = b"Bearer "
_KEY_HEADER = _BEARER + _KEY_PREFIX.encode()
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class _Proof(NamedTuple):
    token: VerifiedToken
    tenant: Tenant


class Authentication:
    """The edge's Authenticator.

    `customer_of` finds a customer of the transaction's tenant by organization id (customers.service.customer_of).
    `default_slug` names the tenant that tokens without an issuer belong to. `refuses_demo` in production.
    """

    def __init__(
        self,
        database: Database,
        verifiers: Verifiers,
        clock: Clock,
        *,
        customer_of: CustomerOf,
        default_slug: str = "default",
        refuses_demo: bool = False,
        public_url: str = "",
        passwords: Passwords | None = None,
        second_look: SecondLook | None = None,
        near: Near | None = None,
    ) -> None:
        self._second_look = second_look
        self._leases = Leases(near, clock)
        self.sign_ins = SignIns(
            database,
            verifiers,
            clock,
            passwords=passwords or Passwords(),
            public_url=public_url,
            default_slug=default_slug,
            refuses_demo=refuses_demo,
        )
        self._own_origin = origin_of(public_url) if public_url else ""
        self._cookie = session_cookie(public_url)
        self._database = database
        self._verifiers = verifiers
        self._clock = clock
        self._customer_of = customer_of
        self._default_slug = default_slug
        self._refuses_demo = refuses_demo
        # Which key or session a hash is never changes; whether it still counts is read each time.
        self._known: OrderedDict[bytes, Ref] = OrderedDict()
        self._renewing: set[asyncio.Task[None]] = set()
        # Keys that are being read: of a crowd that comes with one at once, one reads it.
        self._reading: dict[bytes, asyncio.Event] = {}

    @property
    def verifiers(self) -> Verifiers:
        return self._verifiers

    async def principal(self, request: RequestHead) -> Principal:
        """Say who asks.

        :raises Unauthenticated: nobody whom we know; the same refusal for whatever reason
        :raises CrossSiteRequest: a cookie alone, from a page elsewhere, and it would have an effect
        :raises NotFound: Guilder-Tenant names no sandbox of theirs
        """
        token, cookie = request.bearer, request.cookies.get(self._cookie)
        signed_in = await self._by_cookie(cookie, steps_up=request.steps_up) if cookie else None
        if token is not None:
            found = await self.principal_of(token, steps_up=request.steps_up)
            if signed_in is not None and signed_in.actor != found.actor:
                refuse("a token and a session of two people")
        elif signed_in is not None:
            refuse_cross_site(request.method, request.headers, self._own_origin)
            found = signed_in
        else:
            raise Unauthenticated
        wanted = request.headers.get(TENANT_HEADER)
        return await self._placed(found, wanted) if wanted is not None else found

    async def principal_of(self, token: str, *, steps_up: bool = False) -> Principal:
        """Say whose an API key or a token is. `steps_up`: before something sensitive, and so its issuer is asked again.

        :raises Unauthenticated: nobody's; the same refusal for whatever reason
        :raises ClerkUnavailable: it is to be asked again, and does not answer
        """
        if token.startswith(_KEY_PREFIX):
            return await self._by_key(token)
        return await self._by_token(token, steps_up=steps_up)

    def at_hand(self, authorization: bytes) -> Principal | None:
        """Say who asks if it is an API key that was let in within the last second; None: it is to be looked at."""
        if not authorization.startswith(_KEY_HEADER):
            return None
        text = authorization[len(_BEARER) :]
        hash_ = digest(text)
        found = self._leases.of(hash_)
        if found is not None and self._leases.is_due(hash_):
            # Before it is over: or a crowd that asks at once would find it gone, and each of them read it.
            renewing = asyncio.create_task(self._renewed(text.decode()))
            self._renewing.add(renewing)
            renewing.add_done_callback(self._renewing.discard)
        return found

    async def _renewed(self, text: str) -> None:
        with suppress(Exception):  # whoever asks next finds out what it was, and is told
            await self._by_key_anew(text)

    async def _by_key(self, text: str) -> Principal:
        hash_ = digest(text)
        if (remembered := self._leases.of(hash_)) is not None:
            return remembered
        if (reading := self._reading.get(hash_)) is not None:
            await reading.wait()
            # What may not be remembered, and whoever was refused, is read by each who asks.
            remembered = self._leases.of(hash_)
            return remembered if remembered is not None else await self._by_key_anew(text)
        self._reading[hash_] = reading = asyncio.Event()
        try:
            return await self._by_key_anew(text)
        finally:
            del self._reading[hash_]
            reading.set()

    async def _by_key_anew(self, text: str) -> Principal:
        read = api_keys.read(text)
        ref = await self._ref(read.hash, store.find_key) if read else None
        if read is None or ref is None:
            refuse("no such key")
        lease = self._leases.begin(ref.tenant_id)
        async with self._database.transaction([ref.tenant_id], actor=ACTOR) as tx:
            key = next(iter(await store.keys(tx, key_id=ref.id)), None)
            tenant = next(iter(await store.tenants(tx, [ref.tenant_id])), None)
        if key is None or key.revoked_at is not None:
            refuse("key revoked")
        if key.expires_at is not None and key.expires_at <= self._clock.now():
            refuse("key expired")
        if tenant is None or not self._is_open(tenant):
            refuse("tenant closed")
        found = Principal(
            Kind.API_KEY,
            ids.to_text("key", key.id),
            tenant.tenant_id,
            Role(key.role.value),
            scopes=key.scopes,
            mode=tenant.mode.value,
        )
        if lease is not None:
            self._leases.keep(read.hash, found, lease, expires_at=key.expires_at)
        return found

    async def _ref(self, hash_: bytes, find: Callable[[Tx, bytes], Awaitable[Ref | None]]) -> Ref | None:
        found = self._known.get(hash_)
        if found is None:
            async with self._database.transaction(actor=ACTOR) as tx:
                found = await find(tx, hash_)
            if found is not None:
                self._known[hash_] = found
            while len(self._known) > REMEMBERED_MAX:
                self._known.popitem(last=False)
        return found

    async def _by_cookie(self, text: str, *, steps_up: bool) -> Principal | None:
        """Say whose session a cookie is; None if it is nobody's or over: a browser keeps cookies longer than we do."""
        ref = await self._ref(digest(text), store.find_session) if _TOKEN.fullmatch(text) else None
        if ref is None:
            return None
        now = self._clock.now()
        async with self._database.transaction([ref.tenant_id], actor=ACTOR) as tx:
            session = await store.session(tx, ref.id)
            if session is None or not rules.is_alive(session, now=now):
                return None
            member = await store.member(tx, session.member_id)
            tenant = next(iter(await store.tenants(tx, [ref.tenant_id])), None)
            if member is None or tenant is None or not self._is_open(tenant):
                return None
            if now - session.last_seen_at >= rules.SEEN_EVERY:
                await store.see_session(tx, session.id, now=now, every=rules.SEEN_EVERY)
        found = replace(_staff(member, tenant, session.verified_at), session_id=session.id)
        if not steps_up or session.trust_id is None:
            return found
        who = Who(member.subject.partition("|")[2])
        return await self._looked_at(found, Ref(tenant.tenant_id, session.trust_id), who)

    async def _placed(self, found: Principal, wanted: str) -> Principal:
        """Put staff into the sandbox of theirs that they name; anything else looks as if it were not there."""
        if found.kind is not Kind.STAFF:
            raise NotFound(NO_TENANT)
        by_id = ids.from_text("ten", wanted)
        async with self._database.transaction([found.tenant_id], actor=ACTOR) as tx:
            tenant_id = TenantId(by_id) if by_id else await store.tenant_by_slug(tx, wanted)
            if tenant_id == found.tenant_id:
                return found
            if tenant_id is None or tenant_id not in await store.sandboxes_of(tx, found.tenant_id):
                raise NotFound(NO_TENANT)
            await tx.narrow({tenant_id})
            tenant = next(iter(await store.tenants(tx, [tenant_id])), None)
        if tenant is None or not self._is_open(tenant):
            raise NotFound(NO_TENANT)
        return replace(found, tenant_id=tenant.tenant_id, mode=tenant.mode.value)

    async def _by_token(self, text: str, *, steps_up: bool) -> Principal:
        issuer = claimed_issuer(text)
        async with self._database.transaction(actor=ACTOR) as tx:
            trusts = await self._trusts(tx, issuer) if issuer else await self._opaque_trusts(tx)
            owners = await store.tenants(tx, sorted({each.tenant_id for each in trusts}))
        tenants = {each.tenant_id: each for each in owners if self._is_open(each)}
        proof = await self._verified(text, [each for each in trusts if each.tenant_id in tenants], tenants)
        async with self._database.transaction([proof.tenant.tenant_id], actor=ACTOR) as tx:
            found = await self._whose(tx, proof)
        owner = proof.token.trust.owner if proof.token.trust else None
        if not steps_up or not isinstance(owner, TokenTrust):
            return found
        token = proof.token
        who = Who(token.subject, token.organization_id or "", revocations.session_of(token.claims))
        return await self._looked_at(found, Ref(owner.tenant_id, owner.id), who)

    async def _looked_at(self, found: Principal, trust: Ref, who: Who) -> Principal:
        """Ask the issuer of a trust that can be asked how somebody stands now; outside any transaction."""
        standing = await self._second_look.look(trust, who) if self._second_look else None
        if standing is None:
            return found
        if not standing.is_there:
            refuse("gone at its issuer")
        if found.kind is Kind.STAFF:
            return found  # whose role is ours to say
        return replace(found, role=revocations.capped(found.role, standing.role))

    async def _trusts(self, tx: Tx, issuer: str) -> list[TokenTrust]:
        refs = await store.find_trusts(tx, issuer)
        await tx.narrow({ref.tenant_id for ref in refs})
        return await store.trusts_with_secrets(tx, refs)

    async def _opaque_trusts(self, tx: Tx) -> list[TokenTrust]:
        tenant_id = await store.tenant_by_slug(tx, self._default_slug)
        if tenant_id is None:
            return []
        await tx.narrow({tenant_id})
        asked = [each for each in await store.trusts(tx) if each.kind is TrustKind.INTROSPECTION]
        return await store.trusts_with_secrets(tx, [Ref(each.tenant_id, each.id) for each in asked[:1]])

    async def _verified(self, text: str, trusts: Sequence[TokenTrust], tenants: dict[TenantId, Tenant]) -> _Proof:
        signed = [each for each in trusts if each.kind is not TrustKind.INTROSPECTION]
        asked = next((each for each in trusts if each.kind is TrustKind.INTROSPECTION), None)
        now = self._clock.now()
        try:
            token = await self._verifiers.of_signed(signed).verify(text, now=now)
        except Unauthenticated:
            if asked is None:
                raise
            # The issuer itself is asked, at its own address only (rules.trusts), so asking tells nobody else the token.
            token = await self._verifiers.of_asked(asked).verify(text, now=now)
            return _Proof(token, tenants[asked.tenant_id])
        owner = token.trust.owner if token.trust else None
        assert isinstance(owner, TokenTrust), token
        return _Proof(token, tenants[owner.tenant_id])

    async def _whose(self, tx: Tx, proof: _Proof) -> Principal:
        token, tenant = proof
        fate = await revocations.fate_of(tx, token)
        if fate.is_over:
            refuse("revoked by its issuer")
        subject = f"{token.issuer}|{token.subject}"
        customer_id = await self._customer_of(tx, token.organization_id) if token.organization_id else None
        if customer_id is not None:
            return Principal(
                Kind.CUSTOMER_USER,
                subject,
                tenant.tenant_id,
                revocations.capped(_role(token.role), fate.role_max),
                customer_id=customer_id,
                organization=token.organization_id,
                mode=tenant.mode.value,
                verified_at=token.verified_at,
            )
        member = await member_of(tx, token)
        if member is None:
            refuse("neither a customer's user nor staff")
        return _staff(member, tenant, token.verified_at)

    def _is_open(self, tenant: Tenant) -> bool:
        return tenant.status is TenantStatus.ACTIVE and not (tenant.is_demo and self._refuses_demo)


def _staff(member: Member, tenant: Tenant, verified_at: datetime | None) -> Principal:
    """Return a member as who asks: one and the same, whether by a token or by a session."""
    return Principal(
        Kind.STAFF,
        ids.to_text("mem", member.id),
        tenant.tenant_id,
        Role(member.role.value),
        mode=tenant.mode.value,
        verified_at=verified_at,
    )


def session_cookie(public_url: str) -> str:
    """Return the name of the cookie that a session is kept in.

    With `__Host-` a browser takes it over https only, for this host only, and from no other one. Over http, on a
    developer's own machine, browsers differ in what they take: there it has another name.
    """
    return "guilder" if public_url.startswith("http://") else "__Host-guilder"


def _role(said: str | None) -> Role:
    """Read an issuer's word for a role; one that we do not know may read, and no more."""
    return Role(said) if said in {Role.ADMIN, Role.BILLING} else Role.MEMBER
