"""An OIDC issuer says that somebody signed out: their tokens count no more, and nobody else can say so."""

from datetime import timedelta

import pytest

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Role, TrustKind
from tests.support.builders.customers import a_customer
from tests.support.database import connected
from tests.support.identity_provider import ISSUER, NOW, SigningKey, claims
from tests.support.served import Asking

KEY, OTHER_KEY = SigningKey("k1"), SigningKey("k1")
EVENT = "http://schemas.openid.net/event/backchannel-logout"
FORM = {"content-type": "application/x-www-form-urlencoded"}

pytestmark = pytest.mark.shows("fault G4", "ASVS 7.4.2")


@pytest.fixture
async def trust(house, tenant):
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        made = await identity.trust(
            tx,
            kind=TrustKind.OIDC,
            issuer=ISSUER,
            public_key_pem=KEY.pem().decode(),
            audience="billing",
            now=NOW,
        )
        await a_customer(tx, organization_id="org_1")
    return made


def a_logout(*, key=KEY, typ="logout+jwt", **over):
    now = int(NOW.timestamp())
    said = {"iss": ISSUER, "aud": "billing", "iat": now, "exp": now + 120, "jti": "j1", "sub": "user_1"}
    made = {**said, "events": {EVENT: {}}, **over}
    return key.sign({name: value for name, value in made.items() if value is not None}, typ=typ)


def user_of(house, **over):
    return Asking(house.client, KEY.sign(claims(azp=None, aud="billing", iat=int(NOW.timestamp()) - 1, **over)))


async def tell(house, trust, token):
    return await house.client.post(f"/api/webhooks/oidc/{trust.id}", content=f"logout_token={token}", headers=FORM)


async def reads(user):
    return (await user("GET", "/api/customers/org_1")).status_code


async def test_all_tokens_of_whom_it_names_count_no_more(house, trust):
    user, other = user_of(house), user_of(house, sub="user_2")
    assert await reads(user) == 200
    for _ in range(3):
        told = await tell(house, trust, a_logout())
        assert (told.status_code, told.headers["cache-control"]) == (200, "no-store")
    assert (await reads(user), await reads(other)) == (401, 200)


async def test_one_session_is_not_the_others(house, trust):
    one, two = user_of(house, sid="s1"), user_of(house, sid="s2")
    assert (await tell(house, trust, a_logout(sid="s1"))).status_code == 200
    assert (await reads(one), await reads(two)) == (401, 200)


async def test_staff_lose_their_sessions_here(house, trust, tenant):
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        await identity.invite(tx, email="ana@acme.test", role=Role.ADMIN, now=NOW)
    user = user_of(house, org_id=None, org_role=None, email="ana@acme.test", email_verified=True)
    assert (await user("GET", "/api/tenant")).status_code == 200
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        [member] = await identity.members(tx)
        proof = identity.Proof(trust_id=trust.id, verified_at=NOW)
        await identity.begin_session(tx, member=member, proof=proof, browser=identity.Browser(), wall=NOW, now=NOW)
    assert (await tell(house, trust, a_logout(sid="s1"))).status_code == 200
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        assert await identity.sessions(tx, wall=NOW) == []


@pytest.mark.shows("fault C4", "fault C5")
async def test_anything_else_is_refused_and_changes_nothing(house, trust, database_urls):
    user = user_of(house)
    now = int(NOW.timestamp())
    bad = [
        a_logout(key=OTHER_KEY),
        a_logout(typ="at+jwt"),
        a_logout(aud="another"),
        a_logout(aud=None),
        a_logout(iss="https://other.example.test"),
        a_logout(iat=now - 301),
        a_logout(iat=now + 301),
        a_logout(iat=None),
        a_logout(exp=now - 301),
        a_logout(exp=None),
        a_logout(events={}),
        a_logout(events=None),
        a_logout(events={EVENT: True}),
        a_logout(nonce="n"),
        a_logout(sub=None),
        a_logout(jti=None),
        KEY.sign(claims(aud="billing")),
        "nonsense",
        "",
    ]
    answers = [await tell(house, trust, token) for token in bad]
    assert {(each.status_code, each.json()["code"]) for each in answers} == {(400, "logout_refused")}
    for nowhere in ("0b7e3b5e-0000-7000-8000-000000000000", "nonsense"):
        answer = await house.client.post(
            f"/api/webhooks/oidc/{nowhere}", content=f"logout_token={a_logout()}", headers=FORM
        )
        assert answer.status_code == 400
    assert await reads(user) == 200
    async with connected(database_urls.admin) as admin:
        assert await admin.fetchval("select count(*) from identity.notices") == 0


async def test_who_signs_in_again_comes_in(house, trust):
    await tell(house, trust, a_logout())
    house.clock.move_by(timedelta(seconds=5))
    later = int(NOW.timestamp()) + 3
    again = Asking(house.client, KEY.sign(claims(azp=None, aud="billing", iat=later, nbf=later, exp=later + 60)))
    assert await reads(again) == 200
