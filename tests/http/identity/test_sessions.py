"""Staff who sign in with a password: what they get, what it lets them do, and when it ends."""

import asyncio
import sys
from datetime import timedelta

import pytest

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Role
from guilder.platform.auth.passwords import Passwords
from guilder.platform.db.tx import Tx
from tests.support.builders.identity import NOW, a_sandbox, new_tenant
from tests.support.builders.staff import CHEAP, COOKIE, EMAIL, PASSWORD, RIGHT, a_member
from tests.support.database import connected

ELSEWHERE = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}


async def within(house, tenant, verb, **said):
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        return await verb(tx, now=NOW, **said)


@pytest.mark.shows("ASVS 3.3.1", "ASVS 3.3.2", "ASVS 3.3.3", "ASVS 3.3.4")
async def test_a_session_is_a_cookie_that_no_script_and_no_other_host_can_have(house, ana):
    answer = await house.browser().post("/api/session", json=RIGHT)
    [cookie] = answer.headers.get_list("set-cookie")
    name, _, value = cookie.partition(";")[0].partition("=")
    attributes = {each.strip().lower() for each in cookie.split(";")[1:]}
    assert name == COOKIE
    assert len(value) == 43, "256 random bits"
    assert attributes == {"httponly", "max-age=604800", "path=/", "samesite=lax", "secure"}
    assert value not in answer.text
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.shows("ASVS 11.2.1", "ASVS 7.2.1", "ASVS 7.2.2", "ASVS 11.5.1")
async def test_what_is_kept_is_no_key_to_anything(house, signed_in, database_urls):
    token = signed_in.cookies[COOKIE]
    async with connected(database_urls.admin) as admin:
        rows = await admin.fetch(
            "select s::text as row from identity.sessions s union all select p::text from identity.passwords p"
        )
    assert len(rows) == 2
    assert all(said not in row["row"] for row in rows for said in (token, PASSWORD, EMAIL))


async def test_who_is_signed_in_is_said(house, acme, ana, signed_in):
    said = (await signed_in.get("/api/session")).json()["data"]
    assert (said["kind"], said["role"], said["tenant"]["slug"]) == ("staff", "admin", "default")
    assert said["subject"].startswith("mem_")
    assert said["session_id"].startswith("ses_")
    assert said["verified_at"] == NOW.isoformat().replace("+00:00", "Z")


@pytest.mark.shows("ASVS 6.3.1", "ASVS 6.3.2")
async def test_whatever_is_wrong_the_answer_is_the_same(house, acme, ana):
    await a_member(house.database, acme, email="bob@acme.example", password=None)
    for said in (
        {"email": EMAIL, "password": "wrong wrong wrong"},
        {"email": "nobody@acme.example", "password": PASSWORD},
        {"email": EMAIL, "password": PASSWORD, "tenant": "nowhere"},
        {"email": "bob@acme.example", "password": PASSWORD},
        {"email": "admin@guilder.example", "password": "admin"},
    ):
        answer = await house.browser().post("/api/session", json=said)
        body = {name: value for name, value in answer.json().items() if name != "request_id"}
        assert answer.status_code == 401, said
        assert (body["code"], body["detail"]) == ("sign_in_refused", "The e-mail address or the password is wrong.")
        assert set(body) == {"type", "title", "status", "detail", "code"}
        assert "set-cookie" not in answer.headers


@pytest.mark.shows("fault G6", "ASVS 6.3.1")
@pytest.mark.parametrize("email", [EMAIL, "nobody@acme.example"])
async def test_guesses_wait_and_nobody_waits_for_ever(house, ana, email):
    browser = house.browser()
    wrong = {"email": email, "password": "wrong wrong wrong"}
    first = [await browser.post("/api/session", json=wrong) for _ in range(4)]
    assert [each.status_code for each in first] == [401] * 4
    slowed = await browser.post("/api/session", json=RIGHT | {"email": email})
    assert (slowed.status_code, slowed.json()["code"], slowed.headers["retry-after"]) == (429, "too_many_tries", "1")
    house.clock.move_by(timedelta(seconds=1))
    assert (await browser.post("/api/session", json=wrong)).status_code == 401
    slowed = await browser.post("/api/session", json=wrong)
    assert (slowed.status_code, slowed.headers["retry-after"]) == (429, "2")
    house.clock.move_by(timedelta(seconds=300))
    assert (await browser.post("/api/session", json=RIGHT)).status_code == 201


