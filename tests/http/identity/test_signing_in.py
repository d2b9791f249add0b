"""The page that staff sign in on, and the way to an issuer and back."""

from datetime import timedelta
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import TrustKind
from guilder.domain.identity.routes import router as identity_router
from guilder.kernel import ids
from tests.support.builders.identity import NOW, new_tenant
from tests.support.builders.staff import COOKIE, EMAIL, PASSWORD, a_member
from tests.support.ground import database_with_vault
from tests.support.identity_provider import SigningKey, signing_in
from tests.support.served import served

PENDING = f"{COOKIE}-pending"
KEY, STRANGER = SigningKey("k1"), SigningKey("k1")
EVE = {"sub": "user_1", "email": "eve@acme.example", "email_verified": True}
ARRIVING = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}


@pytest.fixture
async def idp():
    async with signing_in(KEY) as provider:
        provider.person = dict(EVE)
        yield provider


async def trusting(house, tenant, idp, **over):
    said = {
        "kind": TrustKind.OIDC,
        "issuer": idp.issuer,
        "audience": "api",
        "client_id": idp.client_id,
        "client_secret": idp.client_secret,
    }
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        made = await identity.trust(tx, **(said | over), now=NOW)
    return f"/sign-in/{ids.to_text('trust', made.id)}"


@pytest.fixture
async def door(house, acme, idp):
    """Invite Eve, trust the provider, and say where she goes."""
    await a_member(house.database, acme, email=EVE["email"], password=None)
    return await trusting(house, acme, idp)


async def sent(browser, door, **query):
    """Go to the provider; return the address there."""
    answer = await browser.get(door, params=query or None)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def callback_of(door):
    return door.replace("/sign-in/", "/sign-in/callback/")


async def test_a_trust_names_the_address_that_its_issuer_is_to_be_told(house, acme, idp, door):
    said = (await (await house.key_of(acme))("GET", "/api/token-trusts")).json()["data"]
    assert [each["redirect_uri"] for each in said] == [f"https://billing.example.com{callback_of(door)}"]


async def arrived(browser, idp, door, **query):
    back = idp.authorize(await sent(browser, door, **query))
    return await browser.get(back, headers=ARRIVING)


async def test_somebody_comes_in_by_their_issuer(house, idp, door):
    browser = house.browser()
    answer = await arrived(browser, idp, door, return_to="/console?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console?x=1"), answer.text
    said = (await browser.get("/api/session")).json()["data"]
    assert (said["kind"], said["role"]) == ("staff", "admin")
    assert said["verified_at"] == NOW.isoformat().replace("+00:00", "Z")
    [session] = (await browser.get("/api/sessions")).json()["data"]
    assert session["way"] == "oidc"
    assert PENDING not in browser.cookies, "what was kept on the way is forgotten"


async def test_an_issuer_that_says_the_address_only_when_it_is_asked_is_asked(house, idp, door):
    idp.person, address = {"sub": "user_1"}, {"email": EVE["email"], "email_verified": True}
    for told in (
        address | {"sub": "user_2"},
        address | {"sub": "user_1", "email_verified": False},
        {"sub": "user_1"},
        {},
    ):
        idp.by_userinfo = told
        assert (await arrived(house.browser(), idp, door)).status_code == 401, told
    idp.by_userinfo = address | {"sub": "user_1"}
    assert (await arrived(house.browser(), idp, door)).status_code == 303


@pytest.mark.shows("ASVS 10.2.1", "ASVS 10.1.1")
async def test_the_provider_is_asked_by_the_code_flow_with_pkce(house, idp, door):
    browser = house.browser()
    said = {name: value for name, [value] in parse_qs(urlsplit(await sent(browser, door)).query).items()}
    assert said["response_type"] == "code"
    assert said["code_challenge_method"] == "S256"
    assert said["redirect_uri"] == f"https://billing.example.com{callback_of(door)}"
    assert len({said[name] for name in ("state", "nonce", "code_challenge")}) == 3
    assert all(len(said[name]) == 43 for name in ("state", "nonce", "code_challenge"))
    other = {name: value for name, [value] in parse_qs(urlsplit(await sent(browser, door)).query).items()}
    assert all(other[name] != said[name] for name in ("state", "nonce", "code_challenge"))


