"""The table of who may do what: it fits the house, each row holds for everybody, and no customer reaches what is the seller's."""

import base64
import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import product
from types import SimpleNamespace
from typing import Any, get_args, get_origin
from uuid import uuid4

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel

from guilder.entrypoints import answering, mailbox
from guilder.entrypoints.house import House
from guilder.kernel.errors import Forbidden
from guilder.kernel.ids import CustomerId, TenantId
from guilder.platform.auth.permission import StepUpRequired, allow
from guilder.platform.auth.principal import Kind, Principal, Role
from guilder.platform.clock import HandClock
from guilder.platform.config import Settings
from guilder.platform.crypto import KeyRing, new_key
from guilder.platform.http.access import Viewer
from guilder.platform.http.guarding import Guards, guards_of
from guilder.platform.http.withheld import Tree, models_in, names_of
from guilder.wiring import access, published
from guilder.wiring.routers import ROUTERS

TENANT, CUSTOMER = TenantId(uuid4()), CustomerId(uuid4())
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OF_THE_PLATFORM = ("/health", "/ready", "/metrics", "/openapi.json", "/docs", "/favicon.ico", "/")
ORDER = ["member", "billing", "admin"]
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def rows() -> list[dict[str, str]]:
    """Read the table a second time, as plainly as can be."""
    text = (resources.files("guilder.wiring.access") / "endpoints.csv").read_text()
    head, *lines = list(csv.reader(text.splitlines(), skipinitialspace=True))
    return [dict(zip(head, line, strict=True)) for line in lines]


ROWS = rows()


@pytest.fixture(scope="module")
def house() -> FastAPI:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for each in (*ROUTERS, published.router(base_url="http://localhost"), mailbox.router(is_production=False)):
        app.include_router(each)
    return app


@pytest.fixture(scope="module")
def guards(house: FastAPI) -> Guards:
    table = access.table()
    for path in OF_THE_PLATFORM:
        table = table.without(path)
    return guards_of(house, table)


def routes_of(app: FastAPI) -> Iterator[tuple[tuple[str, str], APIRoute]]:
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        assert isinstance(route, APIRoute)
        yield from (((method, route.path_format), route) for method in context.methods or ())


@pytest.mark.shows("ASVS 7.5.3")
def test_a_session_that_was_stolen_sends_no_money_elsewhere():
    """What says where money goes, or what an invoice says of where to pay, asks who is there to prove it."""
    changing = [row for row in ROWS if row["method"] != "GET" and row["public"] == "-"]
    money = re.compile(
        r"/api/(gateways|issuers|tenant/issuer|payment-routes$|refund-policy|two-person-limits)(?!.*(refuse|preview))"
    )
    found = {f"{row['method']} {row['path']}": row["step_up"] for row in changing if money.match(row["path"])}
    assert len(found) >= 11
    assert [each for each, asked in found.items() if asked != "yes"] == ["POST /api/gateways/{account_id}/read-books"]


@pytest.mark.parametrize("app_env", ["development", "production"])
def test_the_whole_application_starts_with_the_table_wherever_it_runs(app_env):
    said = {"app_env": app_env, "guilder_master_key": base64.b64encode(bytes(32)).decode(), "step_up_s": 90}
    ports = SimpleNamespace(keys=KeyRing([new_key("test")]), files=None, gateways={})
    app = answering.api(House(Settings(_env_file=None, **said), None, ports, HandClock(NOW), None))
    left_out = set(access.table().endpoints) - set(app.state.edge.guards.by_endpoint)
    assert {path.split("/")[1] for _, path in left_out} == ({"mailbox"} if app_env == "production" else set())
    assert app.state.edge.settings.step_up_s == 90


@pytest.mark.shows("ASVS 8.1.1", "ASVS 8.2.1", "API5", "API9")
def test_the_table_fits_the_house_row_by_row_and_field_by_field(guards):
    assert set(guards.by_endpoint) == {each for each in access.table().endpoints if each[1] not in OF_THE_PLATFORM}


def test_the_table_is_in_order():
    said = [(row["path"], METHODS.index(row["method"])) for row in ROWS]
    assert said == sorted(said)


CALLERS = list(product(Kind, Role, ("all", "own", "reads", "other"), ("never", "long ago", "lately", "tomorrow")))


def a_caller(kind: Kind, role: Role, scopes: str, verified: str, wanted: str) -> Principal:
    held = {"all": "*", "own": wanted, "reads": wanted.split(":", maxsplit=1)[0] + ":read", "other": "nothing:write"}[
        scopes
    ]
    ago = {"never": None, "long ago": timedelta(seconds=601), "lately": timedelta(seconds=600), "tomorrow": -timedelta(days=1)}[verified]  # fmt: skip
    return Principal(
        kind,
        "it",
        TENANT,
        role,
        frozenset({held}),
        CUSTOMER if kind is Kind.CUSTOMER_USER else None,
        verified_at=None if ago is None else NOW - ago,
    )


def expected(row: dict[str, str], kind: Kind, role: Role, scopes: str, verified: str) -> type[Exception] | None:
    """Say in the plainest way what a row means for a caller."""
    if row["public"] == "yes":
        return None
    least = row["customer"] if kind is Kind.CUSTOMER_USER else row["staff"]
    if least == "-" or ORDER.index(role.value) < ORDER.index(least):
        return Forbidden
    if scopes == "other" or (scopes == "reads" and not row["scope"].endswith(":read")):
        return Forbidden
    is_person = kind in (Kind.STAFF, Kind.CUSTOMER_USER)
    return StepUpRequired if row["step_up"] == "yes" and is_person and verified != "lately" else None


