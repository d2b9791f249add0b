from dataclasses import fields
from decimal import Decimal
from uuid import uuid4

import pytest

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import (
    Alignment,
    AnchorRule,
    Basis,
    Billing,
    ChargeModel,
    ChargePrice,
    Collection,
    MatrixCell,
    NewProduct,
    PaidTime,
    PriceModel,
    Tier,
    TrialEnd,
    Unused,
)
from guilder.domain.catalog.rules.checking import BadPrice
from guilder.domain.catalog.service.plans import NoSuchMeter
from guilder.kernel.errors import NotFound
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.kernel.period import Interval, Unit
from tests.support.builders.catalog import a_charge, a_meter, a_plan, a_plan_content
from tests.support.builders.identity import NOW

EVERYTHING = Billing(
    alignment=Alignment.BILLING_DAY,
    billing_day=31,
    in_arrears=True,
    basis=Basis.DAY_30,
    interval_change=AnchorRule.KEEP,
    trial_end=TrialEnd.PAUSE,
    trial_needs_method=True,
    paused_time=PaidTime.CREDIT,
    unused_on_cancel=Unused.REFUND,
    usage_interval=Interval(Unit.MONTH),
    grace_days=3,
    collection=Collection.SEND,
    net_days=14,
    tax_category="saas",
    is_tax_inclusive=True,
    commitments=(Money(100, "EUR"), Money(110, "USD")),
    progressive=(Money(500, "EUR"), Money(900, "EUR")),
)
TIERS = (Tier(up_to=Decimal(10), unit_amount=Decimal("12.50"), flat_amount=Decimal(5)), Tier(up_to=None))
MATRIX = PriceModel(
    model=ChargeModel.MATRIX,
    unit_amount=Decimal("0.000001"),
    dimensions=("region", "size"),
    cells=(MatrixCell(values=(("region", "eu"), ("size", "xl")), unit_amount=Decimal(3)),),
)


async def test_a_plan_comes_back_with_all_of_its_billing_charges_and_models(open_tx, tenant):
    same = {each.name for each in fields(Billing) if getattr(EVERYTHING, each.name) == each.default}
    assert same == set(), "each option is tried with another value than its default"
    charges = (
        a_charge(included=Decimal("2.5"), filters=(("region", ("eu", "us")),), group_by=("team",), cap_minor=900),
        a_charge(code="regions", prices=(ChargePrice(currency="EUR", model=MATRIX),), amount_property="fee"),
    )
    async with open_tx() as tx:
        await a_meter(tx)
        graduated = PriceModel(model=ChargeModel.GRADUATED, tiers=TIERS)
        made = await a_plan(tx, billing=EVERYTHING, charges=charges, is_add_on=True, model=graduated)
    async with open_tx() as tx:
        assert await catalog.plan(tx, plan=made.id) == made
        assert (made.billing, made.charges, made.is_add_on) == (EVERYTHING, charges, True)
        assert made.prices[0].model == graduated
        # What a list shows: the price of one.
        assert made.prices[0].unit_amount == Money(18, "EUR")
        versions = await catalog.versions(tx, keys=[(tenant, made.id, 1)])
        assert list(versions.values()) == [made]


async def test_a_plan_that_says_nothing_of_it_is_billed_by_the_defaults(open_tx):
    async with open_tx() as tx:
        made = await a_plan(tx)
    async with open_tx() as tx:
        found = await catalog.plan(tx, plan=made.id)
    assert (found.billing, found.charges, found.is_add_on) == (Billing(), (), False)
    assert found.prices[0].model is None
    assert found.prices[0].unit_amount == Money(3000, "EUR")


async def test_an_older_row_reads_as_the_defaults(open_tx, database):
    async with open_tx() as tx:
        made = await a_plan(tx)
        # As 0012 wrote it: the migration's own defaults.
        await tx.execute(
            """insert into catalog.plan_versions (tenant_id, plan_id, version, name, description, trial_days, features,
                                                  limits, metadata, created_at)
               select tenant_id, plan_id, 2, name, '', 0, features, limits, metadata, created_at
                 from catalog.plan_versions where plan_id = $1""",
            made.id,
        )
        await tx.execute(
            """insert into catalog.prices (tenant_id, id, plan_id, version, line, cycle, unit, unit_count, currency,
                                           amount_minor)
               select tenant_id, $2, plan_id, 2, line, cycle, unit, unit_count, currency, 7 from catalog.prices
                where plan_id = $1""",
            made.id,
            uuid4(),
        )
        await tx.execute("update catalog.plans set version = 2 where id = $1", made.id)
        found = await catalog.plan(tx, plan=made.id)
    assert (found.version, found.billing, found.charges, found.is_add_on) == (2, Billing(), (), False)


async def test_a_new_version_leaves_the_old_one_as_it_was(open_tx, tenant):
    async with open_tx() as tx:
        old = await a_plan(tx, billing=EVERYTHING)
        new = await catalog.new_version(tx, plan_id=old.id, content=a_plan_content(amount=1), now=NOW)
        keys = [(tenant, old.id, 1), (tenant, old.id, 2)]
        assert await catalog.versions(tx, keys=keys) == {keys[0]: old, keys[1]: new}
    assert (new.version, new.billing) == (2, Billing())


async def test_a_charge_names_a_meter_that_exists(open_tx):
    async with open_tx() as tx:
        await a_meter(tx)
        made = await a_plan(tx, charges=(a_charge(),))
        wrong = a_plan_content(charges=(a_charge(), a_charge(code="other", meter="nothing")))
        for verb in (
            catalog.create_plan(tx, code="new", content=wrong, now=NOW),
            catalog.new_version(tx, plan_id=made.id, content=wrong, now=NOW),
        ):
            with pytest.raises(NoSuchMeter) as caught:
                await verb
            assert caught.value.field == "charges[1].meter"


async def test_an_ill_formed_price_reaches_no_table(open_tx):
    async with open_tx() as tx:
        with pytest.raises(BadPrice):
            await a_plan(tx, code="bad", model=PriceModel(model=ChargeModel.GRADUATED))
        with pytest.raises(NotFound):
            await catalog.plan(tx, plan="bad")


async def test_plans_are_found_by_id_or_code_in_the_order_they_were_named(open_tx):
    async with open_tx() as tx:
        one, two = await a_plan(tx, code="one"), await a_plan(tx, code="two")
        assert await catalog.plan_ids(tx, plans=["two", one.id, two.id]) == (two.id, one.id)
        with pytest.raises(NotFound) as caught:
            await catalog.plan_ids(tx, plans=["one", "three"])
    assert caught.value.field == "plan_ids[1]"


async def test_a_product_keeps_its_tax_category(open_tx):
    new = NewProduct(
        code="film",
        name="Film",
        description="",
        prices=(Money(500, "EUR"),),
        access_days=None,
        tax_category="films",
        is_tax_inclusive=True,
    )
    async with open_tx() as tx:
        made = await catalog.create_product(tx, product=new, now=NOW)
        plain = replace(new, code="other", tax_category="", is_tax_inclusive=False)
        other = await catalog.create_product(tx, product=plain, now=NOW)
    async with open_tx() as tx:
        assert await catalog.product(tx, product="film") == made
        assert await catalog.product(tx, product="other") == other
    assert (made.tax_category, made.is_tax_inclusive) == ("films", True)
