"""Signing in: by a password of ours, or at an issuer that the tenant trusts. Both end in a session, or in one refusal.

    a password      the try is counted before it is looked at, so that a hundred at once are a hundred; then argon2id, for
                    an address of nobody's too; then the session
    an issuer       code flow with PKCE; state, nonce and verifier travel sealed in a cookie of ten minutes, and the state
                    does once; the ID token is verified by the contract of platform.auth.jwt. Each trust has an address
                    of its own to come back to, so that one issuer's answer is never taken to another (RFC 9700, 4.4)

Nothing is asked of anybody within a transaction.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar
from uuid import UUID

from guilder.domain.identity import store
from guilder.domain.identity.model import Member, StaffSession, Tenant, TenantStatus, TokenTrust
from guilder.domain.identity.rules import signing_in as rules
from guilder.domain.identity.rules.passwords import LENGTH_MAX, checked_password, normal
from guilder.domain.identity.service.clocks import Clocks
from guilder.domain.identity.service.pending import Pending, opened
from guilder.domain.identity.service.providers import Providers
from guilder.domain.identity.service.revocations import fate_of
from guilder.domain.identity.service.sessions import Browser, Proof, SignedIn, begin_session, end_session
from guilder.domain.identity.service.staff import set_password
from guilder.domain.identity.service.token_trusts import Verifiers
from guilder.kernel import ids
from guilder.kernel.errors import Forbidden, NotFound, TooMany, Unauthenticated
from guilder.kernel.ids import TenantId
from guilder.kernel.noun import replace
from guilder.platform import crypto, logging, metrics
from guilder.platform.auth.jwt import LEEWAY_S, VerifiedToken, refuse, verify_id_token
from guilder.platform.auth.passwords import Passwords
from guilder.platform.clock import Clock
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx

T = TypeVar("T")

ACTOR = "sign-in"

log = logging.get(__name__)


class SignInRefused(Unauthenticated):
    """The e-mail address or the password is wrong."""

    code = "sign_in_refused"


class TooManyTries(TooMany):
    """Too many wrong passwords for this address; wait a little."""

    code = "too_many_tries"


class StepUpUnproven(Forbidden):
    """This does not prove anew who you are."""

    code = "step_up_unproven"


class Leaving(NamedTuple):
    """Where to send the browser, and what it keeps until it comes back."""

    url: str
    cookie: str


class Arrived(NamedTuple):
    signed_in: SignedIn
    return_to: str


class SignIns:
    """The door that staff come in by. Instants are the wall clock's."""

    def __init__(
        self,
        database: Database,
        verifiers: Verifiers,
        clock: Clock,
        *,
        passwords: Passwords,
        public_url: str,
        default_slug: str = "default",
        refuses_demo: bool = False,
    ) -> None:
        self._database = database
        self._verifiers = verifiers
        self._providers = Providers(client=verifiers.client, monotonic=clock.monotonic)
        self._clock = clock
        self._clocks = Clocks(clock)
        self._passwords = passwords
        self._public_url = public_url
        self._default_slug = default_slug
        self._refuses_demo = refuses_demo

    @property
    def _ring(self) -> crypto.KeyRing:
        vault = self._database.vault
        assert vault is not None, "this database was connected without a vault"
        return vault.ring

    # Passwords

    async def by_password(
        self, *, slug: str, email: str, password: str, browser: Browser, replaced: str | None = None
    ) -> SignedIn:
        """Let a member in by a password. `replaced` is the token of the session that the browser had: it ends.

        `slug` names whose staff it is; empty is the default tenant.

        :raises SignInRefused: no such tenant, member or password; the same refusal, at the same cost, for each
        :raises TooManyTries: the address was tried too often
        """
        tenant = await self._open_tenant(slug)
        whose = tenant.tenant_id if tenant else rules.nobodys(slug or self._default_slug)
        member, kept = await self._database.run(lambda tx: self._tried(tx, email), [whose], actor=ACTOR)
        return await self._proven(tenant, member, kept, password, browser, replaced)

    async def step_up_by_password(self, *, token: str, password: str, browser: Browser) -> SignedIn:
        """Prove anew who has this session: it ends, and another begins.

        :raises SignInRefused: it is no session of somebody's with this password
        :raises TooManyTries: the address was tried too often
        """
        session = await self.session_of(token)
        tenant = await self._open_tenant(session.tenant_id)
        if tenant is None:
            raise SignInRefused

        async def tried(tx: Tx) -> tuple[Member | None, str | None]:
            found = await store.member(tx, session.member_id)
            return await self._tried(tx, found.email, is_inside=True) if found else (None, None)

        member, kept = await self._within(tenant, tried)
        return await self._proven(tenant, member, kept, password, browser, token)

    async def _tried(self, tx: Tx, email: str, *, is_inside: bool = False) -> tuple[Member | None, str | None]:
        """Count a try at an address, then say who has it and what is kept of their password."""
        now, blind = self._clock.now(), store.email_blind(tx, email, is_inside=is_inside)
        before = await store.lock_tries(tx, blind, now=now)
        if now < before.next_at:
            raise TooManyTries(retry_after_s=max(1, -((now - before.next_at) // timedelta(seconds=1))))
        tries = 1 if before.last_at + rules.TRIES_FORGOTTEN <= now else before.tries + 1
        await store.save_tries(tx, blind, store.Tries(tries, now, now + rules.wait_after(tries)))
        member = await store.member_by_email(tx, email)
        return member, await store.password_hash(tx, member.id) if member else None

    async def _proven(
        self,
        tenant: Tenant | None,
        member: Member | None,
        kept: str | None,
        password: str,
        browser: Browser,
        replaced: str | None,
    ) -> SignedIn:
        said = normal(password) if len(password) <= LENGTH_MAX else ""
        verdict = await self._passwords.verify(said, kept=kept)
        if not verdict.is_right or tenant is None or member is None:
            metrics.credentials_refused(reason="password")
            log.info("credentials refused", reason="password")
            raise SignInRefused
        renewed = await self._passwords.hash(said) if verdict.is_outdated else None

        async def begin(tx: Tx) -> SignedIn:
            # Between the look and now the password may have been changed, or the member removed: who does that locks the
            # member as well, and ends the sessions that it finds.
            if not await store.member(tx, member.id, lock=True) or await store.password_hash(tx, member.id) != kept:
                raise SignInRefused
            wall = self._clock.now()
            if renewed:
                await store.save_password(tx, member.id, renewed, now=wall)
            await store.forget_tries(tx, store.email_blinds(tx, member.email))
            return await self._begin(tx, member, Proof(None, wall), browser, replaced)

        return await self._beginning(tenant, begin, replaced)

    async def change_password(self, *, token: str, password: str, new: str, browser: Browser) -> SignedIn:
        """Give whoever has this session another password; every session of theirs ends, and one begins.

        :raises SignInRefused: the password is not the one that they have
        :raises BadPassword: the new one is not taken
        :raises TooManyTries: the address was tried too often
        """
        session = await self.session_of(token)
        async with self._database.transaction([session.tenant_id], actor=ACTOR) as tx:
            found = await store.member(tx, session.member_id)
        said = checked_password(new, email=found.email if found else "")
        proven = await self.step_up_by_password(token=token, password=password, browser=browser)
        hash_ = await self._passwords.hash(said)

        async def change(tx: Tx) -> SignedIn:
            member, now, wall = proven.member, await self._now(tx), self._clock.now()
            await set_password(tx, member_id=member.id, password_hash=hash_, email=member.email, now=now)
            return await begin_session(tx, member=member, proof=Proof(None, wall), browser=browser, wall=wall, now=now)

        return await self._database.run(change, [session.tenant_id], actor=_actor(session))

    # Issuers

    async def issuers(self, *, slug: str) -> list[TokenTrust]:
        """Return the trusts at which a tenant's staff sign in; none of a tenant that is not there."""
        tenant = await self._open_tenant(slug)
        if tenant is None:
            return []
        return [each for each in await self._within(tenant, store.trusts) if each.signs_in]

    async def leave(self, *, slug: str, trust_id: UUID, return_to: str, step_up: str | None = None) -> Leaving:
        """Begin to sign in at an issuer; with the token of a session as `step_up`, prove anew who has that.

        :raises NotFound: no such trust, or staff do not sign in there
        :raises ProviderUnavailable: the issuer cannot be asked where
        """
        session = await self.session_of(step_up) if step_up else None
        tenant = await self._open_tenant(session.tenant_id if session else slug)
        trust = await self._trust(tenant, trust_id) if tenant else None
        if tenant is None or trust is None:
            raise NotFound
        pending = Pending(
            tenant_id=str(tenant.tenant_id),
            trust_id=str(trust.id),
            state=crypto.new_secret(),
            nonce=crypto.new_secret(),
            verifier=crypto.new_secret(),
            return_to=rules.own_path(return_to),
            begun_s=int(self._clock.now().timestamp()),
            member_id=str(session.member_id) if session else "",
        )
        url = await self._providers.address(trust, pending.asked, redirect_uri=self._redirect_uri(trust))
        return Leaving(url, pending.sealed(self._ring))

    async def arrive(
        self,
        *,
        cookie: str | None,
        trust_id: UUID,
        state: str,
        code: str,
        issuer: str,
        browser: Browser,
        replaced: str | None,
    ) -> Arrived:
        """Finish what `leave` began, in the browser that it began in, once.

        :raises Unauthenticated: it proves nothing; the same refusal for whatever reason
        :raises StepUpUnproven: it proves who somebody else is, or who this was before
        """
        pending = opened(cookie, self._ring, now=self._clock.now())
        if not crypto.same(pending.state.encode(), state.encode()):
            refuse("state of another browser")
        if UUID(pending.trust_id) != trust_id:
            refuse("another issuer's address")
        tenant = await self._open_tenant(TenantId(UUID(pending.tenant_id)))
        trust = await self._trust(tenant, trust_id) if tenant else None
        if tenant is None or trust is None or issuer not in {"", trust.issuer}:
            refuse("trust is gone, or another issuer answered")
        until = datetime.fromtimestamp(pending.begun_s, self._clock.now().tzinfo) + rules.SIGN_IN_WITHIN
        if not await self._within(
            tenant, lambda tx: store.use_state(tx, crypto.digest(pending.state), expires_at=until)
        ):
            refuse("state used before")
        back = self._redirect_uri(trust)
        tokens = await self._providers.tokens(trust, code=code, asked=pending.asked, redirect_uri=back)
        proven = await verify_id_token(
            tokens.id_token,
            trust=self._verifiers.client_trust(trust),
            client_id=trust.client_id,
            nonce=pending.nonce,
            now=self._clock.now(),
        )
        if "email" not in proven.claims:
            told = await self._providers.email_of(trust, tokens=tokens, subject=proven.subject)
            proven = replace(proven, claims={**proven.claims, **told})

        async def come_in(tx: Tx) -> SignedIn:
            return await self._come_in(tx, pending, trust, proven, browser, replaced)

        signed_in = await self._beginning(tenant, come_in, replaced)
        return Arrived(signed_in, pending.return_to)

    async def _come_in(
        self,
        tx: Tx,
        pending: Pending,
        trust: TokenTrust,
        proven: VerifiedToken,
        browser: Browser,
        replaced: str | None,
    ) -> SignedIn:
        # Whoever removes the trust waits for us, and ends this session too; what was heard of the issuer counts first.
        if not await store.hold_trust(tx, trust.id) or (await fate_of(tx, proven)).is_over:
            refuse("trust is gone, or the person at its issuer")
        member = await member_of(tx, proven)
        if member is None:
            refuse("not of the staff")
        if pending.member_id and (
            str(member.id) != pending.member_id
            or proven.verified_at is None
            or proven.verified_at.timestamp() < pending.begun_s - LEEWAY_S
        ):
            raise StepUpUnproven
        return await self._begin(tx, member, Proof(trust.id, proven.verified_at), browser, replaced)

    # Sessions

    async def session_of(self, token: str) -> StaffSession:
        """Return the session that a browser's token is of, if it counts.

        :raises Unauthenticated: nobody's, or over
        """
        found = await self.find_session(token)
        if found is None:
            refuse("session over")
        return found

    async def find_session(self, token: str) -> StaffSession | None:
        """Return the session that a browser's token is of; None if it does not count."""
        async with self._database.transaction(actor=ACTOR) as tx:
            ref = await store.find_session(tx, crypto.digest(token))
            if ref is not None:
                await tx.narrow({ref.tenant_id})
            found = await store.session(tx, ref.id) if ref else None
        return found if found and rules.is_alive(found, now=self._clock.now()) else None

    async def sign_out(self, token: str, *, reason: str = "signed_out") -> None:
        """End the session of a browser; one that is over already is left so."""
        session = await self.find_session(token)
        if session is None:
            return

        async def end(tx: Tx) -> None:
            await end_session(tx, session_id=session.id, reason=reason, now=await self._now(tx))

        await self._database.run(end, [session.tenant_id], actor=_actor(session))

    async def _beginning(
        self, tenant: Tenant, begin: Callable[[Tx], Awaitable[SignedIn]], replaced: str | None
    ) -> SignedIn:
        signed_in = await self._within(tenant, begin)
        if replaced:
            # One of another tenant's, in the same browser: it has no cookie any more.
            await self.sign_out(replaced, reason="replaced")
        return signed_in

    async def _begin(self, tx: Tx, member: Member, proof: Proof, browser: Browser, replaced: str | None) -> SignedIn:
        now = await self._now(tx)
        old = await store.find_session(tx, crypto.digest(replaced)) if replaced else None
        if old is not None and old.tenant_id == tx.tenant_id:
            await end_session(tx, session_id=old.id, reason="replaced", now=now)
        return await begin_session(tx, member=member, proof=proof, browser=browser, wall=self._clock.now(), now=now)

    async def _now(self, tx: Tx) -> datetime:
        [domain] = await self._clocks.domains(tx, [tx.tenant_id])
        return domain.now

    async def _within(self, tenant: Tenant, work: Callable[[Tx], Awaitable[T]]) -> T:
        return await self._database.run(work, [tenant.tenant_id], actor=ACTOR)

    async def _open_tenant(self, which: str | TenantId) -> Tenant | None:
        async with self._database.transaction(actor=ACTOR) as tx:
            tenant_id = await self._named(tx, which) if isinstance(which, str) else which
            await tx.narrow({tenant_id})
            tenant = next(iter(await store.tenants(tx, [tenant_id])), None)
        if tenant is None or tenant.status is not TenantStatus.ACTIVE or (tenant.is_demo and self._refuses_demo):
            return None
        return tenant

    async def _named(self, tx: Tx, slug: str) -> TenantId:
        name = slug or self._default_slug
        return await store.tenant_by_slug(tx, name) or rules.nobodys(name)

    def _redirect_uri(self, trust: TokenTrust) -> str:
        return f"{self._public_url}{rules.CALLBACK}/{ids.to_text('trust', trust.id)}"

    async def _trust(self, tenant: Tenant, trust_id: UUID) -> TokenTrust | None:
        found = await self._within(
            tenant, lambda tx: store.trusts_with_secrets(tx, ids.in_tenant(tenant.tenant_id, [trust_id]))
        )
        return next((each for each in found if each.signs_in), None)


def _actor(session: StaffSession) -> str:
    return f"staff:{ids.to_text('mem', session.member_id)}"


async def member_of(tx: Tx, token: VerifiedToken) -> Member | None:
    """Say who of the staff a verified token is of: by the subject or, the first time, by a verified e-mail address."""
    subject = f"{token.issuer}|{token.subject}"
    found = await store.member_by_subject(tx, subject)
    email = token.claims.get("email")
    if found is None and token.claims.get("email_verified") is True and isinstance(email, str) and email:
        return await store.join_member(tx, email=email, subject=subject)
    return found
