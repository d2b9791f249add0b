"""A seal is the same for ever: what was sealed by any release before is checked by this one."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from guilder.domain.identity.model import Address
from guilder.domain.invoicing.model import Invoice, Line, LineKind, Party, Status, TaxTotal
from guilder.domain.invoicing.rules import numbering
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money, zero
from guilder.kernel.noun import replace
from guilder.kernel.period import Period

AT = datetime(2026, 6, 1, 8, 30, tzinfo=UTC)
# Worked out by the release that sealed everything, number and all, in one piece.
SEAL = "9cd2d3c8aa239eef6b8e48b00a43aa1a1eee9c1657b4687cc619819b0af3c417"


def euros(minor):
    return Money(minor, "EUR")


def an_invoice():
    line = Line(
        id=UUID(int=4),
        number=1,
        kind=LineKind.RECURRING,
        description='Größe "XL"',
        quantity=Decimal("1.50"),
        unit_amount=euros(2_000),
        amount=euros(3_000),
        tax_percent=Decimal("19.0000"),
        tax=euros(570),
        period=Period(AT, datetime(2026, 7, 1, 8, 30, tzinfo=UTC)),
        subscription_id=UUID(int=5),
        product_id=None,
        explanation={},
        discount=euros(100),
        charge="calls",
        billed_item="sub:5",
        tax_code="reduced",
    )
    return Invoice(
        tenant_id=TenantId(UUID(int=1)),
        id=UUID(int=2),
        customer_id=CustomerId(UUID(int=3)),
        number=None,
        status=Status.OPEN,
        currency="EUR",
        subtotal=euros(3_000),
        tax=euros(570),
        total=euros(3_570),
        paid=zero("EUR"),
        credited=zero("EUR"),
        refunded=zero("EUR"),
        lines=(line,),
        taxes=(TaxTotal(name="VAT", percent=Decimal("19.0000"), net=euros(3_000), tax=euros(570), code="reduced"),),
        seller=Party(name="Acme", address=Address(city="Köln", country="DE"), vat_id="DE1"),
        buyer=Party(name="Zoë", address=Address(line1="Rue 1")),
        language="de",
        time_zone="Europe/Berlin",
        issued_at=AT,
        issued_on=date(2026, 6, 1),
        due_at=AT,
        created_at=AT,
        discount=euros(100),
        is_sent=True,
        memo="Danke",
    )


def test_what_is_sealed_is_sealed_as_ever():
    assert numbering.seal(an_invoice(), 'R-"7"/é') == SEAL


def test_what_is_written_before_the_number_is_known_gets_the_same_seal():
    content = numbering.content(an_invoice())
    assert content.sealed('R-"7"/é') == SEAL
    assert content.sealed("R-8") != SEAL


def test_words_that_look_like_the_number_are_words():
    said = replace(an_invoice(), memo='"number": null', seller=Party(name='", "number": null, "', address=Address()))
    content = numbering.content(said)
    whole = json.loads(f"{content.before}null{content.after}")
    assert (whole["memo"], whole["seller"]["name"], whole["number"]) == (said.memo, said.seller.name, None)
    assert list(whole) == sorted(whole)
