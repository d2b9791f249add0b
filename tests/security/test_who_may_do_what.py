"""Every operation, asked by everybody (G3 and G5 of the guarantees, I28) …

The full table is what `make test-full` asks; `make test` asks a part of it that is chosen anew by each day's date, and
says in its failure which. Nothing here may have an effect: the rows of both tenants are compared before and after.
"""

import base64
import itertools
import os
import random
from uuid import uuid4

import httpx
import pytest

from guilder.entrypoints import answering
from guilder.entrypoints.house import open_house
from guilder.kernel import ids
from tests.support.neighbours import NOBODYS, THEIR_CODE
from tests.support.operations import BODIES, KINDS, OPEN, REFERENCES, REQUIRED, filled
from tests.support.siege import settings_of, told

IS_FULL = os.environ.get("TESTS_FULL") == "1"
SHARE = 1.0 if IS_FULL else 0.2
# The same ones in each ordinary run, for whoever changes a comma; the full run asks them all.
CHANCE = random.Random(os.environ.get("GUILDER_TEST_SEED", "guilder"))


def chosen(cases, share=SHARE):
    """Choose some of the cases, and at least one of each operation."""
    found = list(cases)
    picked = [each for each in found if CHANCE.random() < share]
    by_label = {}
    for each in found:
        by_label.setdefault(each[0].label, []).append(each)
    missing = set(by_label) - {each[0].label for each in picked}
    return picked + [CHANCE.choice(by_label[label]) for label in sorted(missing)]


def names_things(operation):
    return bool(operation.names) and OPEN.match(operation.path) is None


def url_of(operation, whose, instead=None):
    """Put ids into the path; `instead` are ids that stand for some of the parameters only."""
    if not names_things(operation):
        return operation.path
    of = {name: (instead or {}).get(name, whose) for name in operation.names}
    return filled(operation.path, of)


def guarded(siege):
    return [each for each in siege.operations if not each.permission.is_public]


@pytest.mark.shows("API1", "API5", "ASVS 8.2.1", "ASVS 8.3.1", "fault G5")
async def test_whoever_may_not_is_told_so_whatever_is_named(untouched):
    siege = untouched
    cases = [
        (operation, who)
        for operation in guarded(siege)
        for who in siege.attackers.values()
        if who.refusal(operation.permission) is not None
    ]
    for operation, who in chosen(cases):
        expected = who.refusal(operation.permission)
        whose = (siege.own, siege.foreign, NOBODYS) if names_things(operation) else (None,)
        answers = [await siege.ask(who, operation.method, url_of(operation, each)) for each in whose]
        assert {answer.status_code for answer in answers} == {expected}, (operation.label, who.name, answers[0].text)
        assert len({str(told(answer)) for answer in answers}) == 1, (operation.label, who.name, answers)
        assert ("www-authenticate" in answers[0].headers) >= (expected == 401)
    assert siege.asked > 500


def marks_of(siege, belongings):
    """What nobody else may ever read: ids, but for words that anybody may have chosen."""
    words = {"org", "code", "event"}
    return {text for kind, text in belongings.of.items() if kind not in words}


def repeating(answer, *codes):
    """What an answer says, with what it repeats of the question taken out."""
    said = told(answer)
    text = said[1]
    for code in codes:
        text = text.replace(code, "?")
    headers = {name: value for name, value in said[2].items() if name != "content-length"}
    return said[0], text, headers


async def same_as_nobodys(siege, who, operation, theirs, nobodys, marks):
    """Ask for somebody else's and for nobody's thing: there must be no telling them apart."""
    answers = [await siege.ask(who, operation.method, **each) for each in (theirs, nobodys)]
    words = sorted({*siege.own.of.values(), *siege.foreign.of.values(), *NOBODYS.of.values()}, key=len, reverse=True)
    assert repeating(answers[0], *words) == repeating(answers[1], *words), (
        operation.label,
        who.name,
        theirs,
        answers[0].text,
        answers[1].text,
    )
    asked = str(theirs)
    assert not [mark for mark in marks if mark in answers[0].text and mark not in asked], (operation.label, who.name)
    return answers[0].status_code


