"""A pattern …"""

import pytest

from guilder.domain.webhooks.rules import wanting

NAMES = ["invoicing.invoice.paid", "invoicing.invoice_item.made", "payments.payment.failed"]


@pytest.mark.shows("SW filter")
@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("*", NAMES),
        ("invoicing.*", NAMES[:2]),
        ("invoicing.invoice.*", NAMES[:1]),
        ("invoicing.invoice.paid", NAMES[:1]),
        ("invoicing", []),
        ("invoicing.invoice", []),
        ("invoicing.invoice.pai", []),
        ("INVOICING.*", []),
        ("payments.payment.failed", NAMES[2:]),
    ],
)
def test_is_a_name_or_a_beginning_up_to_a_dot(pattern, wanted):
    assert [name for name in NAMES if wanting.is_wanted([pattern], name)] == wanted


def test_never_means_what_webhooks_announce():
    assert not wanting.is_wanted(["*", "webhooks.*", "webhooks.endpoint.disabled"], "webhooks.endpoint.disabled")


def test_that_no_event_has_is_named():
    assert wanting.unknown(["invoicing.*", "invoices.*", "payments.payment.lost", "*"], NAMES) == [
        "invoices.*",
        "payments.payment.lost",
    ]
    assert wanting.unknown(["webhooks.*"], [*NAMES, "webhooks.endpoint.disabled"]) == ["webhooks.*"]


@pytest.mark.parametrize(
    ("patterns", "parts"),
    [
        ([], ([], [""])),
        (["a.b", "*"], ([], [""])),
        (["a.b", "c.*", "d.e.*"], (["a.b"], ["c.", "d.e."])),
    ],
)
def test_is_split_into_names_and_beginnings(patterns, parts):
    assert wanting.split(patterns) == parts
