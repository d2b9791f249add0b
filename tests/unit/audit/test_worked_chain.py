"""The worked chain of docs/design/audit.md, worked again."""

import re
from pathlib import Path
from uuid import UUID

from guilder.domain.audit.rules import chain as chains
from tests.unit.audit.test_chain import EMPTY, an_entry

PAGE = Path(__file__).parents[3] / "docs" / "design" / "audit.md"
_HASHES = re.compile(r"^\| (\d) \| `([a-z._]+)` \| `([^`]+)` \| `([0-9a-f]{8})…` \| `([0-9a-f]{64})` \|$", re.MULTILINE)
_FIELDS = re.compile(r"^\| ([a-z_]+) \| (\d+) \| `(.*)` \|$", re.MULTILINE)

_PLAIN = {"sealed_reason": None, "traceparent": None}
ENTRIES = [
    an_entry(
        0,
        action="customers.customer.created",
        object_kind="customer",
        object_id=UUID(int=5),
        payload='{"customer_id":"00000000-0000-0000-0000-000000000005"}',
        **_PLAIN,
    ),
    an_entry(
        1,
        action="http.call.made",
        object_kind="call",
        object_id=None,
        customer_id=None,
        payload='{"method":"POST","route":"/api/customers","status":201}',
        **_PLAIN,
    ),
    an_entry(
        2,
        actor="group:invoicing",
        action="invoicing.invoice.paid",
        object_kind="invoice",
        request_id=None,
        payload='{"paid":{"minor":4900,"currency":"EUR"}}',
        **_PLAIN,
    ),
]
_, RECORDS = chains.appended(EMPTY, ENTRIES)


def test_the_hashes_are_those_of_the_page():
    shown = _HASHES.findall(PAGE.read_text())
    assert shown == [
        (str(each.seq), each.entry.action, each.entry.actor, each.previous_hash.hex()[:8], each.hash.hex())
        for each in RECORDS
    ]


def test_the_fields_are_those_of_the_page():
    texts = chains.texts_of(RECORDS[1])
    shown = {name: (int(length), text) for name, length, text in _FIELDS.findall(PAGE.read_text())}
    assert shown == {name: (len(text.encode()), text) for name, text in texts.items() if text is not None}
