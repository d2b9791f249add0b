"""Somebody who is signed in proves anew who they are: for what is sensitive, and for another password."""

from datetime import timedelta

import pytest

from tests.support.builders.identity import NOW, a_sandbox
from tests.support.builders.staff import COOKIE, PASSWORD, RIGHT


@pytest.mark.shows("PCI 8.3.5")
async def test_one_changes_ones_own_password_by_the_one_until_now(house, signed_in):
    other = house.browser()
    assert (await other.post("/api/session", json=RIGHT)).status_code == 201
    new = "an entirely different staple"
    wrong = await signed_in.put("/api/session/password", json={"password": "wrong wrong", "new_password": new})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "sign_in_refused")
    weak = await signed_in.put("/api/session/password", json={"password": PASSWORD, "new_password": "password1234"})
    assert (weak.status_code, weak.json()["code"]) == (422, "bad_password")
    assert (await signed_in.get("/api/session")).status_code == 200
    done = await signed_in.put("/api/session/password", json={"password": PASSWORD, "new_password": new})
    assert done.status_code == 200, done.text
    assert (await signed_in.get("/api/session")).status_code == 200
    assert (await other.get("/api/session")).status_code == 401
    assert (await house.browser().post("/api/session", json=RIGHT)).status_code == 401
    assert (await house.browser().post("/api/session", json=RIGHT | {"password": new})).status_code == 201


@pytest.mark.shows("ASVS 6.3.3", "ASVS 7.5.3", "ASVS 7.2.2")
async def test_a_step_up_begins_another_session_and_ends_the_one_before(house, signed_in):
    before = signed_in.cookies[COOKIE]
    house.clock.move_by(timedelta(hours=1))
    wrong = await signed_in.post("/api/session/step-up", json={"password": "wrong wrong wrong"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "sign_in_refused")
    assert (await signed_in.get("/api/session")).status_code == 200
    done = await signed_in.post("/api/session/step-up", json={"password": PASSWORD})
    assert done.status_code == 200, done.text
    assert signed_in.cookies[COOKIE] != before, "an id that was known before is worth nothing after"
    said = (await signed_in.get("/api/session")).json()["data"]
    assert said["verified_at"] == (NOW + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    old = await house.browser().get("/api/session", headers={"Cookie": f"{COOKIE}={before}"})
    assert old.status_code == 401


async def test_who_looks_into_a_sandbox_proves_themselves_and_signs_out_as_anywhere(house, acme, signed_in):
    async with house.database.transaction(actor="test") as tx:
        inside = {"Guilder-Tenant": (await a_sandbox(tx, root_id=acme.tenant_id)).slug}
    new = "an entirely different staple"
    proven = await signed_in.post("/api/session/step-up", json={"password": PASSWORD}, headers=inside)
    assert proven.status_code == 200, proven.text
    words = {"password": PASSWORD, "new_password": new}
    changed = await signed_in.put("/api/session/password", json=words, headers=inside)
    assert changed.status_code == 200, changed.text
    assert (await signed_in.delete("/api/session", headers=inside)).status_code == 200
    assert (await signed_in.get("/api/session")).status_code == 401


@pytest.mark.shows("fault G6", "ASVS 6.3.1")
async def test_strangers_who_guess_do_not_hold_up_whoever_is_inside(house, signed_in):
    for _ in range(4):
        await house.browser().post("/api/session", json=RIGHT | {"password": "wrong wrong wrong"})
    assert (await house.browser().post("/api/session", json=RIGHT)).status_code == 429
    assert (await signed_in.post("/api/session/step-up", json={"password": PASSWORD})).status_code == 200


@pytest.mark.shows("fault G6")
async def test_who_took_a_session_guesses_slowly_too(house, signed_in):
    for _ in range(4):
        assert (await signed_in.post("/api/session/step-up", json={"password": "wrong wrong wrong"})).status_code == 401
    slowed = await signed_in.post("/api/session/step-up", json={"password": PASSWORD})
    assert (slowed.status_code, slowed.json()["code"]) == (429, "too_many_tries")


@pytest.mark.shows("ASVS 7.5.3")
async def test_what_is_sensitive_waits_for_a_proof_that_is_fresh(house, signed_in):
    new = {"name": "a key", "role": "member"}
    assert (await signed_in.post("/api/api-keys", json=new)).status_code == 201
    house.clock.move_by(timedelta(minutes=11))
    stale = await signed_in.post("/api/api-keys", json=new)
    assert (stale.status_code, stale.json()["code"]) == (403, "step_up_required")
    await signed_in.post("/api/session/step-up", json={"password": PASSWORD})
    assert (await signed_in.post("/api/api-keys", json=new)).status_code == 201


async def test_a_key_has_no_session_to_step_up_or_to_end(house, acme):
    ask = await house.key_of(acme)
    assert (await ask("DELETE", "/api/session")).json()["code"] == "no_session"
    assert (await ask("POST", "/api/session/step-up", {"password": "x"})).json()["code"] == "no_session"
    assert (await ask("GET", "/api/session")).json()["data"]["kind"] == "api_key"