@pytest.mark.shows("ASVS 8.2.1", "ASVS 8.3.1", "ASVS 7.5.3", "API5", "fault G5")
def test_every_row_holds_for_everybody():
    table, asked = access.table(), 0
    for row in ROWS:
        permission = table.endpoints[row["method"], row["path"]]
        assert permission.is_sensitive == (row["audited"] == "yes")
        for kind, role, scopes, verified in CALLERS:
            refused: type[Exception] | None = None
            try:
                allow(permission, a_caller(kind, role, scopes, verified, row["scope"]), now=NOW, step_up_s=600)
            except Forbidden as error:
                refused = StepUpRequired if isinstance(error, StepUpRequired) else Forbidden
            assert refused is expected(row, kind, role, scopes, verified), (row, kind, role, scopes, verified)
            asked += 1
    assert asked == len(ROWS) * len(CALLERS)


# What moves money, gives a right, shows or makes a secret, or takes data out.
ASKS_FOR_PROOF = re.compile(
    r"(POST|PUT|PATCH|DELETE) /api/("
    r"refunds(/.*/(grant|record))?|credits/pay-out|invoices/.*/credit-notes|refund-policy|payment-routes|"
    r"gateways|gateways/[^/]*|gateways/.*/(key|default)|api-keys.*|token-trusts.*|members.*|sandboxes|"
    r"webhook-endpoints|webhook-endpoints/.*/rotate|notification-endpoints|.*exports|privacy/(requests.*|retention))"
)


@pytest.mark.shows("ASVS 7.5.3", "API2")
def test_whatever_moves_money_or_gives_a_right_asks_for_proof():
    table = access.table()
    lax = [
        " ".join(endpoint)
        for endpoint, permission in table.endpoints.items()
        if ASKS_FOR_PROOF.fullmatch(" ".join(endpoint)) and not permission.steps_up and not permission.is_public
    ]
    assert lax == []


# The words that stand for what is the seller's to say, wherever a customer's user may send a body.
SELLERS_WORDS = re.compile(
    r"metadata|kind|.*tax_exempt.*|net_days|trial.*|past_periods|.*price.*|.*unit_amount|charges|billing|recurring|"
    r"unused|anchor|plan_version|.*account_id|collection|credit_note|ends_access|reason_code|granted_by|role|scopes|"
    r"organization_id|status|tenant_id|id|is_.*|paid|discount.*|percent|.*_minor|currency_rate|terms.*|grace_days"
)
# (endpoint, field): why a customer's user may say it all the same.
THEIRS = {
    ("POST /api/subscriptions", "organization_id"): "its own; another one is not found",
    ("POST /api/subscriptions/preview", "organization_id"): "as above",
    ("POST /api/customers/{id}/payment-methods", "kind"): "a card, or what else; the tenant's routes say where it goes",
    ("POST /api/privacy/requests", "kind"): "what it asks for of its own data",
    ("POST /api/privacy/consents", "is_given"): "its own consent",
}


@pytest.mark.shows("API3", "ASVS 8.2.3", "ASVS 15.3.3", "fault F8")
def test_no_customer_says_what_is_the_sellers(house, guards):
    guards = guards_of(
        house, access.table().__class__(access.table().endpoints, access.table().fields, is_partial=True)
    )
    viewer, said = Viewer(is_customers=True, role=Role.ADMIN), []
    for endpoint, route in routes_of(house):
        guard = guards.of(*endpoint)
        if guard.permission.customer is None or route.body_field is None:
            continue
        tree = guard.unset.get(viewer)
        taken = route.body_field.field_info.annotation
        closed = tree.names if tree else frozenset()
        said += [
            (" ".join(endpoint), name)
            for model in models_in(taken)
            if model in _outermost(taken)
            for field, info in model.model_fields.items()
            for name in names_of(field, info, is_sent=False)
            if SELLERS_WORDS.fullmatch(name) and name not in closed
        ]
    assert set(said) == set(THEIRS)


def _outermost(kind: object) -> list[type]:
    first = next(iter(models_in(kind)), None)
    return [first] if first else []


# What a customer's user is never shown, whatever it reads.
INTERNAL = re.compile(
    r"metadata|.*account_id|billed_by|route|decline_code|is_hard_decline|alert|notes?|author|actor|.*_by|fees?|"
    r"fee_currency|dispute_ref|provider_.*|secret.*|hint|settings|margin.*|internal.*|respond_by|risk.*"
)
# Called like something internal, and said of the price that the customer pays.
OF_THE_PRICE = {
    ("ChargeOut", "group_by"): "by which properties its use is counted",
    ("ProjectedBillOut", "fee"): "what the plan costs",
}


@pytest.mark.shows("API3", "ASVS 8.2.3", "ASVS 15.3.1")
def test_no_customer_is_shown_what_is_the_sellers(house, guards):
    viewer, shown = Viewer(is_customers=True, role=Role.ADMIN), set()
    for endpoint, route in routes_of(house):
        guard = guards.of(*endpoint)
        if guard.permission.customer is not None:
            shown |= set(_seen(route.response_model, guard.unseen.get(viewer)))
    internal = {(model, name) for model, name in shown if INTERNAL.fullmatch(name)}
    assert len(shown) > 200
    assert internal == set(OF_THE_PRICE)


def _seen(kind: Any, tree: Tree | None) -> Iterator[tuple[str, str]]:
    """List the fields that are left of an answer of this type, by their models."""
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        for part in get_args(kind):
            yield from _seen(part, tree.each if tree and get_origin(kind) in {list, dict} else tree)
        return
    for field, info in kind.model_fields.items():
        [name] = names_of(field, info, is_sent=True)
        if tree is None or name not in tree.names:
            yield kind.__name__, name
            yield from _seen(info.annotation, tree.inside.get(name) if tree else None)
