"""Which tax an invoice has: by buyer, seller and line, on prices without tax and with it."""

from decimal import Decimal

import pytest

from guilder.domain.catalog import service as catalog
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Address
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import AppliedRate
from guilder.domain.invoicing.service import GiveBack
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW
from tests.support.builders.invoicing import a_line, an_invoice


@pytest.fixture
async def german_seller(open_tx, tenant, vat):
    async with open_tx() as tx:
        [issuer] = (await identity.issuer(tx, tenant_ids=[tenant])).values()
        await identity.set_issuer(tx, issuer=replace(issuer, address=Address(country="DE")), now=NOW)


async def test_prices_that_contain_tax_are_taken_apart_once(open_tx, customer, vat):
    lines = tuple(a_line(999, is_tax_inclusive=True) for _ in range(3))
    async with open_tx() as tx:
        made = await an_invoice(tx, customer, lines=lines)
        assert await invoicing.one(tx, invoice=made.id) == made
    # 2997 * 19 / 119 = 478.51; line by line it would be 3 * 160 = 480
    assert (made.subtotal.minor, made.tax.minor, made.total.minor) == (2_518, 479, 2_997)
    assert [(line.amount.minor, line.tax.minor) for line in made.lines] == [(839, 160), (840, 159), (839, 160)]


@pytest.mark.parametrize(
    ("buyer", "code", "tax"),
    [
        ({"vat_id": "NL004495445B01", "address": Address(country="NL")}, "reverse_charge", 0),
        ({"vat_id": "DE136695976", "address": Address(country="DE")}, "standard", 190),
        ({"vat_id": "", "address": Address(country="NL")}, "standard", 190),
        ({"vat_id": "GB980780684", "address": Address(country="GB")}, "standard", 190),
        ({"vat_id": "NL004495445B01", "is_tax_exempt": True, "tax_exempt_reason": "Article 151"}, "exempt", 0),
    ],
    ids=["another state's business", "the same state's", "no id", "outside the EU", "exempt"],
)
async def test_who_buys_decides(open_tx, german_seller, buyer, code, tax):
    async with open_tx() as tx:
        customer = await a_customer(tx, **buyer)
        made = await an_invoice(tx, customer, 1_000)
        assert await invoicing.one(tx, invoice=made.id) == made
    [line], [shown] = made.lines, made.taxes
    assert (line.tax_code, shown.code, made.tax.minor) == (code, code, tax)
    assert bool(shown.legal_note) == (code != "standard")
    assert code != "exempt" or shown.legal_note == "Article 151"


async def test_category_and_country_choose_the_rate(open_tx, german_seller):
    async with open_tx() as tx:
        await catalog.create_tax_rate(tx, **a_rate("Reduced", 7, country="DE", category="books"))
        await catalog.create_tax_rate(tx, **a_rate("Moms", 25, country="SE"))
        german, swede = [await a_customer(tx, vat_id="", address=Address(country=each)) for each in ("DE", "SE")]
        mixed = (a_line(1_000), a_line(1_000, tax_category="books"))
        assert [line.tax.minor for line in (await an_invoice(tx, german, lines=mixed)).lines] == [190, 70]
        assert (await an_invoice(tx, swede, 1_000)).tax.minor == 250


def a_rate(name, percent, **over):
    return {"name": name, "percent": Decimal(percent), "now": NOW, **over}


async def test_a_credit_is_taxed_as_what_it_credits(open_tx, customer, vat):
    old = AppliedRate(name="Old VAT", percent=Decimal(16))
    async with open_tx() as tx:
        made = await an_invoice(tx, customer, lines=(a_line(1_000), a_line(-500, taxed_as=old)))
    assert [(each.name, each.tax.minor) for each in made.taxes] == [("Old VAT", -80), ("VAT", 190)]


async def test_a_credit_says_the_law_of_what_it_credits_beside_another_of_its_percentage(open_tx, customer):
    async with open_tx() as tx:
        for each in ("books", "lessons"):
            await catalog.create_tax_rate(tx, **a_rate("Exempt", 0, category=each, legal_note=f"The law of {each}"))
        lines = (a_line(1_000, tax_category="lessons"), a_line(2_000, tax_category="books"))
        made = await an_invoice(tx, customer, lines=lines)
        wanted = invoicing.Correction(reason="Not held", lines=((made.lines[0].id, None),), give_back=GiveBack.NONE)
        note = await invoicing.credit_note(tx, invoice_id=made.id, correction=wanted, now=NOW)
    assert [(each.legal_note, each.net.minor) for each in note.taxes] == [("The law of lessons", -1_000)]


async def test_each_rate_of_one_percentage_is_explained_by_its_own_lines(open_tx, customer):
    async with open_tx() as tx:
        for each in ("books", "lessons"):
            await catalog.create_tax_rate(tx, **a_rate(f"VAT on {each}", 10, category=each))
        lines = (a_line(1_000, tax_category="lessons"), a_line(2_000, tax_category="books"))
        made = await an_invoice(tx, customer, lines=lines)
        wanted = invoicing.Correction(reason="Not held", lines=((made.lines[0].id, None),), give_back=GiveBack.NONE)
        note = await invoicing.credit_note(tx, invoice_id=made.id, correction=wanted, now=NOW)
    assert [(each.exact, each.tax.minor) for each in invoicing.explained(made).walk.taxes] == [(200, 200), (100, 100)]
    assert [(each.exact, each.tax.minor) for each in invoicing.explained(note).walk.taxes] == [(-100, -100)]


async def test_a_tax_that_is_known_is_not_worked_out_anew(open_tx, customer, vat):
    async with open_tx() as tx:
        made = await an_invoice(tx, customer, lines=(a_line(-3, tax=Money(0, "EUR")),))
    assert (made.subtotal.minor, made.tax.minor) == (-3, 0)


async def test_without_a_rate_nothing_is_taxed(open_tx, customer):
    async with open_tx() as tx:
        made = await an_invoice(tx, customer, 1_000)
    assert (made.taxes, made.tax.minor, made.lines[0].tax_code) == ((), 0, "none")