@pytest.mark.shows("ASVS 3.3.1", "ASVS 3.3.4")
async def test_what_is_kept_on_the_way_is_sealed_and_short_lived(house, idp, door):
    answer = await house.browser().get(door)
    [cookie] = answer.headers.get_list("set-cookie")
    said = {name: value for name, [value] in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    attributes = {each.strip().lower() for each in cookie.split(";")[1:]}
    assert attributes == {"httponly", "max-age=600", "path=/", "samesite=lax", "secure"}
    assert said["state"] not in cookie
    assert said["nonce"] not in cookie


def claims_that_prove_nothing():
    made = int(NOW.timestamp())
    return {
        "another nonce": {"nonce": "x"},
        "no nonce": {"nonce": None},
        "another audience": {"aud": "another"},
        "no audience": {"aud": None},
        "several audiences, of another party": {"aud": ["guilder", "another"], "azp": "another"},
        "several audiences, of no party": {"aud": ["guilder", "another"]},
        "another party": {"azp": "another"},
        "another issuer": {"iss": "https://evil.example"},
        "expired": {"exp": made - 6},
        "no expiry": {"exp": None},
        "issued in the future": {"iat": made + 60},
        "no subject": {"sub": None},
        "an address that nobody verified": {"email_verified": False},
        "an address that is said to be verified": {"email_verified": "true"},
        "somebody else": {"sub": "user_2", "email": "mallory@acme.example"},
    }


@pytest.mark.shows("fault G1", "ASVS 9.2.3", "ASVS 10.5.1")
async def test_g1_an_id_token_that_breaks_one_rule_lets_nobody_in(house, idp, door):
    answers = {}
    for name, spoils in claims_that_prove_nothing().items():
        idp.spoils = spoils
        browser = house.browser()
        answers[name] = await arrived(browser, idp, door)
        assert answers[name].status_code == 401, name
        assert COOKIE not in browser.cookies, name
    idp.spoils, idp.key = {}, STRANGER
    stranger = house.browser()
    assert (await arrived(stranger, idp, door)).status_code == 401, "signed by somebody else under the same kid"
    texts = {answer.text.replace(_nonce(answer), "") for answer in answers.values()}
    assert len(texts) == 1, "nobody learns why"
    idp.key = KEY
    assert (await arrived(house.browser(), idp, door)).status_code == 303


def _nonce(answer):
    return answer.headers["content-security-policy"].split("nonce-")[1].split("'")[0]


@pytest.mark.shows("ASVS 10.2.1")
async def test_a_state_is_good_in_its_browser_and_once(house, idp, door):
    victim, attacker = house.browser(), house.browser()
    await sent(victim, door)
    back = idp.authorize(await sent(attacker, door))
    foreign = await victim.get(back, headers=ARRIVING)
    assert foreign.status_code == 401, "an attacker's answer, in the victim's browser"
    assert COOKIE not in victim.cookies
    pending = attacker.cookies[PENDING]
    assert (await attacker.get(back, headers=ARRIVING)).status_code == 303
    again = house.browser()
    answer = await again.get(back, headers=ARRIVING | {"Cookie": f"{PENDING}={pending}"})
    assert (answer.status_code, COOKIE in again.cookies) == (401, False), "the same answer a second time"


@pytest.mark.shows("ASVS 10.2.1")
async def test_whoever_takes_longer_than_ten_minutes_begins_again(house, idp, door):
    browser = house.browser()
    back = idp.authorize(await sent(browser, door))
    house.clock.move_by(timedelta(minutes=10))
    assert (await browser.get(back, headers=ARRIVING)).status_code == 401


async def test_an_answer_that_was_tampered_with_lets_nobody_in(house, idp, door):
    for spoilt in ("state=x", "code=x", "iss=https://evil.example"):
        browser = house.browser()
        back = idp.authorize(await sent(browser, door))
        name = spoilt.split("=")[0]
        parts = [spoilt if each.startswith(f"{name}=") else each for each in back.split("?")[1].split("&")]
        answer = await browser.get(f"{callback_of(door)}?{'&'.join(parts)}", headers=ARRIVING)
        assert (answer.status_code, COOKIE in browser.cookies) == (401, False), spoilt


async def test_nonsense_at_the_callback_is_answered_in_peace(house, door):
    for query in ("", "?error=access_denied&state=x", "?state=&code=", "?state=%00", "?" + "a=b&" * 50):
        answer = await house.browser().get(callback_of(door) + query)
        assert answer.status_code in {401, 422}, query


@pytest.mark.shows("ASVS 10.2.1")
async def test_what_one_issuer_answers_is_never_taken_to_another(house, acme, idp, door):
    async with signing_in(STRANGER) as hostile:
        begun_there = await trusting(house, acme, hostile)
        browser = house.browser()
        said = dict(parse_qsl(urlsplit(await sent(browser, begun_there)).query))
        # The hostile issuer sends the browser on to the honest one, which knows us by an address that is not the hostile's.
        asked = said | {"client_id": idp.client_id, "redirect_uri": f"https://billing.example.com{callback_of(door)}"}
        back = idp.authorize(f"{idp.issuer}/authorize?{urlencode(asked)}").replace("iss=", "was=")
        answer = await browser.get(back, headers=ARRIVING)
        assert (answer.status_code, COOKIE in browser.cookies) == (401, False)
        assert not any("code=" in each for each in hostile.server.bodies), "the honest issuer's code"


@pytest.mark.shows("fault G7", "ASVS 3.5.3")
async def test_a_page_elsewhere_begins_nobodys_sign_in(house, idp, door):
    browser = house.browser()
    assert (await arrived(browser, idp, door)).status_code == 303
    for site in ("cross-site", "same-site"):
        led = await browser.get(door, params={"return_to": "/console"}, headers={"Sec-Fetch-Site": site})
        assert (led.status_code, led.headers["location"]) == (303, "/sign-in?tenant=&return_to=%2Fconsole")
        assert PENDING not in browser.cookies
    assert (await browser.get(door, headers={"Sec-Fetch-Site": "none"})).headers["location"].startswith(idp.issuer)


@pytest.mark.shows("fault G7", "ASVS 3.7.2")
async def test_nobody_is_sent_elsewhere_by_signing_in(house, acme, idp, door):
    await a_member(house.database, acme)
    for return_to in ("//evil.example", "/\\evil.example", "https://evil.example", "/@evil.example"):
        answer = await arrived(house.browser(), idp, door, return_to=return_to)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        form = {"email": EMAIL, "password": PASSWORD, "return_to": return_to}
        answer = await house.browser().post("/sign-in", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        page = await house.browser().get("/sign-in", params={"return_to": return_to})
        assert "evil.example" not in page.text


async def test_the_form_lets_in_and_out(house, acme):
    await a_member(house.database, acme)
    browser = house.browser()
    wrong = await browser.post("/sign-in", data={"email": EMAIL, "password": "wrong wrong wrong"})
    assert wrong.status_code == 401
    assert "The e-mail address or the password is wrong." in wrong.text
    answer = await browser.post("/sign-in", data={"email": EMAIL, "password": PASSWORD, "return_to": "/docs"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/docs")
    assert "You are signed in" in (await browser.get("/sign-in")).text
    out = await browser.post("/sign-out")
    assert (out.status_code, out.headers["location"]) == (303, "/sign-in")
    assert (await browser.get("/api/session")).status_code == 401


@pytest.mark.shows("fault G7", "ASVS 3.4.3")
async def test_the_page_runs_nothing_is_framed_by_nobody_and_repeats_nothing_raw(house, idp, door):
    page = await house.browser().get("/sign-in", params={"tenant": '"><script>x</script>', "return_to": '/"><b>'})
    assert page.status_code == 200
    assert "<script" not in page.text
    assert "<b>" not in page.text
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["cache-control"] == "no-store"
    listed = await house.browser().get("/sign-in")
    assert "Sign in with 127.0.0.1" in listed.text


async def test_a_provider_that_is_away_is_said_so(house, acme, idp):
    await a_member(house.database, acme, email=EVE["email"], password=None)
    door = await trusting(house, acme, idp, issuer="http://127.0.0.1:9", jwks_url="http://127.0.0.1:9/keys")
    answer = await house.browser().get(door)
    assert answer.status_code == 503
    assert "cannot be reached" in answer.text


async def test_a_discovery_that_speaks_for_another_issuer_is_not_followed(house, acme, idp, door):
    other = await trusting(house, acme, idp, issuer=f"{idp.issuer}/realm", jwks_url=f"{idp.issuer}/keys")
    assert (await house.browser().get(other)).status_code == 503


async def test_at_a_trust_without_a_client_of_ours_nobody_signs_in(house, acme, idp):
    only_tokens = await trusting(house, acme, idp, client_id="", client_secret="")
    assert (await house.browser().get(only_tokens)).status_code == 404
    other = await new_tenant(house.database)
    theirs = await trusting(house, other, idp)
    assert (await house.browser().get(theirs)).status_code == 404, "of another tenant, unless that is named"
    assert (await house.browser().get(theirs, params={"tenant": other.slug})).status_code == 303


@pytest.mark.shows("ASVS 6.8.4", "ASVS 10.3.4", "ASVS 6.3.3")
async def test_how_well_somebody_is_proven_may_be_asked_for(house, acme, idp):
    await a_member(house.database, acme, email=EVE["email"], password=None)
    door = await trusting(house, acme, idp, acr_values=["urn:mfa"])
    assert "acr_values=urn%3Amfa" in await sent(house.browser(), door)
    idp.spoils = {"acr": "urn:pwd"}
    assert (await arrived(house.browser(), idp, door)).status_code == 401
    idp.spoils = {"acr": "urn:mfa"}
    assert (await arrived(house.browser(), idp, door)).status_code == 303


@pytest.mark.shows("ASVS 7.5.3", "ASVS 6.8.4")
async def test_a_step_up_at_the_issuer_is_by_the_same_person_and_now(house, acme, idp, door):
    browser = house.browser()
    assert (await arrived(browser, idp, door)).status_code == 303
    before = browser.cookies[COOKIE]
    house.clock.move_by(timedelta(hours=1))
    idp.now = house.clock.now()
    said = (await browser.post("/api/session/step-up", json={"return_to": "/refunds"})).json()["data"]
    address = await sent(browser, said["redirect_to"])
    assert {"prompt=login", "max_age=0"} <= set(urlsplit(address).query.split("&"))

    idp.spoils = {"auth_time": int(NOW.timestamp())}
    stale = await browser.get(idp.authorize(address), headers=ARRIVING)
    assert stale.status_code == 403, "the provider did not ask anew"
    idp.spoils = {"auth_time": None}
    unsaid = await browser.get(idp.authorize(await sent(browser, said["redirect_to"])), headers=ARRIVING)
    assert unsaid.status_code == 403, "it does not say when"
    await a_member(house.database, acme, email="bob@acme.example", password=None)
    idp.spoils = {"sub": "user_2", "email": "bob@acme.example"}
    other = await browser.get(idp.authorize(await sent(browser, said["redirect_to"])), headers=ARRIVING)
    assert other.status_code == 403, "somebody else"
    assert browser.cookies[COOKIE] == before

    idp.spoils = {}
    done = await browser.get(idp.authorize(await sent(browser, said["redirect_to"])), headers=ARRIVING)
    assert (done.status_code, done.headers["location"]) == (303, "/refunds")
    assert browser.cookies[COOKIE] != before
    told = (await browser.get("/api/session")).json()["data"]["verified_at"]
    assert told == idp.now.isoformat().replace("+00:00", "Z")


@pytest.mark.shows("fault G4", "ASVS 7.4.2")
async def test_g4_a_trust_that_is_removed_ends_sessions_and_tokens(house, acme, idp, door):
    browser = house.browser()
    assert (await arrived(browser, idp, door)).status_code == 303
    async with house.database.transaction([acme.tenant_id], actor="test") as tx:
        [trust] = await identity.trusts(tx)
        await identity.distrust(tx, trust_id=trust.id, now=NOW)
    assert (await browser.get("/api/session")).status_code == 401
    assert (await house.browser().get(door)).status_code == 404


@pytest.mark.shows("ASVS 6.8.1", "ASVS 6.8.2")
async def test_two_issuers_that_know_a_subject_of_one_name_are_two_people(house, acme, idp, door):
    assert (await arrived(house.browser(), idp, door)).status_code == 303
    async with signing_in(STRANGER) as another:
        another.person = dict(EVE)
        elsewhere = await trusting(house, acme, another)
        browser = house.browser()
        assert (await arrived(browser, another, elsewhere)).status_code == 401
        assert COOKIE not in browser.cookies


async def test_on_this_machine_people_sign_in_over_http(database_urls, clean):
    async with (
        database_with_vault(database_urls) as database,
        served(database, [identity_router], public_url="http://localhost:4000") as house,
    ):
        await a_member(database, await new_tenant(database, slug="default"))
        browser = house.browser()
        answer = await browser.post("/sign-in", data={"email": EMAIL, "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        [cookie] = answer.headers.get_list("set-cookie")
        assert cookie.startswith("guilder=")
        assert "secure" not in cookie.lower()
        assert (await browser.get("/api/session")).status_code == 200


@pytest.mark.shows("ASVS 3.3.1", "ASVS 12.2.1")
async def test_over_a_network_nobody_signs_in_without_tls(database_urls, clean):
    async with (
        database_with_vault(database_urls) as database,
        served(database, [identity_router], public_url="http://billing.example.com") as house,
    ):
        await a_member(database, await new_tenant(database, slug="default"))
        said = {"email": EMAIL, "password": PASSWORD}
        for answer in (
            await house.browser().post("/api/session", json=said),
            await house.browser().post("/sign-in", data=said),
            await house.browser().get("/sign-in"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "sign_in_needs_https")
            assert "set-cookie" not in answer.headers
