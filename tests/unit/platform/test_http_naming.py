"""Models of the same name in two rooms: called by room and name in the document, wherever they are named."""

from typing import Any

import pytest

from guilder.platform.http.naming import name_by_room

CATALOG = "guilder__domain__catalog__schemas__charges__ChargeOut"
ORDERS = "guilder__domain__orders__schemas__ChargeOut"
ENVELOPE = "guilder__platform__http__envelope__Envelope_list_ChargeOut____1"


def at(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def a_document(**more: Any) -> dict[str, Any]:
    schemas = {
        CATALOG: {"title": "ChargeOut", "properties": {"next": {"anyOf": [at(CATALOG), {"type": "null"}]}}},
        ORDERS: {"title": "ChargeOut", "properties": {"data": at("Toy")}},
        ENVELOPE: {"title": "Envelope[list[ChargeOut]]", "properties": {"data": {"items": at(ORDERS)}}},
        "Toy": {"type": "object"},
        **more,
    }
    return {
        "paths": {"/a": {"get": {"schema": at(ENVELOPE)}, "put": [at(CATALOG), at("Toy")]}},
        "components": {"schemas": schemas},
    }


def test_rooms_tell_them_apart_and_every_reference_follows():
    document = a_document()
    name_by_room(document)
    assert document["components"]["schemas"] == {
        "CatalogChargeOut": {
            "title": "CatalogChargeOut", "properties": {"next": {"anyOf": [at("CatalogChargeOut"), {"type": "null"}]}},
        },
        "OrdersChargeOut": {"title": "OrdersChargeOut", "properties": {"data": at("Toy")}},
        "Envelope_list_OrdersChargeOut__": {
            "title": "Envelope_list_OrdersChargeOut__", "properties": {"data": {"items": at("OrdersChargeOut")}},
        },
        "Toy": {"type": "object"},
    }  # fmt: skip
    assert document["paths"] == {
        "/a": {"get": {"schema": at("Envelope_list_OrdersChargeOut__")}, "put": [at("CatalogChargeOut"), at("Toy")]}
    }


def test_a_name_that_is_taken_is_a_mistake_of_ours():
    with pytest.raises(AssertionError, match="called the same"):
        name_by_room(a_document(CatalogChargeOut={}))
