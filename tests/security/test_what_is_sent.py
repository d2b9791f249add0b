"""What may be sent to an operation, made up from its own description (F4, F6, F7 and F8 of the guarantees, API3, API4) …

Each operation is asked with bodies that fit, and with one thing wrong at a time. `make test` sends a part, chosen by the
day; `make test-full` sends all of it.
"""

import json
import os
import random
import re
from collections import Counter
from datetime import UTC, datetime

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks

from tests.support.inside import lightly_furnished
from tests.support.made_up import INJECTIONS, MadeUp, is_free_text, put
from tests.support.neighbours import NOBODYS
from tests.support.operations import BODIES, KINDS, parameters

IS_FULL = os.environ.get("TESTS_FULL") == "1"
# All of it is thousands of requests of each test, on a machine that may have other things to do.
pytestmark = pytest.mark.timeout(1_800 if IS_FULL else 300)
# An ordinary run sends what the one before sent; a full one sends all there is, or what the day brings.
SEED = os.environ.get("GUILDER_TEST_SEED", datetime.now(UTC).date().isoformat() if IS_FULL else "guilder")
# Of the cases that there are, how many of each operation a short run sends.
WRONG_EACH, TEXTS_EACH = (10**6, 10**6) if IS_FULL else (8, 3)
# Whatever this asks for goes on after the answer, or takes the ground away from under the others.
NOT_ASKED = re.compile(r"^(POST /api/clock/advance|POST /api/sandboxes|.* /api/webhooks/.*|POST /api/sign-?out.*)$")

# What is in a path and is no id: one of a few words.
WORDS = {"kind": "payment_succeeded", "language": "en"}
NO_NUMBERS = [-1, -(2**63) - 1, 2**63, 10**400, 0.5, True, "1", "1_000", "NaN", None, [1], {"minor": 1}]
NO_TEXTS = ["", "\x00", "a\x00b", "\ud800", "x" * 70_000, 5, True, None, ["a"], {"a": 1}]
NO_LISTS = [None, {}, "a", 5, [None], ["x"] * 100_001]
NO_OBJECTS = [None, [], "a", 5, {"": 1}, {f"k{number}": "v" for number in range(2_000)}]
WRONG = {"integer": NO_NUMBERS, "number": NO_NUMBERS, "string": NO_TEXTS, "array": NO_LISTS, "object": NO_OBJECTS}
MASS = {
    "tenant_id": "ten_01h455vb4pex5vsknk084sn02q",
    "status": "paid",
    "paid_minor": 1,
    "role": "admin",
    "id": "inv_01h455vb4pex5vsknk084sn02q",
    "is_admin": True,
    "created_at": "2020-01-01T00:00:00Z",
    "customer_id": "cus_01h455vb4pex5vsknk084sn02q",
    "__proto__": {"is_admin": True},
    "a field that nobody knows": 1,
}


@pytest.fixture(scope="module")
async def asked(inside):
    return await inside.a_sandbox()


@pytest.fixture(scope="module")
async def known(asked):
    return await lightly_furnished(asked)


@pytest.fixture(scope="module")
def made_up(inside, known):
    return MadeUp(inside.app.openapi(), known=known)


def served(inside):
    return [each for each in inside.operations if not each.permission.is_public and not NOT_ASKED.match(each.label)]


def url_of(operation, known):
    """Put what is there into the path, and an id of nothing for the rest."""
    of_path = {"/api/customers": "customer_id", "/api/issuers": "issuer_id"}
    url = operation.path
    for name in operation.names:
        kind = of_path.get(operation.path.partition("/{")[0], name) if name == "id" else name
        nobodys = NOBODYS.of.get(KINDS.get(name) or KINDS.get(operation.path.partition("/{")[0], "org"), "acme")
        url = url.replace(f"{{{name}}}", WORDS.get(name) or known.get(kind, nobodys))
    return url