@pytest.mark.shows("API1", "ASVS 8.2.2", "ASVS 8.4.1", "fault G3", "I28")
async def test_an_id_of_somebody_else_in_a_path_is_an_id_of_nothing(untouched):
    siege = untouched
    cases = []
    for operation, who in itertools.product(guarded(siege), siege.attackers.values()):
        if not names_things(operation) or who.refusal(operation.permission) is not None:
            continue
        # A stranger asks for what another customer of the same tenant has; everybody for what another tenant has.
        for foreign in (siege.own, siege.foreign) if who.kind == "stranger" else (siege.foreign,):
            for names in {tuple(operation.names), *((name,) for name in operation.names)}:
                # Within a tenant, plans and codes are everybody's.
                shared = foreign is siege.own and {*names} <= {"code", "plan_id", "product_id"}
                if not shared:
                    cases.append((operation, who, foreign, names))
    for operation, who, foreign, names in chosen(cases):
        body = {"json": BODIES[operation.label]} if operation.label in BODIES else {}
        assert body or "requestBody" not in operation.described, f"say with which body {operation.label} is carried out"
        theirs, nobodys = (
            {"url": url_of(operation, siege.own, dict.fromkeys(names, whose)), **body} for whose in (foreign, NOBODYS)
        )
        status = await same_as_nobodys(siege, who, operation, theirs, nobodys, marks_of(siege, foreign))
        assert status == 404 or names == ("code",), (operation.label, who.name, names, status)


@pytest.mark.shows("API1", "fault G3", "I27")
async def test_an_id_of_somebody_else_in_a_body_is_an_id_of_nothing(untouched):
    siege = untouched
    for (label, references, own), who in itertools.product(REFERENCES, siege.attackers.values()):
        operation = siege.operation(label)
        is_let_in = who.refusal(operation.permission) is None
        if not is_let_in or who.name not in {"key, admin", "staff, admin", "user, admin", "stranger, admin"}:
            continue
        for foreign in (siege.own, siege.foreign) if who.kind == "stranger" else (siege.foreign,):
            if foreign is siege.own and {*references.values()} <= {"code", "plan", "prod"}:
                continue
            rest = REQUIRED.get(label, {}) | {name: siege.own[kind] for name, kind in own.items()}
            url = url_of(operation, siege.own)
            theirs, nobodys = (
                {"url": url, "json": {**rest, **{name: whose[kind] for name, kind in references.items()}}}
                for whose in (foreign, NOBODYS)
            )
            status = await same_as_nobodys(siege, who, operation, theirs, nobodys, marks_of(siege, foreign))
            assert 400 <= status < 500, (label, references, who.name, status)


@pytest.mark.shows("API1", "fault G3", "I28")
async def test_an_id_of_somebody_else_in_a_query_finds_nothing(untouched):
    siege = untouched
    cases = [
        (operation, who, each["name"])
        for operation in guarded(siege)
        for who in siege.attackers.values()
        for each in operation.asked("query")
        if each["name"] in KINDS and who.refusal(operation.permission) is None
    ]
    for operation, who, name in chosen(cases, 0.5):
        for foreign in (siege.own, siege.foreign) if who.kind == "stranger" else (siege.foreign,):
            if foreign is siege.own and KINDS[name] in {"plan", "prod", "code"}:
                continue
            url = url_of(operation, siege.own)
            theirs, nobodys = ({"url": url, "params": {name: whose[KINDS[name]]}} for whose in (foreign, NOBODYS))
            status = await same_as_nobodys(siege, who, operation, theirs, nobodys, marks_of(siege, foreign))
            assert status in {200, 404, 422}, (operation.label, who.name, name, status)


def told_of_others(operation, answer):
    """Return an answer's text; of the audit without the calls, whose paths are what the callers themselves made up."""
    if operation.path != "/api/audit" or answer.status_code != 200:
        return answer.text
    return str([each for each in answer.json()["data"] if not each["action"].startswith("http.")])


@pytest.mark.shows("API1", "API3", "fault G3", "I28")
async def test_what_is_listed_is_ones_own(untouched):
    siege = untouched
    seen = 0
    shared = {siege.own[kind] for kind in ("plan", "prod", "mtr", "txr", "iss", "gwa")}
    for operation in guarded(siege):
        if operation.method != "GET" or operation.names:
            continue
        required = [each["name"] for each in operation.asked("query") if each.get("required")]
        for who in siege.attackers.values():
            if who.refusal(operation.permission) is not None:
                continue
            params = {name: siege.own[KINDS[name]] for name in required if name in KINDS}
            answer = await siege.ask(who, "GET", operation.path, params=params)
            marks = marks_of(siege, siege.foreign) | {str(siege.theirs.tenant_id), "umbrella"}
            if who.kind == "stranger":
                marks |= (marks_of(siege, siege.own) | {"billing@acme.example"}) - shared - set(params.values())
            text = told_of_others(operation, answer)
            assert [mark for mark in marks if mark in text] == [], (operation.label, who.name)
            seen += answer.status_code == 200
    assert seen > 100, seen


