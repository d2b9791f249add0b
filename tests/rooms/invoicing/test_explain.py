"""What was used, came late, was committed to and was paid for beforehand is explained to the last unit, and is owed as it is."""

from decimal import Decimal

from guilder.domain.catalog.model import Billing, ChargeModel, PriceModel, Tier
from guilder.domain.invoicing import service as invoicing
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from tests.rooms.invoicing.test_arrears import AUGUST, JULY, JUNE
from tests.support.builders.catalog import a_charge

TIERS = (Tier(up_to=Decimal(100), unit_amount=Decimal("3.3")), Tier(up_to=None, unit_amount=Decimal("1.7")))


async def test_every_line_of_a_busy_summer_is_explained(open_tx, metered, used, bill, somebody, vat):
    graduated = a_charge(model=PriceModel(model=ChargeModel.GRADUATED, tiers=TIERS), included=Decimal(10))
    billing = Billing(commitments=(Money(2_000, "EUR"),), is_tax_inclusive=True)
    subscription = await metered(graduated, billing=billing)
    async with open_tx() as tx:
        said = {"priority": 0, "expires_at": None, "name": "Gift", "is_paid": False}
        await invoicing.grant_prepaid(tx, customer_id=somebody.id, amount=Money(150, "EUR"), now=JUNE, **said)
        await invoicing.bill_periods(tx, begun=[subscription], issued_at=JUNE, now=JUNE)
    await used("150.5", "2026-06-10")
    await bill(JULY)
    await used(20, "2026-06-11")  # late
    await used(7, "2026-07-11")
    await bill(AUGUST)
    async with open_tx() as tx:
        made = (await invoicing.listing(tx, query=PageQuery(limit=50))).items
        assert await invoicing.differences(tx, refs=[subscription.ref], limit=10, now=AUGUST) == []
    told = [line for each in made for line in invoicing.explained(each).lines]
    assert [line for line in told if not line.is_reproduced] == []
    assert {line.rule for line in told} == {
        "flat_fee_in_advance",
        "use_in_arrears",
        "late_use",
        "minimum_commitment",
        "prepaid_credits",
    }
    for line in told:
        assert line.sentence.endswith("."), line
    late = next(line for line in told if line.rule == "late_use")
    assert "was billed before, on INV-2026-0000" in late.sentence