def counted(monkeypatch, done, kind, name):
    """Write down each call of a verb, with what it is asked; passwords are not compared."""
    verb = getattr(kind, name)

    async def counting(self, *about, **more):
        done.append((name, about[0] if kind is Tx else ""))
        return await verb(self, *about, **more)

    monkeypatch.setattr(kind, name, counting)


@pytest.mark.shows("fault G6", "ASVS 6.3.1")
async def test_whether_there_is_such_a_tenant_is_told_by_no_guess(house, ana, monkeypatch):
    """Neither by the answer nor by what it costs: the same statements, and one password hashed."""
    closed = await new_tenant(house.database, slug="closed")
    async with house.database.transaction([closed.tenant_id], actor="test") as tx:
        await identity.suspend_tenant(tx, reason="unpaid", now=NOW)
    asked, done = [], []
    counted(monkeypatch, done, Passwords, "verify")
    for name in ("execute", "fetch", "fetchrow", "fetchval"):
        counted(monkeypatch, done, Tx, name)
    for slug in ("default", "nowhere", "Default", "closed"):
        wrong = {"email": "nobody@acme.example", "password": "wrong wrong wrong", "tenant": slug}
        answers = []
        for email in (wrong["email"], "Nobody@acme.example") * 3:
            done.clear()
            answer = await house.browser().post("/api/session", json=wrong | {"email": email})
            said = answer.json() | {"request_id": ""}
            answers.append((answer.status_code, said, answer.headers.get("retry-after"), list(done)))
        asked.append(answers)
    assert [each[0] for each in asked[0]] == [401] * 4 + [429] * 2
    assert [name for name, _ in asked[0][0][-1]].count("verify") == 1
    assert len(asked[0][0][-1]) > 5
    assert asked[1] == asked[0], "a name that is nobody's"
    assert asked[2] == asked[0], "what is nearly a tenant's is counted apart from it"
    assert asked[3] == asked[0], "one where nobody is let in"


@pytest.mark.shows("fault G6")
async def test_a_hundred_guesses_at_once_are_a_hundred_guesses(house, ana):
    async def guess(number):
        return (await house.browser().post("/api/session", json=RIGHT | {"password": f"guess {number}"})).status_code

    answers = await asyncio.gather(*(guess(number) for number in range(20)))
    assert sorted(answers) == [401] * 4 + [429] * 16


