"""Whose each row of a billing run is, when every subscription is renewed once more by itself."""

import importlib
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[3] / "bench"
_path = [*sys.path]
sys.path.insert(0, str(BENCH))
orm, server = importlib.import_module("orm"), importlib.import_module("_server")
sys.path[:] = _path


def written(*people):
    """Say what a run left behind of some people, who are numbered in this order."""
    rows = {name: [] for name in (*orm.ADDED, orm.SUBSCRIPTIONS)}
    for sequence, who in enumerate(people, start=1):
        invoice, entry = f"invoice of {who}", f"entry of {who}"
        rows[orm.SUBSCRIPTIONS].insert(0, {"customer_id": who})
        rows[orm.INVOICES].insert(0, {"id": invoice, "customer_id": who, "sequence": sequence})
        rows[orm.ENTRIES].append({"id": entry, "source_id": invoice})
        rows[orm.POSTINGS] += [{"entry_id": entry, "line": line} for line in (1, 2)]
        rows[orm.LOG] += [{"key": who, "name": name} for name in ("finalized", "requested")]
        for name in (orm.LINES, "invoicing.billed_items", "payments.payments"):
            rows[name].append({"invoice_id": invoice})
    return rows


def test_each_row_goes_to_its_subscription_and_they_in_the_order_of_their_numbers():
    found = orm.renewals(written("ada", "bob"))
    assert [each.subscription["customer_id"] for each in found] == ["ada", "bob"]
    for who, renewal in zip(("ada", "bob"), found, strict=True):
        assert {name: len(rows) for name, rows in renewal.added.items()} == {
            **dict.fromkeys(orm.ADDED, 1),
            orm.POSTINGS: 2,
            orm.LOG: 2,
        }
        assert {row["key"] for row in renewal.added[orm.LOG]} == {who}
        assert {row["entry_id"] for row in renewal.added[orm.POSTINGS]} == {f"entry of {who}"}


def test_a_line_comes_before_its_invoice_and_an_entry_before_its_postings():
    order = list(orm.renewals(written("ada"))[0].added)
    assert order.index(orm.LINES) < order.index(orm.INVOICES)
    assert order.index(orm.ENTRIES) < order.index(orm.POSTINGS)


def test_a_row_that_is_nobodys_is_refused():
    rows = written("ada")
    rows[orm.LINES].append({"invoice_id": "another"})
    with pytest.raises(server.Wrong, match="rows of no renewal"):
        orm.renewals(rows)
