"""What a period, a product or a named amount is billed as; what its number looks like; what an invoice can become."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from guilder.domain.invoicing.model import LineKind, Status
from guilder.domain.invoicing.rules import drafts, numbering
from guilder.domain.invoicing.rules.lifecycle import MOVES, Step
from guilder.domain.subscriptions.model import Rolled, Turn
from guilder.kernel import lifecycle
from guilder.kernel.lifecycle import IllegalStep
from guilder.kernel.money import Money
from tests.unit.invoicing.rules.test_proration import JUNE, a_subscription, terms

AT = datetime(2026, 6, 1, tzinfo=UTC)
SUBSCRIPTION = a_subscription(terms(1_000, quantity=3))


def test_a_period_is_billed_at_the_terms_that_began_it():
    rolled = Rolled(subscription=SUBSCRIPTION, turn=Turn.RENEWED, at=AT, period=JUNE, terms=terms(700))
    draft = drafts.next_period(rolled)
    [line] = draft.lines
    assert (line.amount, line.period, draft.issued_at, draft.order_id) == (Money(700, "EUR"), JUNE, AT, None)
    assert draft.subscription_id == line.subscription_id == SUBSCRIPTION.id


def test_seats_are_multiplied_and_said():
    [line] = drafts.first_period(SUBSCRIPTION, order_id=UUID(int=7), issued_at=AT).lines
    assert (line.quantity, line.unit_amount, line.amount) == (3, Money(1_000, "EUR"), Money(3_000, "EUR"))
    assert line.explanation["sentence"] == "3 x 10.00 EUR for Pro, billed in advance."


def test_the_same_period_is_the_same_thing_whoever_bills_it():
    rolled = Rolled(subscription=SUBSCRIPTION, turn=Turn.RENEWED, at=AT, period=JUNE, terms=terms(700))
    first = drafts.first_period(SUBSCRIPTION, order_id=None, issued_at=AT)
    assert drafts.next_period(rolled).lines[0].billed_item == first.lines[0].billed_item
    assert first.lines[0].billed_item == f"sub:{SUBSCRIPTION.id}:fee:2026-06-01T00:00:00+00:00"


@pytest.mark.parametrize(("product", "kind"), [(UUID(int=5), LineKind.PRODUCT), (None, LineKind.CHARGE)])
def test_what_is_sold_once_has_no_period(product, kind):
    draft = drafts.one_off(
        tenant_id=SUBSCRIPTION.tenant_id,
        customer_id=SUBSCRIPTION.customer_id,
        order_id=UUID(int=7),
        description="A film",
        amount=Money(499, "EUR"),
        product_id=product,
        payment_method_id=None,
        issued_at=AT,
    )
    [line] = draft.lines
    assert (line.kind, line.period, line.product_id, line.amount) == (kind, None, product, Money(499, "EUR"))
    assert line.billed_item == f"order:{UUID(int=7)}:1"


@pytest.mark.shows("LAW numbers")
@pytest.mark.parametrize(
    ("number_format", "sequence", "written"),
    [
        ("INV-{year}-{number:05}", 42, "INV-2026-00042"),
        ("INV-{year}-{number:05}", 123_456, "INV-2026-123456"),
        ("{number}", 7, "7"),
        ("{year}/{month}/{number:03}", 7, "2026/06/007"),
    ],
)
def test_a_number_is_written_by_its_issuers_format(number_format, sequence, written):
    assert numbering.written(number_format, sequence, date(2026, 6, 1)) == written


@pytest.mark.shows("ASVS 5.4.1", "ASVS 5.3.2", "fault H5")
@pytest.mark.parametrize(
    ("number", "name"),
    [("INV-2026-00001", "INV-2026-00001"), ("2026/06/7 #1", "2026-06-7-1"), ("..", "invoice"), ("#1.", "1")],
)
def test_a_file_is_named_by_its_number_as_far_as_files_may_be(number, name):
    assert numbering.file_name(number) == name


@pytest.mark.shows("fault F10", "ASVS 2.3.1")
def test_what_is_not_in_the_table_cannot_happen():
    allowed = {(status, step) for status, steps in MOVES.items() for step in steps}
    assert allowed == {
        (Status.DRAFT, Step.FINALIZE),
        (Status.OPEN, Step.SETTLE),
        (Status.OPEN, Step.VOID),
        (Status.OPEN, Step.GIVE_UP),
        (Status.UNCOLLECTIBLE, Step.SETTLE),
    }
    for status in Status:
        for step in Step:
            if (status, step) not in allowed:
                with pytest.raises(IllegalStep):
                    lifecycle.take(MOVES, status, step)
    assert lifecycle.final(MOVES) == {Status.PAID, Status.VOID}
