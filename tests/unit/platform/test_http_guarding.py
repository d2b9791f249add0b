"""A table and an application fit together, or nothing starts; and what a table withholds, at whatever depth."""

import json
from typing import Annotated, Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from pydantic import AliasChoices, Field, RootModel

from guilder.kernel.ids import CustomerId, TenantId
from guilder.platform.auth.principal import Kind, Principal, Role
from guilder.platform.http import access
from guilder.platform.http.envelope import Envelope, ListEnvelope
from guilder.platform.http.fields import In, Out
from guilder.platform.http.guarding import GatheredUnseen, Guards, IdleRow, UnguardedRoute, guards_of
from guilder.platform.http.router import Router
from guilder.platform.http.withheld import FieldNotYours, Trees, left_out, refuse

ENDPOINTS = """method, path, scope, staff, customer, public, step_up, audited
GET, /toys, toys:read, member, member, -, -, -
POST, /toys, toys:write, billing, billing, -, -, -
"""
FIELDS = "object, field, does, staff, customer\n"
TENANT = TenantId(uuid4())
PEOPLE = {
    "a member": Principal(Kind.STAFF, "m", TENANT, Role.MEMBER),
    "staff": Principal(Kind.STAFF, "s", TENANT, Role.BILLING),
    "a key": Principal(Kind.API_KEY, "k", TENANT, Role.ADMIN),
    "a customer": Principal(Kind.CUSTOMER_USER, "c", TENANT, Role.ADMIN, customer_id=CustomerId(uuid4())),
}


class PartIn(In):
    size: int = 0
    price: int | None = None


class ToyIn(In):
    name: str = ""
    price: Annotated[int | None, Field(validation_alias=AliasChoices("price", "cost"))] = None
    parts: list[PartIn] = []
    by_name: dict[str, PartIn] = {}
    spare: PartIn | None = None


class BoxIn(ToyIn):
    pass


class ToysIn(RootModel[list[ToyIn]]):
    pass


class PartOut(Out):
    size: int
    since: Annotated[int, Field(serialization_alias="from")]


class ToyOut(Out):
    name: str
    price: int | None
    parts: list[PartOut]


class DollOut(ToyOut):
    hair: str


def an_app(gathered: Any = None, looked: Any = None) -> FastAPI:
    router = Router()

    @router.get("/toys", looked=looked)
    async def index(hidden: bool = False) -> ListEnvelope[DollOut]:
        raise NotImplementedError

    @router.post("/toys", gathered=gathered)
    async def make(body: BoxIn) -> Envelope[ToyOut | None]:
        raise NotImplementedError

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(router)
    return app


def guards(fields: str = "", endpoints: str = ENDPOINTS, **changes: Any) -> Guards:
    table = access.read(endpoints, FIELDS + fields)
    return guards_of(an_app(), access.AccessTable(table.endpoints, table.fields, **changes))


@pytest.mark.shows("ASVS 8.2.1", "ASVS 8.3.1", "API5")
def test_a_route_without_a_row_does_not_start():
    first_row_only = "\n".join(ENDPOINTS.splitlines()[:2])
    with pytest.raises(UnguardedRoute, match="POST /toys"):
        guards(endpoints=first_row_only)
    with pytest.raises(UnguardedRoute, match="POST /toys"):
        guards(endpoints=first_row_only, is_partial=True)


@pytest.mark.parametrize(
    ("endpoints", "fields", "said"),
    [
        ("PUT, /toys, toys:write, admin, -, -, -, -\n", "", "PUT /toys"),
        ("", "DollOut, beard, sees, admin, -\n", "DollOut.beard"),
        ("", "CarOut, price, sees, admin, -\n", "CarOut.price"),
        ("", "ToyOut, price, sets, admin, -\n", "ToyOut.price"),
        ("", "ToyIn, price, sees, admin, -\n", "ToyIn.price"),
        ("", "GET /toys, shown, sets, admin, -\n", "GET /toys.shown"),
    ],
)
def test_a_row_that_holds_nothing_does_not_start(endpoints: str, fields: str, said: str):
    with pytest.raises(IdleRow, match=said):
        guards(fields, ENDPOINTS + endpoints)
    guards(fields, ENDPOINTS + endpoints, is_partial=True)


def test_questions_are_not_answered_together_where_a_field_is_not_for_everybody():
    table = access.read(ENDPOINTS, FIELDS)
    guards_of(an_app(looked=object()), table)
    with pytest.raises(GatheredUnseen, match="GET /toys"):
        guards_of(an_app(looked=object()), access.read(ENDPOINTS, FIELDS + "ToyOut, price, sees, member, billing\n"))