# There is no file of what was only noted, and none of an export before it is written.
NOT_YET = {"GET /api/privacy/requests/{request_id}/file"}


@pytest.mark.shows("API1", "ASVS 8.1.1")
async def test_what_is_mine_is_found(untouched):
    """The control: the ids by which others find nothing are good ones."""
    siege, found = untouched, 0
    for operation in guarded(siege):
        if operation.method != "GET" or not names_things(operation) or operation.label in NOT_YET:
            continue
        for name in ("key, admin", "staff, admin", "user, admin"):
            who = siege.attackers[name]
            if who.refusal(operation.permission) is None:
                answer = await siege.ask(who, "GET", url_of(operation, siege.own))
                assert answer.status_code in {200, 302}, (operation.label, name, answer.text)
                found += 1
    assert found > 60, found


@pytest.mark.shows("API1", "ASVS 8.2.2")
async def test_a_customer_is_asked_for_by_either_name_wherever_a_list_is_about_one(untouched):
    siege, key = untouched, untouched.attackers["key, admin"]
    asked = [
        (operation, each["name"])
        for operation in guarded(siege)
        for each in operation.asked("query")
        if operation.method == "GET" and each["name"] in {"customer", "customer_id"}
    ]
    assert len(asked) > 12, asked
    for operation, name in asked:
        by_id, by_organization, nobodys, others = [
            await siege.ask(key, "GET", operation.path, params={name: who})
            for who in (siege.own["cus"], siege.own["org"], NOBODYS["cus"], siege.foreign["org"])
        ]
        assert (by_id.status_code, nobodys.status_code, others.status_code) == (200, 404, 404), operation.label
        assert by_organization.status_code == 200, (operation.label, by_organization.text)
        assert nobodys.json()["field"] == others.json()["field"] == name, operation.label
        if operation.path != "/api/audit":  # where each look adds a line
            assert by_organization.json()["data"] == by_id.json()["data"], operation.label


@pytest.mark.shows("fault G3", "I28", "ASVS 8.4.1")
async def test_a_cursor_is_good_for_nobody_else(untouched):
    siege = untouched
    key, user, stranger = (siege.attackers[name] for name in ("key, admin", "user, admin", "stranger, admin"))
    tried = 0
    for operation in guarded(siege):
        # The feed's cursor is how far one has read, and says nothing of what: it is good for each tenant's own feed.
        if "cursor" not in {each["name"] for each in operation.asked("query")} or operation.path == "/api/events":
            continue
        theirs = await siege.theirs.http.get(url_of(operation, siege.foreign), params={"limit": 1})
        if theirs.status_code != 200 or not (cursor := theirs.json()["page"]["next_cursor"]):
            continue
        for who in (key, user, stranger):
            if who.refusal(operation.permission) is not None:
                continue
            answer = await siege.ask(who, "GET", url_of(operation, siege.own), params={"cursor": cursor})
            assert answer.status_code in {400, 404}, (operation.label, who.name, answer.text)
            tried += 1
    assert tried > 10, tried


@pytest.mark.shows("API1", "fault F2", "fault G3")
async def test_a_key_of_idempotency_is_each_tenants_own(siege):
    """The same key and the very same body: what the other was answered is nobody else's to hear."""
    key = {"Idempotency-Key": f"g3-{uuid4()}"}
    body = {"organization_id": "shared", "name": "Shared", "email": "a@shared.example", "kind": "organization"}
    theirs = await siege.theirs.http.post("/api/customers", json=body, headers=key)
    answers = [
        await siege.ask(siege.attackers[name], "POST", "/api/customers", json=body, headers=key)
        for name in ("key, admin", "key, billing")
    ]
    assert theirs.status_code == 201
    assert answers[0].status_code == 201, answers[0].text
    assert "idempotent-replayed" not in answers[0].headers
    assert answers[0].json()["data"]["id"] != theirs.json()["data"]["id"]
    assert theirs.json()["data"]["id"] not in answers[1].text


@pytest.mark.shows("API1", "API2", "fault G3")
async def test_nothing_beside_the_credential_says_whose_one_is(untouched):
    """Headers that a proxy, a framework or a mistake may heed."""
    siege = untouched
    claimed = {
        "Guilder-Tenant": siege.foreign["gwa"],
        "X-Tenant-Id": str(siege.theirs.tenant_id),
        "X-Organization-Id": "umbrella",
        "X-Forwarded-Host": "umbrella.example",
        "X-Forwarded-User": "admin",
        "X-Original-URL": "/api/api-keys",
        "X-Rewrite-URL": "/api/api-keys",
        "X-HTTP-Method-Override": "DELETE",
        "Forwarded": "for=127.0.0.1;host=umbrella.example",
        "Cookie": f"tenant={siege.theirs.tenant_id}",
    }
    for who in (siege.attackers["key, admin"], siege.attackers["user, admin"]):
        plain = await siege.ask(who, "GET", "/api/customers")
        for name, value in claimed.items():
            answer = await siege.ask(who, "GET", "/api/customers", headers={name: value})
            refused_or_same = answer.status_code in {400, 401, 403, 404} or told(answer) == told(plain)
            assert refused_or_same, (who.name, name, answer.text)
            assert "umbrella" not in answer.text
    assert THEIR_CODE not in plain.text