async def test_a_hash_of_yesterdays_parameters_is_renewed(house, acme, ana, database_urls):
    async with connected(database_urls.admin) as admin:
        weak = type(CHEAP)(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
        await admin.execute("update identity.passwords set hash = $1", weak)
        assert (await house.browser().post("/api/session", json=RIGHT)).status_code == 201
        kept = await admin.fetchval("select hash from identity.passwords")
    assert kept != weak
    assert "m=64," in kept
    assert (await house.browser().post("/api/session", json=RIGHT)).status_code == 201


OURS = "https://billing.example.com"
FROM = [
    ({"Sec-Fetch-Site": "same-origin"}, 200),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Sec-Fetch-Site": "none"}, 403),
    ({"Sec-Fetch-Site": "cross-site", "Origin": OURS}, 403),
    ({"Origin": OURS}, 200),
    ({"Origin": f"{OURS}.evil.example"}, 403),
    ({"Origin": "http://billing.example.com"}, 403),
    ({"Origin": "null"}, 403),
    ({}, 403),
]


@pytest.mark.shows("fault G7", "ASVS 3.5.1", "ASVS 3.5.3")
async def test_with_a_cookie_only_a_page_of_ours_changes_anything(house, signed_in):
    del signed_in.headers["Sec-Fetch-Site"]
    for number, (headers, status) in enumerate(FROM):
        name = f"Acme {number}"
        answer = await signed_in.patch("/api/tenant", json={"name": name}, headers=headers)
        assert answer.status_code == status, headers
        found = (await signed_in.get("/api/tenant")).json()["data"]["name"]
        assert (found == name) is (status == 200), headers
        if status == 403:
            assert answer.json()["code"] == "cross_site_request"


@pytest.mark.shows("fault G7")
async def test_nobody_is_signed_in_from_a_page_elsewhere(house, ana):
    for browser, how in ((house.browser(**ELSEWHERE), {"json": RIGHT}), (house.browser(**ELSEWHERE), {"data": RIGHT})):
        path = "/api/session" if "json" in how else "/sign-in"
        answer = await browser.post(path, **how)
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_request")
        assert "set-cookie" not in answer.headers
    program = house.browser()
    del program.headers["Sec-Fetch-Site"]
    assert (await program.post("/sign-in", data=RIGHT)).status_code == 403
    assert (await program.post("/api/session", json=RIGHT)).status_code == 201


async def test_a_key_beside_a_session_of_another_is_refused(house, acme, signed_in):
    key = await house.key_of(acme)
    answer = await signed_in.get("/api/tenant", headers={"Authorization": f"Bearer {key.token}"})
    assert answer.status_code == 401
    signed_in.cookies.set(COOKIE, "x" * 43, domain="billing.example.com")
    signed_in.cookies.clear()
    stale = {"Authorization": f"Bearer {key.token}", "Cookie": f"{COOKIE}={'x' * 43}"}
    assert (await signed_in.get("/api/tenant", headers=stale)).status_code == 200, "a cookie of nobody's says nothing"


@pytest.mark.shows("ASVS 7.4.1", "fault G4")
async def test_signed_out_is_signed_out(house, signed_in):
    token = signed_in.cookies[COOKIE]
    answer = await signed_in.delete("/api/session")
    assert answer.status_code == 200
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    again = await house.browser().get("/api/session", headers={"Cookie": f"{COOKIE}={token}"})
    assert again.status_code == 401


async def test_a_cookie_of_nobodys_opens_nothing(house, ana):
    for cookie in ("", "x", "x" * 43, "x" * 9_000, "gk_live_x", "../../etc", "a.b.c"):
        answer = await house.browser().get("/api/session", headers={"Cookie": f"{COOKIE}={cookie}"})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), cookie


async def test_a_cookie_without_its_prefix_is_none(house, signed_in):
    token = signed_in.cookies[COOKIE]
    answer = await house.browser().get("/api/session", headers={"Cookie": f"guilder={token}; session={token}"})
    assert answer.status_code == 401


@pytest.mark.shows("PCI 8.2.8")
async def test_a_session_that_nobody_uses_ends_by_itself(house, signed_in):
    house.clock.move_by(timedelta(hours=11, minutes=59))
    assert (await signed_in.get("/api/session")).status_code == 200
    house.clock.move_by(timedelta(hours=11, minutes=59))
    assert (await signed_in.get("/api/session")).status_code == 200, "used meanwhile"
    house.clock.move_by(timedelta(hours=12))
    assert (await signed_in.get("/api/session")).status_code == 401


async def test_a_session_that_is_used_all_the_time_ends_after_a_week(house, signed_in):
    for _ in range(7 * 3 - 1):
        house.clock.move_by(timedelta(hours=8))
        assert (await signed_in.get("/api/session")).status_code == 200
    house.clock.move_by(timedelta(hours=8))
    assert (await signed_in.get("/api/session")).status_code == 401