@pytest.mark.parametrize("rule", ["PartIn, price, sets, billing, -\n", "ToyOut, price, sees, billing, -\n"])
def test_requests_are_served_together_of_those_from_whom_nothing_is_withheld(rule: str):
    found = guards_of(an_app(gathered=object()), access.read(ENDPOINTS, FIELDS + rule)).of("POST", "/toys")
    withheld = {who for who in PEOPLE if found.withholds(PEOPLE[who])}
    assert withheld == {"a member", "a customer"}


def test_nothing_withheld_costs_nothing():
    found = guards("ToyOut, price, sees, member, billing\n").of("GET", "/toys")
    assert set(found.unseen) == {access.Viewer(is_customers=True, role=Role.MEMBER)}
    assert (found.unset, found.unset_query) == ({}, {})


def test_what_inherits_is_withheld_as_well():
    found = guards("ToyOut, price, sees, admin, -\nToyIn, price, sets, admin, -\n")
    member = access.Viewer(is_customers=False, role=Role.MEMBER)
    assert found.of("GET", "/toys").unseen[member].inside["data"].each.names == {"price"}  # type: ignore[union-attr]
    assert found.of("POST", "/toys").unset[member].names == {"price", "cost"}


def test_a_nearer_rule_goes_before_the_one_inherited():
    found = guards("ToyOut, price, sees, admin, -\nDollOut, price, sees, member, -\n").of("GET", "/toys")
    assert access.Viewer(is_customers=False, role=Role.MEMBER) not in found.unseen
    assert access.Viewer(is_customers=True, role=Role.ADMIN) in found.unseen


def withholding(*names: str):
    return lambda model, name: f"{model.__name__}.{name}" in names


def test_an_answer_loses_what_is_withheld_wherever_it_stands():
    tree = Trees(withholding("DollOut.price", "PartOut.from"), is_sent=True).of(ListEnvelope[DollOut])
    assert tree is not None
    doll = {"name": "é", "price": 1, "parts": [{"size": 1, "from": 2}, {"size": 3, "from": 4}], "hair": "red"}
    sent = json.dumps({"status": "success", "data": [doll], "page": {"price": "a page's own"}}).encode()
    assert json.loads(left_out(tree, sent)) == {
        "status": "success",
        "data": [{"name": "é", "parts": [{"size": 1}, {"size": 3}], "hair": "red"}],
        "page": {"price": "a page's own"},
    }


def test_an_answer_of_several_types_loses_what_any_of_them_withholds():
    tree = Trees(withholding("DollOut.hair", "ToyOut.price"), is_sent=True).of(Envelope[ToyOut | DollOut | None])
    assert tree is not None
    assert left_out(tree, b'{"data":{"hair":1,"price":2,"name":3}}') == b'{"data":{"name":3}}'
    assert left_out(tree, b'{"data":null}') == b'{"data":null}'


@pytest.mark.shows("API3", "ASVS 8.2.3", "ASVS 15.3.3")
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"price": 1}, "price"),
        ({"cost": 0}, "cost"),
        ({"price": []}, "price"),
        ({"price": {}}, "price"),
        ({"price": False}, "price"),
        ({"parts": [{"size": 1}, {"price": 2}]}, "parts[1].price"),
        ({"by_name": {"x": {"price": 2}}}, "by_name.x.price"),
        ({"spare": {"price": 2}}, "spare.price"),
        ({"name": "x", "parts": [], "price": None}, None),
        ({"parts": "not a list", "spare": 1, "by_name": None}, None),
        (None, None),
        ([{"price": 1}], None),
        ("price", None),
    ],
)
def test_a_body_that_sets_what_is_withheld_is_refused_by_its_path(body: Any, field: str | None):
    tree = Trees(withholding("ToyIn.price", "PartIn.price", "ToyIn.cost"), is_sent=False).of(ToyIn)
    assert tree is not None
    if field is None:
        refuse(tree, body)
        return
    with pytest.raises(FieldNotYours) as refused:
        refuse(tree, body)
    assert refused.value.field == field


def test_a_list_at_the_root_of_a_body_is_looked_through():
    tree = Trees(withholding("ToyIn.price"), is_sent=False).of(ToysIn | None)
    assert tree is not None
    with pytest.raises(FieldNotYours) as refused:
        refuse(tree, [{}, {"price": 1}])
    assert refused.value.field == "[1].price"


def test_where_nothing_is_withheld_there_is_no_tree():
    assert Trees(withholding("CarOut.price"), is_sent=True).of(ListEnvelope[DollOut]) is None
    assert Trees(withholding("ToyIn.price"), is_sent=False).of(dict[str, Any]) is None
    assert Trees(withholding("ToyIn.price"), is_sent=False).of(None) is None