def bent(token):
    """A signed text, bent: each letter of a sample changed, cut short, drawn out, its halves swapped."""
    half = len(token) // 2
    for at in range(0, len(token), max(1, len(token) // 24)):
        yield token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
    yield from (token[:-1], token[:half], token[half:] + token[:half], token + "A", token.swapcase())


def with_ids_of(token, mine, theirs):
    """A payment link's token in which other ids stand, under the signature that it had."""
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    for old, new in zip(mine, theirs, strict=True):
        assert old in raw
        raw = raw.replace(old, new)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.mark.shows("fault G3", "fault H5", "API1", "ASVS 8.4.1")
async def test_a_signed_link_is_good_for_what_it_was_signed_for(siege):
    key = siege.attackers["key, admin"]
    nobody = siege.attackers["nobody"]
    order = await siege.mine.post("/pay", {"customer": siege.own["org"], "product": siege.own["code"]})
    token = order["payment_link"].rpartition("/")[2]
    assert (await siege.ask(nobody, "GET", f"/checkout/{token}")).status_code == 200
    invoice = ids.from_text("inv", order["invoice_id"]).bytes
    mine = (siege.mine.tenant_id.bytes, invoice)
    theirs = (siege.theirs.tenant_id.bytes, ids.from_text("inv", siege.foreign["inv"]).bytes)
    for each in (*bent(token), with_ids_of(token, mine, theirs), with_ids_of(token, mine[:1], theirs[:1])):
        for method, path in (("GET", f"/checkout/{each}"), ("POST", f"/checkout/{each}/pay")):
            answer = await siege.ask(nobody, method, path)
            assert answer.status_code == 404, (each, answer.text)
            assert siege.foreign["inv"] not in answer.text

    led = await siege.ask(key, "GET", f"/api/invoices/{siege.own['inv']}/pdf")
    assert led.status_code == 302, led.text
    url = httpx.URL(led.headers["location"])
    good = await siege.ask(nobody, "GET", str(url))
    assert good.content.startswith(b"%PDF")
    signed = url.raw_path.decode().removeprefix("/files/")
    for each in (*bent(signed), signed.replace(str(siege.mine.tenant_id), str(siege.theirs.tenant_id)) + "0"):
        answer = await siege.ask(nobody, "GET", f"/files/{each}")
        assert answer.status_code in {400, 403, 404}, (each, answer.status_code)
        assert b"%PDF" not in answer.content


@pytest.mark.shows("fault G6", "API2", "ASVS 6.3.1")
async def test_whoever_guesses_keys_is_slowed_down_by_address_and_nobody_else(siege):
    """A house of its own that counts: the siege's own lets everybody guess."""
    settings = settings_of(siege.installation).model_copy(update={"rate_limit_failed_logins_per_minute": 20})
    async with open_house(settings) as house:
        transport = httpx.ASGITransport(
            app=answering.api(house), raise_app_exceptions=False, client=("198.51.100.7", 1)
        )
        async with httpx.AsyncClient(transport=transport, base_url=siege.installation.base_url) as http:
            good = siege.mine.api_key
            near = [good[:-1] + letter for letter in "abcdefghijk" if letter != good[-1]][:10]
            guesses = near + [good[: len("gk_sandbox_") + 4]] * 10
            guesses += [f"gk_sandbox_{number:049}" for number in range(40)]
            answers = [await http.get("/api/tenant", headers={"Authorization": f"Bearer {each}"}) for each in guesses]
            statuses = [answer.status_code for answer in answers]
            assert statuses[:20] == [401] * 20
            assert set(statuses[22:]) == {429}, "a guess costs what a wrong one costs, however near it was"
            assert {str(told(answer)) for answer in answers[:20]} == {str(told(answers[0]))}
            assert int(answers[-1].headers["retry-after"]) >= 1
            known = await http.get("/api/tenant", headers={"Authorization": f"Bearer {good}"})
            assert known.status_code == 200, "who is known is let in, though somebody guesses beside them"