async def test_that_it_is_used_is_written_once_a_minute_at_most(house, signed_in, database_urls):
    async with connected(database_urls.admin) as admin:
        seen = []
        for step_s in (0, 30, 29, 1, 59, 1):
            house.clock.move_by(timedelta(seconds=step_s))
            assert (await signed_in.get("/api/session")).status_code == 200
            seen.append(await admin.fetchval("select last_seen_at from identity.sessions"))
    assert [(each - NOW).total_seconds() for each in seen] == [0, 0, 0, 60, 60, 120]


@pytest.mark.shows("fault G4", "ASVS 7.4.2", "ASVS 8.3.2", "PCI 8.2.5")
async def test_g4_another_role_counts_from_the_next_request_on(house, acme, ana, signed_in):
    assert (await signed_in.get("/api/api-keys")).status_code == 200
    await within(house, acme, identity.change_role, member_id=ana.id, role=Role.MEMBER)
    assert (await signed_in.get("/api/api-keys")).json()["code"] == "role_too_low"
    assert (await signed_in.get("/api/tenant")).status_code == 200


@pytest.mark.shows("fault G4", "ASVS 7.4.2", "PCI 8.2.5")
async def test_g4_a_member_who_is_removed_is_out_at_once(house, acme, ana, signed_in, database_urls):
    await within(house, acme, identity.remove_member, member_id=ana.id)
    assert (await signed_in.get("/api/session")).status_code == 401
    assert (await house.browser().post("/api/session", json=RIGHT)).status_code == 401
    async with connected(database_urls.admin) as admin:
        left = await admin.fetchval(
            """select (select count(*) from identity.members) + (select count(*) from identity.sessions)
                    + (select count(*) from identity.passwords)"""
        )
        key = await admin.fetchval("select wrapped_key from platform.subject_keys where subject_id = $1", ana.id)
    assert (left, key) == (0, None), "nobody opens the address any more, in no backup"


@pytest.mark.shows("fault G4")
async def test_g4_a_suspended_tenants_staff_are_out_and_come_back_with_it(house, acme, signed_in):
    await within(house, acme, identity.suspend_tenant, reason="unpaid")
    assert (await signed_in.get("/api/session")).status_code == 401
    assert (await house.browser().post("/api/session", json=RIGHT)).status_code == 401
    await within(house, acme, identity.resume_tenant, reason="paid")
    assert (await signed_in.get("/api/session")).status_code == 200


@pytest.mark.shows("ASVS 7.4.5", "fault G4")
async def test_an_admin_sees_who_is_signed_in_and_ends_it(house, acme, signed_in):
    [session] = (await signed_in.get("/api/sessions")).json()["data"]
    assert (session["way"], session["agent"]) == ("password", "Firefox")
    other = house.browser()
    assert (await other.post("/api/session", json=RIGHT)).status_code == 201
    ended = await other.delete(f"/api/sessions/{session['id']}")
    assert ended.status_code == 200, ended.text
    assert (await signed_in.get("/api/session")).status_code == 401
    assert len((await other.get("/api/sessions")).json()["data"]) == 1


async def test_a_new_password_ends_every_session(house, acme, ana, signed_in):
    said = {"member_id": ana.id, "password_hash": CHEAP.hash("another one entirely"), "email": EMAIL}
    await within(house, acme, identity.set_password, **said)
    assert (await signed_in.get("/api/session")).status_code == 401
    assert (await house.browser().post("/api/session", json=RIGHT)).status_code == 401


async def test_of_too_many_sessions_the_oldest_ends(house, signed_in, monkeypatch):
    # The room's face has a verb of the same name, so the module is taken by its own.
    monkeypatch.setattr(sys.modules["guilder.domain.identity.service.sessions"], "SESSIONS_MAX", 2)
    second, third = house.browser(), house.browser()
    for browser in (second, third):
        assert (await browser.post("/api/session", json=RIGHT)).status_code == 201
    assert [(await each.get("/api/session")).status_code for each in (signed_in, second, third)] == [401, 200, 200]