async def sent(asked, operation, url, body):
    raw = json.dumps(body).encode("utf-8", "surrogatepass")
    answer = await asked(operation.method, url, content=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code < 500, (operation.label, raw[:300], answer.text)
    return answer


def chosen(cases, count, *about):
    cases = list(cases)
    if len(cases) <= count:
        return cases
    return random.Random(f"{SEED} {about}").sample(cases, count)


@pytest.mark.shows("fault F4", "fault F6", "API4", "ASVS 1.4.2", "ASVS 2.2.1")
async def test_what_a_field_cannot_say_is_refused_and_breaks_nothing(inside, asked, known, made_up):
    count = 0
    for operation in served(inside):
        schema = made_up.body_schema(operation.described)
        if schema is None:
            continue
        whole, url = made_up.whole(schema), url_of(operation, known)
        wrong = [
            (path, value)
            for path, field in made_up.fields(schema)
            for value in WRONG.get(made_up.resolved(field).get("type"), ())
            if path
        ]
        for path, value in chosen(wrong, WRONG_EACH, operation.label):
            answer = await sent(asked, operation, url, put(whole, path, value))
            assert answer.headers["content-type"].startswith("application/"), answer.headers
            too_much = isinstance(value, (str, list, dict)) and len(value) > 1_999
            impossible = value in (2**63, 10**400, -(2**63) - 1, "\ud800") or too_much or "\x00" in str(value)
            assert not impossible or answer.status_code in {404, 409, 413, 422}, (operation.label, path, answer.text)
            count += 1
    assert count > 300, count


@pytest.mark.shows("fault F8", "API3", "ASVS 15.3.3", "ASVS 8.2.3")
async def test_a_field_that_is_not_there_changes_nothing(inside, asked, known, made_up):
    count = 0
    for operation in served(inside):
        schema = made_up.body_schema(operation.described)
        if schema is None or schema.get("type") != "object":
            continue
        whole, url = made_up.whole(schema), url_of(operation, known)
        strange = {name: value for name, value in MASS.items() if name not in schema.get("properties", {})}
        for name, value in chosen(strange.items(), TEXTS_EACH, operation.label):
            answer = await sent(asked, operation, url, {**whole, name: value})
            assert answer.status_code == 422, (operation.label, name, answer.text)
            faults = {(each["field"], each["code"]) for each in answer.json().get("errors", [])}
            assert (name, "unknown_field") in faults, (operation.label, name, answer.text)
            count += 1
    assert count > 150, count


@pytest.mark.shows("fault F6", "API4", "ASVS 15.3.3")
async def test_what_takes_no_body_takes_none(inside, asked, known):
    bodyless = [each for each in served(inside) if "requestBody" not in each.described]
    for operation in chosen(bodyless, 40 if not IS_FULL else 10**6, "bodyless"):
        for body in ({"status": "paid"}, [], 1, "x"):
            answer = await sent(asked, operation, url_of(operation, known), body)
            assert answer.status_code == 422, (operation.label, body, answer.text)


def said(value, text):
    """Tell whether a text is anywhere in an answer, whole."""
    if isinstance(value, dict):
        return any(said(each, text) for each in (*value.values(), *value))
    if isinstance(value, list):
        return any(said(each, text) for each in value)
    return value == text


@pytest.mark.shows("fault F7", "ASVS 1.2.1", "ASVS 1.2.4")
async def test_text_is_kept_as_it_came_or_refused(inside, asked, known, made_up):
    kept = refused = 0
    for operation in served(inside):
        schema = made_up.body_schema(operation.described)
        if schema is None:
            continue
        whole, url = made_up.whole(schema), url_of(operation, known)
        texts = [(path, field) for path, field in made_up.fields(schema) if path and is_free_text(field)]
        cases = [(path, text[: field["maxLength"]]) for path, field in texts for text in INJECTIONS]
        for path, text in chosen(cases, TEXTS_EACH * 2, operation.label):
            answer = await sent(asked, operation, url, put(whole, path, text))
            assert "taken" not in answer.headers.get("set-cookie", ""), (operation.label, path)
            refused += not answer.is_success
            if answer.is_success and said(answer.json(), text):
                kept += 1
            elif operation.path.startswith("/api/notification-templates/"):
                # A mail is made of it: in its text it stands as it is, in its HTML it has no power.
                html = answer.json().get("data", {}).get("html", "")
                assert not [each for each in ("<img src=x", "<script", "<svg") if each in html], (path, html)
            elif answer.is_success and text in answer.text:
                pytest.fail(f"{operation.label} {path}: {text!r} is not kept as it came: {answer.text[:300]}")
    assert (kept > 10, refused > 10) == (True, True), (kept, refused)


@pytest.mark.shows("fault F7", "ASVS 1.2.4")
async def test_text_in_a_query_finds_what_it_says_and_no_more(inside, asked, known):
    """What PostgreSQL, its LIKE or its JSON paths would read as a command is looked for as it stands."""
    everything = {}
    for operation in served(inside):
        if operation.method != "GET":
            continue
        url = url_of(operation, known)
        texts = [each for each in operation.asked("query") if is_free_text(_plain(each["schema"]))]
        for each in texts:
            plain = everything.setdefault(url, await asked("GET", url))
            for text in chosen(INJECTIONS, TEXTS_EACH, operation.label, each["name"]):
                answer = await asked("GET", url, params={each["name"]: text})
                assert answer.status_code < 500, (operation.label, each["name"], text, answer.text)
                if answer.status_code == 200 and plain.status_code == 200 and each["name"] != "types":
                    found = answer.json()["data"]
                    assert not found or isinstance(found, dict), (operation.label, each["name"], text, answer.text)


def _plain(schema):
    return next((each for each in schema.get("anyOf", [schema]) if each.get("type") == "string"), schema)


# Of each operation, how many cases of each mode; a short run takes every sixth operation.
EACH, EVERY = (12, 1) if IS_FULL else (2, 6)


@pytest.mark.shows("API9", "ASVS 4.1.1", "ASVS 15.3.1", "API3")
@pytest.mark.timeout(1_800)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_answers_are_as_the_document_says_whatever_schemathesis_thinks_of(inside, asked, known):
    schema = schemathesis.openapi.from_dict(inside.app.openapi())
    operations = [each.ok() for each in schema.get_all_operations()]
    first, asked_for, found = random.Random(SEED).randrange(EVERY), 0, {}
    for operation in operations[first::EVERY]:
        if NOT_ASKED.match(operation.label):
            continue
        for case in cases_of(operation):
            # Half of them at an address where something is.
            case.path_parameters = {
                name: known.get(name, "acme") if asked_for % 2 else value
                for name, value in (case.path_parameters or {}).items()
            }
            case.headers = {**(case.headers or {}), **asked.headers}
            answer = await answered(asked, case)
            if answer is None:
                continue
            asked_for += 1
            assert answer.status_code < 500, (case.as_curl_command(), answer.text)
            try:
                case.validate_response(answer, checks=CHECKS)
            except FailureGroup as failures:
                found[operation.label] = f"{failures} {[str(each) for each in failures.exceptions]}"[:1_500]
    assert found == {}
    assert asked_for > 60, asked_for


# Ways through the document: how many, and how long. Each step asks for what the last answer led on to.
WAYS, STEPS = (1_000, 10) if IS_FULL else (40, 6)
LED_TO_MIN = 20 if IS_FULL else 12  # different operations that said yes to what an earlier answer named
# What has to be another one for each thing of a kind.
OWN_NAMES = {"/api/customers": "organization_id", "/api/plans": "code", "/api/products": "code", "/api/meters": "code"}


@pytest.mark.shows("API9", "ASVS 4.1.1", "API3")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_what_is_made_goes_on_to_be_used_as_the_document_says(inside, asked, known, made_up):
    """By the links of the document: what one answer names is asked for, changed and ended by the next requests."""
    document, chance = inside.app.openapi(), random.Random(SEED)
    found = (each.ok() for each in schemathesis.openapi.from_dict(document).get_all_operations())
    operations = {raw_of(each)["operationId"]: each for each in found if not NOT_ASKED.match(each.label)}
    beginnings = [each for each in operations.values() if leads_on(each) and {*parameters(each.path)} <= {*known}]

    async def answer_of(operation, given):
        case = operation.Case(path_parameters=given, headers=asked.headers, **body_for(operation, made_up, chance))
        answer = await answered(asked, case)
        assert answer.status_code < 500, (case.as_curl_command(), answer.text)
        case.validate_response(answer, checks=CHECKS)
        return answer

    led = Counter()
    for _ in range(WAYS):
        operation = chance.choice(beginnings)
        answer = await answer_of(operation, {name: known[name] for name in parameters(operation.path)})
        links = links_of(operation, answer, document)
        for _ in range(STEPS if links else 0):
            link, said = chance.choice(links), answer.json()
            if link["operationId"] not in operations:
                continue
            operation = operations[link["operationId"]]
            next_answer = await answer_of(
                operation, {name: value_at(said, at) for name, at in link["parameters"].items()}
            )
            led[operation.label] += next_answer.is_success
            if onward := links_of(operation, next_answer, document):
                links, answer = onward, next_answer
    assert (led.total() > WAYS, sum(map(bool, led.values())) > LED_TO_MIN) == (True, True), led


def raw_of(operation):
    return operation.definition.raw


def leads_on(operation):
    return any("links" in answer for answer in raw_of(operation)["responses"].values())


def links_of(operation, answer, document):
    linked = raw_of(operation)["responses"].get(str(answer.status_code), {}).get("links", {})
    return [document["components"]["links"][each["$ref"].rpartition("/")[2]] for each in linked.values()]


def value_at(said, where):
    for name in where.partition("#/")[2].split("/"):
        said = said[name]
    return said


def body_for(operation, made_up, chance):
    """Make up a body that fits, where one is taken."""
    schema = made_up.body_schema(raw_of(operation))
    if schema is None:
        return {}
    own = {OWN_NAMES[operation.path]: f"way-{chance.randrange(10**9)}"} if operation.path in OWN_NAMES else {}
    body = BODIES.get(operation.label) or made_up.whole(schema) | own
    return {"body": body, "media_type": "application/json"}


# What an answer must be. Whether bodies that the document allows are taken is for rules that JSON Schema cannot say.
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


def seeded(**about):
    return settings(
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
        **about,
    )


def cases_of(operation):
    found = []
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @seeded(max_examples=EACH)
        @given(case=operation.as_strategy(generation_mode=mode))
        def collect(case):
            found.append(case)

        collect()
    return found


async def answered(asked, case):
    """Send a case in this process; None where it is nothing that HTTP can carry."""
    try:
        about = case.as_transport_kwargs(base_url=str(asked.http.base_url).rstrip("/"))
        request = asked.http.build_request(
            about["method"],
            about["url"],
            params=about.get("params") or None,
            headers={name: value for name, value in about["headers"].items() if value is not None},
            cookies=about.get("cookies") or None,
            **({"json": about["json"]} if "json" in about else {"content": about.get("data") or b""}),
        )
    except (UnicodeError, ValueError, TypeError):
        return None
    return await asked.http.send(request)
