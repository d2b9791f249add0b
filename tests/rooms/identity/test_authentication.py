"""Who asks: keys and tokens, of the right tenant, while they count."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from guilder.domain.customers import service as customers
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Mode, Role, TrustKind
from guilder.kernel.errors import Unauthenticated
from guilder.platform.auth import api_keys
from guilder.platform.auth import principal as auth
from guilder.platform.auth.principal import Kind
from guilder.platform.clock import HandClock
from guilder.platform.http.exchange import RequestHead
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import a_sandbox, a_tenant, new_tenant
from tests.support.identity_provider import ISSUER, NOW, PARTY, Seconds, SigningKey, claims, serving

KEY = SigningKey("k1")
OTHER_KEY = SigningKey("k2")


def a_head(authorization: str | None) -> RequestHead:
    headers = {} if authorization is None else {"authorization": authorization}
    return RequestHead(method="GET", path="/", headers=headers, cookies={}, client_ip="127.0.0.1")


@pytest.fixture
async def clock():
    return HandClock(NOW)


@pytest.fixture
async def make(database, clock):
    async with httpx.AsyncClient() as client:

        def authentication(**over) -> identity.Authentication:
            verifiers = identity.Verifiers(client=client, monotonic=Seconds())
            return identity.Authentication(database, verifiers, clock, customer_of=customers.customer_of, **over)

        yield authentication


@pytest.fixture
async def tenant(database):
    return await new_tenant(database, slug="default", mode=Mode.LIVE)


async def a_key(database, tenant, **over) -> str:
    said = {"name": "k", "role": Role.BILLING, "scopes": {"invoices:read"}, "expires_at": None, "now": NOW}
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        _, text = await identity.mint_key(tx, **{**said, **over})
    return text


async def trusting(database, tenant, *, key=KEY, **over) -> None:
    said = {
        "kind": TrustKind.CLERK,
        "issuer": ISSUER,
        "public_key_pem": key.pem().decode(),
        "authorized_parties": [PARTY],
        "now": NOW,
    }
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        await identity.trust(tx, **{**said, **over})


async def test_a_key_names_its_tenant_role_and_scopes(database, tenant, make):
    text = await a_key(database, tenant)
    found = await make().principal(a_head(f"Bearer {text}"))
    assert (found.kind, found.tenant_id, found.role, found.mode) == (
        Kind.API_KEY,
        tenant.tenant_id,
        auth.Role.BILLING,
        "live",
    )
    assert found.scopes == {"invoices:read"}
    assert found.customer_id is None


@pytest.mark.shows("API2", "PCI 8.3.1", "fault G1")
@pytest.mark.parametrize("said", [None, "Bearer nonsense", "Basic eDp5", "Bearer gk_live_x", "Bearer a.b.c"])
async def test_nobody_is_let_in_without_credentials(tenant, make, said):
    with pytest.raises(Unauthenticated):
        await make().principal(a_head(said))


async def test_a_well_formed_key_of_nobody_is_refused(tenant, make):
    with pytest.raises(Unauthenticated):
        await make().principal_of(api_keys.mint(api_keys.KeyMode.LIVE).text)


@pytest.mark.shows("fault G4", "ASVS 8.3.2", "PCI 8.2.5")
async def test_a_key_ends_at_once_when_it_is_revoked(database, tenant, make):
    text = await a_key(database, tenant)
    authentication = make()
    found = await authentication.principal_of(text)
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        [key] = await identity.keys(tx)
        await identity.revoke_key(tx, key_id=key.id, now=NOW)
    assert found.subject.startswith("key_")
    with pytest.raises(Unauthenticated):
        await authentication.principal_of(text)


@pytest.mark.shows("fault G4")
async def test_a_key_ends_at_the_very_instant_it_expires(database, tenant, make, clock):
    text = await a_key(database, tenant, expires_at=NOW + timedelta(hours=1))
    clock.move_by(timedelta(minutes=59))
    await make().principal_of(text)
    clock.move_by(timedelta(minutes=1))
    with pytest.raises(Unauthenticated):
        await make().principal_of(text)


async def test_a_sandboxs_key_counts_by_the_wall_clock(database, make, clock):
    async with database.transaction(actor="test") as tx:
        sandbox = await a_sandbox(tx, clock_at=datetime(2040, 1, 1, tzinfo=UTC))
    text = await a_key(database, sandbox, expires_at=NOW + timedelta(hours=1))
    assert (await make().principal_of(text)).mode == "sandbox"


@pytest.mark.shows("fault G4", "ASVS 8.3.2")
async def test_a_suspended_tenant_is_shut_out_with_keys_and_tokens(database, tenant, make):
    text = await a_key(database, tenant)
    await trusting(database, tenant)
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        await a_customer(tx, organization_id="org_1")
        await identity.suspend_tenant(tx, reason="unpaid", now=NOW)
    for credential in (text, KEY.sign(claims())):
        with pytest.raises(Unauthenticated):
            await make().principal_of(credential)


@pytest.mark.shows("ASVS 6.3.2", "ASVS 15.2.3", "PCI 2.2.2", "ASVS 13.2.3")
async def test_production_refuses_demo_keys(database, make):
    demo = await new_tenant(database, is_demo=True)
    text = await a_key(database, demo)
    await make().principal_of(text)
    with pytest.raises(Unauthenticated):
        await make(refuses_demo=True).principal_of(text)


async def test_a_token_names_the_customer_of_its_organization(database, tenant, make):
    await trusting(database, tenant)
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        customer = await a_customer(tx, organization_id="org_1")
    found = await make().principal_of(KEY.sign(claims()))
    assert (found.kind, found.tenant_id, found.customer_id, found.role) == (
        Kind.CUSTOMER_USER,
        tenant.tenant_id,
        customer.id,
        auth.Role.ADMIN,
    )
    assert found.subject == f"{ISSUER}|user_1"


@pytest.mark.shows("fault G5", "ASVS 16.5.3")
async def test_a_role_that_is_not_known_may_only_read(database, tenant, make):
    await trusting(database, tenant)
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        await a_customer(tx, organization_id="org_1")
    for said in ("org:owner", None):
        found = await make().principal_of(KEY.sign(claims(org_role=said)))
        assert found.role is auth.Role.MEMBER


@pytest.mark.shows("fault G1", "ASVS 6.8.2")
@pytest.mark.parametrize(
    "changes",
    [{"org_id": "org_2"}, {"org_id": None}, {"azp": "https://evil.example"}, {"exp": 1}, {"iss": "https://x.example"}],
)
async def test_a_token_that_proves_too_little_is_refused(database, tenant, make, changes):
    await trusting(database, tenant)
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        await a_customer(tx, organization_id="org_1")
    with pytest.raises(Unauthenticated):
        await make().principal_of(KEY.sign(claims(**changes)))


@pytest.mark.shows("fault G1", "ASVS 6.8.2", "ASVS 9.1.1")
async def test_a_token_signed_by_another_key_is_refused(database, tenant, make):
    await trusting(database, tenant)
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        await a_customer(tx, organization_id="org_1")
    with pytest.raises(Unauthenticated):
        await make().principal_of(OTHER_KEY.sign(claims()))


@pytest.mark.shows("ASVS 6.8.1", "ASVS 9.2.4", "JWT party")
async def test_tenants_that_share_an_issuer_are_told_apart_by_the_party(database, tenant, make):
    second = await new_tenant(database)
    await trusting(database, tenant)
    await trusting(database, second, authorized_parties=["https://second.example"])
    for each in (tenant, second):
        async with database.transaction([each.tenant_id], actor="test") as tx:
            await a_customer(tx, organization_id="org_1")
    first_found = await make().principal_of(KEY.sign(claims()))
    second_found = await make().principal_of(KEY.sign(claims(azp="https://second.example")))
    assert (first_found.tenant_id, second_found.tenant_id) == (tenant.tenant_id, second.tenant_id)


@pytest.mark.shows("ASVS 6.8.1", "ASVS 10.3.3", "fault G5")
async def test_registering_anothers_issuer_opens_nothing_of_the_other(database, tenant, make):
    thief = await new_tenant(database)
    await trusting(database, tenant)
    await trusting(database, thief, key=OTHER_KEY)
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        await a_customer(tx, organization_id="org_1")
    # The thief's own key signs for the thief's own tenant only, where there is no such customer.
    with pytest.raises(Unauthenticated):
        await make().principal_of(OTHER_KEY.sign(claims()))
    assert (await make().principal_of(KEY.sign(claims()))).tenant_id == tenant.tenant_id


@pytest.mark.shows("fault G4", "ASVS 8.3.2")
async def test_a_trust_ends_at_once_when_it_is_removed(database, tenant, make):
    await trusting(database, tenant)
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        await a_customer(tx, organization_id="org_1")
    authentication = make()
    await authentication.principal_of(KEY.sign(claims()))
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        [trust] = await identity.trusts(tx)
        await identity.distrust(tx, trust_id=trust.id, now=NOW)
    with pytest.raises(Unauthenticated):
        await authentication.principal_of(KEY.sign(claims()))


@pytest.mark.shows("ASVS 10.3.3", "ASVS 10.5.2", "PCI 8.2.1")
async def test_an_invited_person_joins_by_a_verified_address_and_is_known_from_then_on(database, tenant, make):
    await trusting(database, tenant)
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        await identity.invite(tx, email="Eve@Acme.example", role=Role.BILLING, now=NOW)
        row = await tx.fetchrow("select m::text as whole from identity.members m")
        assert "acme.example" not in row["whole"].lower()
    authentication = make()
    for unproven in ({}, {"email": "eve@acme.example"}, {"email": "eve@acme.example", "email_verified": "true"}):
        with pytest.raises(Unauthenticated):
            await authentication.principal_of(KEY.sign(claims(org_id=None, **unproven)))
    joined = await authentication.principal_of(
        KEY.sign(claims(org_id=None, email="eve@acme.example", email_verified=True))
    )
    later = await authentication.principal_of(KEY.sign(claims(org_id=None)))
    assert joined == later
    assert (later.kind, later.role) == (Kind.STAFF, auth.Role.BILLING)
    # Somebody else with the same address is not let in on the same invitation.
    with pytest.raises(Unauthenticated):
        await authentication.principal_of(
            KEY.sign(claims(org_id=None, sub="user_2", email="eve@acme.example", email_verified=True))
        )


async def test_an_opaque_token_is_asked_of_the_default_tenants_service_alone(database, tenant, make):
    other = await new_tenant(database)
    answer = {"active": True, "sub": "user_1", "org_id": "org_1", "org_role": "billing"}
    async with serving(lambda path: (200, answer)) as service, serving(lambda path: (200, answer)) as collector:
        for each, url in ((other, collector.url), (tenant, service.url)):
            async with database.transaction([each.tenant_id], actor="test") as tx:
                await a_customer(tx, organization_id="org_1")
                await identity.trust(
                    tx,
                    kind=TrustKind.INTROSPECTION,
                    issuer=url,
                    introspection_url=f"{url}/introspect",
                    client_id="guilder",
                    client_secret="canary-s3cret",
                    now=NOW,
                )
                row = await tx.fetchrow("select t::text as whole from identity.token_trusts t")
                assert "canary" not in row["whole"]
                assert [each.client_secret for each in await identity.trusts(tx)] == [""]
        found = await make().principal_of("an-opaque-token")
    assert (found.kind, found.tenant_id, found.role) == (Kind.CUSTOMER_USER, tenant.tenant_id, auth.Role.BILLING)
    assert (len(service.asked), collector.asked) == (1, [])


async def test_keys_of_an_issuer_are_fetched_from_where_it_has_them(database, tenant, make):
    async with serving(lambda path: (200, {"keys": [KEY.jwk()]})) as idp:
        await trusting(database, tenant, public_key_pem="", jwks_url=f"{idp.url}/keys")
        async with database.transaction([tenant.tenant_id], actor="test") as tx:
            await a_customer(tx, organization_id="org_1")
        authentication = make()
        for _ in range(3):
            await authentication.principal_of(KEY.sign(claims()))
    assert idp.asked == ["/keys"]


@pytest.mark.shows("I31", "fault G4")
async def test_an_erased_customers_users_are_nobody(database, tenant, make):
    await trusting(database, tenant)
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        customer = await a_customer(tx, organization_id="org_1")
        await customers.erase(tx, refs=[customers.ref_of(customer)], now=NOW)
    with pytest.raises(Unauthenticated):
        await make().principal_of(KEY.sign(claims()))


async def test_a_tenant_of_a_batch_is_not_mistaken_for_another(database, make):
    async with database.transaction(actor="test") as tx:
        first, second = await a_tenant(tx), await a_tenant(tx)
    texts = [await a_key(database, each) for each in (first, second)]
    authentication = make()
    found = [await authentication.principal_of(text) for text in texts * 2]
    assert [each.tenant_id for each in found] == [first.tenant_id, second.tenant_id] * 2


async def test_a_signed_trust_of_another_does_not_stand_in_the_way_of_asking(database, tenant, make):
    other = await new_tenant(database)
    answer = {"active": True, "sub": "user_1", "org_id": "org_1"}
    async with serving(lambda path: (200, answer)) as service:
        await trusting(database, other, key=OTHER_KEY, issuer=service.url)
        async with database.transaction([tenant.tenant_id], actor="test") as tx:
            await a_customer(tx, organization_id="org_1")
            await identity.trust(
                tx,
                kind=TrustKind.INTROSPECTION,
                issuer=service.url,
                introspection_url=f"{service.url}/introspect",
                client_id="guilder",
                client_secret="s3cret",
                now=NOW,
            )
        found = await make().principal_of(KEY.sign(claims(iss=service.url)))
    assert found.tenant_id == tenant.tenant_id


async def a_member_by_token(database, tenant, authentication):
    await trusting(database, tenant)
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        member = await identity.invite(tx, email="eve@acme.example", role=Role.ADMIN, now=NOW)
    token = KEY.sign(claims(org_id=None, org_role=None, email="eve@acme.example", email_verified=True, fva=[3, -1]))
    found = await authentication.principal_of(token)
    assert (found.kind, found.role) == (Kind.STAFF, auth.Role.ADMIN)
    return member, token, found


@pytest.mark.shows("ASVS 6.8.4", "ASVS 10.3.4")
async def test_a_token_says_when_its_person_was_last_proven(database, tenant, make):
    _, _, found = await a_member_by_token(database, tenant, make())
    assert found.verified_at == NOW - timedelta(minutes=3)
    assert found.session_id is None


@pytest.mark.shows("fault G4", "ASVS 7.4.2", "ASVS 8.3.2")
async def test_g4_a_live_token_of_a_member_has_the_new_role_at_once(database, tenant, make):
    authentication = make()
    member, token, before = await a_member_by_token(database, tenant, authentication)
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        await identity.change_role(tx, member_id=member.id, role=Role.MEMBER, now=NOW)
    after = await authentication.principal_of(token)
    assert (after.role, after.subject) == (auth.Role.MEMBER, before.subject)


@pytest.mark.shows("fault G4", "ASVS 7.4.2", "PCI 8.2.5")
async def test_g4_a_live_token_of_a_member_who_was_removed_opens_nothing(database, tenant, make):
    authentication = make()
    member, token, _ = await a_member_by_token(database, tenant, authentication)
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        await identity.remove_member(tx, member_id=member.id, now=NOW)
    with pytest.raises(Unauthenticated):
        await authentication.principal_of(token)


@pytest.mark.shows("fault G5")
async def test_g5_somebody_of_two_organizations_is_in_the_one_that_the_token_names(database, tenant, make):
    await trusting(database, tenant)
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        first = await a_customer(tx, organization_id="org_1")
        second = await a_customer(tx, organization_id="org_2")
    authentication = make()
    found = [
        await authentication.principal_of(KEY.sign(claims(org_id=org, org_role=role)))
        for org, role in (("org_1", "org:admin"), ("org_2", "org:member"))
    ]
    assert [(each.customer_id, each.role) for each in found] == [
        (first.id, auth.Role.ADMIN),
        (second.id, auth.Role.MEMBER),
    ]
    with pytest.raises(Unauthenticated):
        await authentication.principal_of(KEY.sign(claims(org_id="org_1", o={"id": "org_2", "rol": "admin"})))


@pytest.mark.shows("fault G5")
async def test_g5_a_personal_token_is_of_no_organization_and_an_organizations_is_never_staff(database, tenant, make):
    authentication = make()
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        customer = await a_customer(tx, organization_id="org_1")
    member, _, _ = await a_member_by_token(database, tenant, authentication)
    found = await authentication.principal_of(KEY.sign(claims(org_id="org_1")))
    assert (found.kind, found.customer_id) == (Kind.CUSTOMER_USER, customer.id), "in the organization, its user alone"
    personal = await authentication.principal_of(KEY.sign(claims(org_id=None, org_role=None)))
    assert (personal.kind, personal.customer_id) == (Kind.STAFF, None)
    with pytest.raises(Unauthenticated):
        await authentication.principal_of(KEY.sign(claims(sub="user_9", org_id=None, org_role=None)))
    assert personal.subject.startswith("mem_")
    assert member.id