async def test_in_one_browser_there_is_one_session_whatever_tenant_it_is_of(house, signed_in):
    other = await new_tenant(house.database)
    await a_member(house.database, other, email="ana@other.example")
    before = signed_in.cookies[COOKIE]
    said = {"email": "ana@other.example", "password": PASSWORD, "tenant": other.slug}
    assert (await signed_in.post("/api/session", json=said)).status_code == 201
    assert (await signed_in.get("/api/session")).json()["data"]["tenant"]["slug"] == other.slug
    old = await house.browser().get("/api/session", headers={"Cookie": f"{COOKIE}={before}"})
    assert old.status_code == 401


@pytest.mark.shows("fault F9")
async def test_a_session_does_not_outlive_a_password_that_was_changed_meanwhile(house, acme, ana):
    """Four sign-ins and a change of the password at one instant: whoever came in by the old one is out again."""
    said = {"member_id": ana.id, "password_hash": CHEAP.hash("an entirely different staple"), "email": EMAIL}
    browsers = [house.browser() for _ in range(4)]
    answers = await asyncio.gather(
        *(each.post("/api/session", json=RIGHT) for each in browsers),
        within(house, acme, identity.set_password, **said),
    )
    assert {each.status_code for each in answers[:-1]} <= {201, 401}
    assert [(await each.get("/api/session")).status_code for each in browsers] == [401] * 4


@pytest.mark.shows("fault G3", "fault G5")
async def test_staff_go_into_sandboxes_of_their_own_and_nowhere_else(house, acme, ana, signed_in):
    async with house.database.transaction(actor="test") as tx:
        mine = await a_sandbox(tx, root_id=acme.tenant_id)
        theirs = await a_sandbox(tx, root_id=(other := await new_tenant(house.database)).tenant_id)
    said = (await signed_in.get("/api/session")).json()["data"]
    assert [each["slug"] for each in said["sandboxes"]] == [mine.slug]
    for name in (mine.slug, said["sandboxes"][0]["id"]):
        found = await signed_in.get("/api/tenant", headers={"Guilder-Tenant": name})
        assert found.json()["data"]["mode"] == "sandbox"
    assert (await signed_in.get("/api/tenant", headers={"Guilder-Tenant": "default"})).status_code == 200
    answers = {}
    for name in (theirs.slug, str(theirs.tenant_id), other.slug, str(other.tenant_id), "nowhere", "", "ten_x"):
        answers[name] = await signed_in.get("/api/tenant", headers={"Guilder-Tenant": name})
        assert (answers[name].status_code, answers[name].json()["code"]) == (404, "not_found"), name
    assert len({each.json()["detail"] for each in answers.values()}) == 1


async def test_a_key_stays_in_its_tenant(house, acme):
    async with house.database.transaction(actor="test") as tx:
        mine = await a_sandbox(tx, root_id=acme.tenant_id)
    ask = await house.key_of(acme)
    assert (await ask("GET", "/api/tenant", guilder_tenant=mine.slug)).status_code == 404


@pytest.mark.shows("ASVS 16.3.1")
async def test_what_happened_is_told_without_naming_anybody(house, acme, ana, signed_in, database_urls):
    [session] = (await signed_in.get("/api/sessions")).json()["data"]
    await signed_in.patch(f"/api/members/{ana.id}", json={"role": "billing"})
    await within(house, acme, identity.remove_member, member_id=ana.id)
    async with connected(database_urls.admin) as admin:
        rows = await admin.fetch(
            "select name, payload::text as said from platform.log where name like 'identity.%' order by id"
        )
    assert [row["name"] for row in rows if row["name"].split(".")[1] in {"session", "member", "password"}] == [
        "identity.member.invited",
        "identity.password.set",
        "identity.session.began",
        "identity.member.changed",
        "identity.session.ended",
        "identity.member.removed",
    ]
    assert session["member_id"].startswith("mem_")
    told = " ".join(row["said"] for row in rows)
    assert str(ana.id) in told
    assert not [said for said in (EMAIL, "acme.example", PASSWORD, signed_in.cookies[COOKIE]) if said in told]
