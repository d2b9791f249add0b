"""Clerk: what it tells us counts at the next request, and before something sensitive it is asked itself."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace

import httpx
import pytest
from pydantic import SecretStr

from guilder.domain.customers import service as customers
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Mode, TrustKind
from guilder.domain.identity.service import clerk as clerk_verbs
from guilder.domain.identity.service.clerk import BadClerkKey, ClerkUnavailable, NotAClerkTrust
from guilder.entrypoints.trusting import trust_named_issuers
from guilder.kernel.errors import Unauthenticated
from guilder.kernel.ids import Ref
from guilder.platform.auth.principal import Role
from guilder.platform.clock import HandClock
from guilder.platform.config import Settings
from guilder.platform.http.exchange import RequestHead
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import a_sandbox, new_tenant
from tests.support.database import connected
from tests.support.fakes.clerk import serving_clerk
from tests.support.fakes.clerk.server import SECRET_KEY, WEBHOOK_SECRET
from tests.support.identity_provider import NOW, PARTY, Seconds

pytestmark = pytest.mark.shows("fault G4", "ASVS 7.4.2", "ASVS 8.3.2")


class House:
    """A tenant that trusts a Clerk, a customer of it, and two processes that know who asks."""

    def __init__(self, database, clerk, tenant, client):
        self.database, self.clerk, self.tenant = database, clerk, tenant
        self.clock, self.seconds = HandClock(NOW), Seconds()
        self.here, self.there = self._process(client), self._process(client)
        self.trust = None

    def _process(self, client):
        look = identity.SecondLook(self.database, client=client, monotonic=self.seconds, api_url=self.clerk.url)
        verifiers = identity.Verifiers(client=client, monotonic=self.seconds)
        return identity.Authentication(
            self.database, verifiers, self.clock, customer_of=customers.customer_of, second_look=look
        )

    def tx(self):
        return self.database.transaction([self.tenant.tenant_id], actor="test")

    async def keys(self, secret_key=SECRET_KEY, webhook_secret=WEBHOOK_SECRET):
        async with self.tx() as tx:
            await identity.set_clerk_keys(
                tx, trust_id=self.trust.id, secret_key=secret_key, webhook_secret=webhook_secret, now=NOW
            )

    async def asks(self, token, *, steps_up=False, process=None):
        headers = {"authorization": f"Bearer {token}"}
        head = RequestHead(
            method="GET", path="/", headers=headers, cookies={}, client_ip="127.0.0.1", steps_up=steps_up
        )
        return await (process or self.here).principal(head)

    async def is_refused(self, token, **about):
        with pytest.raises(Unauthenticated):
            await self.asks(token, **about)

    async def hears(self, event, *, at=None, now=None):
        """Take a webhook in, as the route does after it was verified."""
        body, headers = self.clerk.sent(event, at=at or self.clock.now())
        trust = Ref(self.trust.tenant_id, self.trust.id)
        name = identity.verified_message(headers, body, secret=WEBHOOK_SECRET, now=self.clock.now())
        async with self.tx() as tx:
            await identity.receive_from_clerk(
                tx, trust=trust, notice_id=name, body=body, wall=self.clock.now(), now=now or self.clock.now()
            )

    def token(self, session, organization="org_1", *, ago=0, **over):
        return self.clerk.token(session, organization, at=self.clock.now() - timedelta(seconds=ago), **over)


@pytest.fixture
async def house(database):
    async with serving_clerk() as clerk, httpx.AsyncClient() as client:
        tenant = await new_tenant(database, slug="default", mode=Mode.LIVE)
        house = House(database, clerk, tenant, client)
        async with house.tx() as tx:
            house.trust = await identity.trust(
                tx, kind=TrustKind.CLERK, issuer=clerk.issuer, authorized_parties=[PARTY], now=NOW
            )
            await a_customer(tx, organization_id="org_1")
            await a_customer(tx, organization_id="org_2")
        yield house


@pytest.mark.shows("fault G4", "PCI 8.2.5", "ASVS 7.4.2")
async def test_who_leaves_is_refused_at_once_everywhere_with_the_token_they_have(house):
    session = house.clerk.joins("user_1", "org_1")
    house.clerk.joins("user_1", "org_2")
    token, other = house.token(session), house.token(session, "org_2")
    assert (await house.asks(token)).role is Role.ADMIN
    await house.hears(house.clerk.leaves("user_1", "org_1", at=house.clock.now() + timedelta(milliseconds=500)))
    await house.is_refused(token)
    await house.is_refused(token, process=house.there)
    assert (await house.asks(other)).organization == "org_2", "only of that organization"


async def test_who_comes_back_comes_in_with_a_new_token(house):
    session = house.clerk.joins("user_1", "org_1")
    old = house.token(session)
    await house.hears(house.clerk.leaves("user_1", "org_1", at=house.clock.now() + timedelta(milliseconds=1)))
    house.clock.move_by(timedelta(seconds=5))
    house.clerk.joins("user_1", "org_1")
    await house.is_refused(old)
    assert (await house.asks(house.token(session))).organization == "org_1"


@pytest.mark.shows("fault G4", "ASVS 8.3.2")
async def test_a_role_that_was_taken_is_gone_from_the_tokens_that_say_it(house):
    session = house.clerk.joins("user_1", "org_1")
    token = house.token(session)
    at = house.clock.now() + timedelta(seconds=1)
    await house.hears(house.clerk.changes_role("user_1", "org_1", "org:member", at=at))
    assert (await house.asks(token)).role is Role.MEMBER
    house.clock.move_by(timedelta(seconds=2))
    await house.hears(house.clerk.changes_role("user_1", "org_1", "org:billing", at=at - timedelta(seconds=9)))
    assert (await house.asks(token)).role is Role.MEMBER, "what came late is older"
    house.clerk.memberships["user_1", "org_1"] = "org:admin"
    assert (await house.asks(house.token(session))).role is Role.ADMIN, "a newer token knows better"


@pytest.mark.parametrize("how", ["ended", "removed", "revoked"])
async def test_a_session_that_is_over_ends_its_own_tokens_only(house, how):
    session, other = house.clerk.joins("user_1", "org_1"), house.clerk.signs_in("user_1")
    token, others = house.token(session), house.token(other)
    await house.hears(house.clerk.signs_out(session, at=house.clock.now() + timedelta(seconds=1), how=how))
    await house.is_refused(token)
    assert (await house.asks(others)).organization == "org_1"


async def test_a_deleted_user_and_a_deleted_organization_end_all_of_theirs(house):
    one, two = house.clerk.joins("user_1", "org_1"), house.clerk.joins("user_2", "org_1")
    three = house.clerk.joins("user_3", "org_2")
    tokens = [house.token(one), house.token(two), house.token(three, "org_2")]
    later = house.clock.now() + timedelta(seconds=1)
    await house.hears(house.clerk.is_deleted("user_3", at=later))
    await house.is_refused(tokens[2])
    assert (await house.asks(tokens[0])).organization == "org_1"
    await house.hears(house.clerk.organization_ends("org_1", at=later))
    for token in tokens[:2]:
        await house.is_refused(token)


async def test_a_deleted_user_of_the_staff_loses_sessions_too(house, database_urls):
    async with house.tx() as tx:
        await identity.invite(tx, email="ana@acme.test", role=clerk_verbs.Role.ADMIN, now=NOW)
    session = house.clerk.signs_in("user_1")
    token = house.token(session, None, email="ana@acme.test", email_verified=True)
    found = await house.asks(token)
    async with house.tx() as tx:
        [member] = await identity.members(tx)
        proof = identity.Proof(trust_id=house.trust.id, verified_at=NOW)
        await identity.begin_session(tx, member=member, proof=proof, browser=identity.Browser(), wall=NOW, now=NOW)
        assert len(await identity.sessions(tx, wall=NOW)) == 1
    assert found.subject.startswith("mem_")
    ahead = NOW + timedelta(days=400)  # a tenant's own present, in a sandbox
    await house.hears(house.clerk.is_deleted("user_1", at=NOW + timedelta(seconds=1)), now=ahead)
    await house.is_refused(token)
    async with house.tx() as tx:
        assert await identity.sessions(tx, wall=NOW) == []
    async with connected(database_urls.admin) as admin:
        told = await admin.fetchval("select occurred_at from platform.log where name = 'identity.session.ended'")
    assert told == ahead, "what happens to a tenant is dated by its own clock"


@pytest.mark.shows("fault C2", "fault C3")
async def test_the_same_webhook_counts_once_and_any_order_ends_the_same(house, database_urls):
    session = house.clerk.joins("user_1", "org_1")
    token = house.token(session)
    moment = house.clock.now()
    told = [
        house.clerk.changes_role("user_1", "org_1", "org:member", at=moment + timedelta(seconds=3)),
        house.clerk.changes_role("user_1", "org_1", "org:billing", at=moment + timedelta(seconds=1)),
    ]
    for event in told:
        body, headers = house.clerk.sent(event, at=moment, id_=f"msg_{event['timestamp']}")
        for _ in range(3):
            async with house.tx() as tx:
                await identity.receive_from_clerk(
                    tx,
                    trust=Ref(house.trust.tenant_id, house.trust.id),
                    notice_id=headers["svix-id"],
                    body=body,
                    wall=moment,
                    now=moment,
                )
    assert (await house.asks(token)).role is Role.MEMBER
    async with connected(database_urls.admin) as admin:
        kept = await admin.fetch("select type, sealed_body from identity.notices")
        heard = await admin.fetchval("select count(*) from platform.log where name = 'identity.access.revoked'")
    assert len(kept) == 2
    assert heard == 1, "what came late was no news"
    assert all(b"user_1" not in row["sealed_body"] for row in kept), "it is kept sealed"


async def test_another_tenant_hears_nothing_of_it(house, database):
    async with database.transaction(actor="test") as tx:
        other = await a_sandbox(tx)
    async with database.transaction([other.tenant_id], actor="test") as tx:
        rows = await tx.fetch("select * from identity.revocations")
        with pytest.raises(NotAClerkTrust):
            await identity.clerk_keys(tx, trust_id=house.trust.id)
    assert rows == []


# The second look


@pytest.mark.shows("ASVS 7.5.3")
class TestTheSecondLook:
    @pytest.mark.shows("JWT membership", "API2")
    async def test_asks_clerk_before_something_sensitive_and_for_nothing_else(self, house):
        await house.keys()
        token = house.token(house.clerk.joins("user_1", "org_1"))
        house.clerk.asked.clear()
        await house.asks(token)
        assert [each for each in house.clerk.asked if each.startswith("/v1")] == []
        assert (await house.asks(token, steps_up=True)).role is Role.ADMIN
        assert [each.split("?")[0] for each in house.clerk.asked if each.startswith("/v1")] == [
            "/v1/sessions/sess_1",
            "/v1/users/user_1/organization_memberships",
        ]

    @pytest.mark.shows("JWT membership")
    async def test_sees_what_no_webhook_told(self, house):
        await house.keys()
        session = house.clerk.joins("user_1", "org_1")
        token = house.token(session)
        house.clerk.changes_role("user_1", "org_1", "org:member", at=NOW)
        assert (await house.asks(token, steps_up=True)).role is Role.MEMBER
        assert (await house.asks(token)).role is Role.ADMIN, "nothing told us"
        house.clerk.leaves("user_1", "org_1", at=NOW)
        house.seconds.move(31)
        await house.is_refused(token, steps_up=True)

    async def test_of_a_session_that_was_ended_is_a_no(self, house):
        await house.keys()
        session = house.clerk.joins("user_1", "org_1")
        house.clerk.signs_out(session, at=NOW)
        await house.is_refused(house.token(session), steps_up=True)

    async def test_is_remembered_for_thirty_seconds_and_asked_once_by_many(self, house):
        await house.keys()
        token = house.token(house.clerk.joins("user_1", "org_1"))
        await house.asks(token)
        house.clerk.asked.clear()
        await asyncio.gather(*[house.asks(token, steps_up=True) for _ in range(20)])
        assert len(house.clerk.asked) == 2
        house.seconds.move(29)
        await house.asks(token, steps_up=True)
        assert len(house.clerk.asked) == 2
        house.seconds.move(2)
        await house.asks(token, steps_up=True)
        assert len(house.clerk.asked) == 4

    @pytest.mark.shows("ASVS 16.5.3", "fault D10", "JWT membership")
    @pytest.mark.parametrize("mode", ["down", "refused", "garbage", "slow"])
    async def test_without_an_answer_is_a_no_for_what_is_sensitive_and_for_nothing_else(self, house, mode, monkeypatch):
        monkeypatch.setattr(clerk_verbs, "TIMEOUT_S", 0.3 if mode == "slow" else 30)
        await house.keys()
        token = house.token(house.clerk.joins("user_1", "org_1"))
        await house.asks(token)
        house.clerk.mode = mode
        with pytest.raises(ClerkUnavailable) as away:
            await house.asks(token, steps_up=True)
        assert away.value.retry_after_s == (7 if mode == "down" else 5)
        assert (await house.asks(token)).role is Role.ADMIN
        house.clerk.mode = "ok"
        monkeypatch.setattr(clerk_verbs, "TIMEOUT_S", 30)
        assert (await house.asks(token, steps_up=True)).role is Role.ADMIN, "no answer is not remembered"

    async def test_without_a_key_is_not_taken(self, house):
        await house.keys(secret_key="")
        house.clerk.mode = "down"
        token = house.token(house.clerk.joins("user_1", "org_1"))
        assert (await house.asks(token, steps_up=True)).role is Role.ADMIN

    async def test_finds_one_of_very_many_organizations(self, house, monkeypatch):
        monkeypatch.setattr(clerk_verbs, "PAGE", 2)
        await house.keys()
        for number in range(5):
            house.clerk.joins("user_1", f"org_a{number}")
        token = house.token(house.clerk.joins("user_1", "org_1", "org:billing"))
        assert (await house.asks(token, steps_up=True)).role is Role.BILLING


async def test_keys_that_cannot_be_are_refused_and_good_ones_are_kept_sealed(house, database_urls):
    for secret_key, webhook_secret in (("pk_test_1", None), (None, "whsec_short"), (None, "secret")):
        with pytest.raises(BadClerkKey):
            await house.keys(secret_key, webhook_secret)
    await house.keys()
    async with connected(database_urls.admin) as admin:
        [row] = await admin.fetch("select * from identity.clerk_keys")
    assert SECRET_KEY.encode() not in row["sealed_secret_key"]
    assert WEBHOOK_SECRET.encode() not in row["sealed_webhook_secret"]
    assert row["secret_key_hint"] == SECRET_KEY[-4:]
    async with house.tx() as tx:
        await identity.distrust(tx, trust_id=house.trust.id, now=NOW)
    async with connected(database_urls.admin) as admin:
        assert await admin.fetchval("select count(*) from identity.clerk_keys") == 0


async def test_the_environments_keys_are_the_default_tenants(house):
    settings = Settings(
        clerk_issuer=house.clerk.issuer,
        clerk_secret_key=SecretStr(SECRET_KEY),
        clerk_webhook_secret=SecretStr(WEBHOOK_SECRET),
    )
    named = SimpleNamespace(settings=settings, database=house.database, clock=house.clock)
    for _ in range(2):
        await trust_named_issuers(named)
    async with house.tx() as tx:
        assert len(await identity.trusts(tx)) == 1
        keys = await identity.clerk_keys(tx, trust_id=house.trust.id)
    assert (keys.secret_key, keys.webhook_secret) == (SECRET_KEY, WEBHOOK_SECRET)


async def test_what_was_told_is_forgotten_after_a_while_and_what_followed_is_not(house, database_urls):
    token = house.token(house.clerk.joins("user_1", "org_1"))
    await house.hears(house.clerk.leaves("user_1", "org_1", at=NOW + timedelta(seconds=1)))
    async with house.database.transaction(actor="chores") as tx:
        assert await identity.purge_notices(tx, before=NOW) == 0
        assert await identity.purge_notices(tx, before=NOW + timedelta(seconds=1)) == 1
    await house.is_refused(token)
