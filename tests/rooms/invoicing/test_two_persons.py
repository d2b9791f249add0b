"""Credit above the tenant's own limit: asked for by one person, granted by another."""

import asyncio
from datetime import timedelta

import pytest

from guilder.domain.customers import service as customers
from guilder.domain.invoicing import jobs
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.rules.two_persons import CreditKind, RequestStatus
from guilder.domain.invoicing.service import (
    Correction,
    CreditNoteWish,
    GiveBack,
    GrantWish,
    NotEnoughCredit,
    PayOutWish,
    SecondPersonNeeded,
)
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Limits
from guilder.domain.payments.rules.two_persons import NotAPerson, SamePerson
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import Ref
from guilder.kernel.page import PageQuery
from tests.rooms.invoicing.test_credit import eur, is_settled, left
from tests.rooms.invoicing.test_finalize import names
from tests.support.builders.identity import NOW
from tests.support.builders.invoicing import an_invoice

pytestmark = pytest.mark.shows("ASVS 2.3.5")

ANA, BEN, KEY = "staff:ana", "staff:ben", "api_key:robot"


@pytest.fixture
async def limited(database, tenant, customer):
    async def limits(**credits_):
        async with database.transaction([tenant], actor="test") as tx:
            await payments.set_two_person_limits(tx, limits=Limits(credits=credits_ or {"EUR": 1000}), now=NOW)

    await limits()
    return limits


@pytest.fixture
def acting(database, tenant, limited):
    return lambda actor: database.transaction([tenant], actor=actor)


async def give(tx, customer, minor, now=NOW):
    return await invoicing.grant_credit(tx, customer_id=customer.id, amount=eur(minor), reason="sorry", now=now)


def a_wish(customer, minor=5_000):
    return GrantWish(customer_id=customer.id, amount=eur(minor), reason="A whole week was lost")


async def test_one_person_gives_up_to_the_limit_in_a_day_however_sliced(acting, customer):
    async with acting(ANA) as tx:
        await give(tx, customer, 600)
    async with acting(BEN) as tx:
        await give(tx, customer, 400)
    async with acting(ANA) as tx:
        with pytest.raises(SecondPersonNeeded):
            await give(tx, customer, 1)
    async with acting(ANA) as tx:
        await give(tx, customer, 1000, now=NOW + timedelta(days=1, seconds=1))
        assert await left(tx, customer) == [600, 400, 1000]


async def test_what_is_given_for_somebody_who_was_erased_is_counted_and_why_is_not_kept(acting, customer):
    async with acting("job:privacy") as tx:
        await customers.erase(tx, refs=[Ref(customer.tenant_id, customer.id)], now=NOW)
    async with acting(ANA) as tx:
        await give(tx, customer, 600)
        assert await tx.fetchval("select sealed_reason from invoicing.credit_requests") == b""
        with pytest.raises(SecondPersonNeeded):
            await give(tx, customer, 401)


async def test_slices_at_once_are_counted_together(acting, customer):
    async def one():
        async with acting(ANA) as tx:
            return await give(tx, customer, 400)

    made = await asyncio.gather(*[one() for _ in range(6)], return_exceptions=True)
    assert len([each for each in made if isinstance(each, SecondPersonNeeded)]) == 4


async def test_the_house_itself_and_other_currencies_have_no_limit(acting, customer, limited):
    async with acting("group:orders") as tx:
        await give(tx, customer, 10_000)
    await limited(USD=1)
    async with acting(ANA) as tx:
        await give(tx, customer, 10_000)


async def test_credit_is_given_when_another_person_grants_it(acting, customer):
    async with acting(ANA) as tx:
        asked = await invoicing.ask_credit(tx, wish=a_wish(customer), now=NOW)
        assert names(tx) == ["invoicing.credit.requested"]
        assert await left(tx, customer) == []
    assert (asked.kind, asked.status, asked.asked_by) == (CreditKind.GRANT, RequestStatus.REQUESTED, ANA)
    for actor, refusal in ((ANA, SamePerson), (KEY, NotAPerson), ("user:them", NotAPerson)):
        async with acting(actor) as tx:
            with pytest.raises(refusal):
                await invoicing.grant_credit_request(tx, request_id=asked.id, now=NOW)
    async with acting(BEN) as tx:
        granted = await invoicing.grant_credit_request(tx, request_id=asked.id, now=NOW)
        assert names(tx) == ["invoicing.credit.granted", "invoicing.credit.approved"]
        assert await left(tx, customer) == [5_000]
    assert (granted.status, granted.decided_by, granted.reason) == (
        RequestStatus.GRANTED,
        BEN,
        "A whole week was lost",
    )


@pytest.mark.shows("fault F9", "ASVS 15.4.2")
async def test_two_grants_at_once_have_one_effect(acting, customer):
    async with acting(KEY) as tx:
        asked = await invoicing.ask_credit(tx, wish=a_wish(customer), now=NOW)

    async def grant(name):
        async with acting(f"staff:{name}") as tx:
            return await invoicing.grant_credit_request(tx, request_id=asked.id, now=NOW)

    made = await asyncio.gather(*[grant(name) for name in "abcd"], return_exceptions=True)
    assert len([each for each in made if isinstance(each, Conflict)]) == 3
    async with acting(ANA) as tx:
        assert await left(tx, customer) == [5_000]


async def test_a_credit_note_takes_two_by_its_total(acting, customer, vat, open_tx):
    async with open_tx() as tx:
        paid = await is_settled(tx, await an_invoice(tx, customer, 2_000))
    assert paid.total == eur(2_380)
    whole = Correction(reason="A mistake", give_back=GiveBack.CREDIT)
    async with acting(ANA) as tx:
        with pytest.raises(SecondPersonNeeded):
            await invoicing.credit_note(tx, invoice_id=paid.id, correction=whole, now=NOW)
    async with acting(ANA) as tx:
        wish = CreditNoteWish(invoice_id=paid.id, correction=whole)
        asked = await invoicing.ask_credit(tx, wish=wish, now=NOW)
    assert (asked.amount, asked.invoice_id) == (eur(2_380), paid.id)
    async with acting(BEN) as tx:
        await invoicing.grant_credit_request(tx, request_id=asked.id, now=NOW)
        assert await left(tx, customer) == [2_380]
    async with acting(ANA) as tx:
        with pytest.raises(Conflict):
            await invoicing.grant_credit_request(tx, request_id=asked.id, now=NOW)


async def test_a_pay_out_takes_two_whatever_gave_the_credit(acting, customer, vat, open_tx):
    async with open_tx() as tx:
        await is_settled(tx, await an_invoice(tx, customer, 2_000))
        await give(tx, customer, 1_500)
    async with acting(ANA) as tx:
        with pytest.raises(SecondPersonNeeded):
            await invoicing.pay_out_credit(tx, customer_id=customer.id, currency="EUR", reason="wants it", now=NOW)
    wish = PayOutWish(customer_id=customer.id, currency="EUR", amount=None, reason="wants it")
    async with acting(ANA) as tx:
        asked = await invoicing.ask_credit(tx, wish=wish, now=NOW)
    assert asked.amount == eur(1_500)
    async with acting(BEN) as tx:
        await invoicing.grant_credit_request(tx, request_id=asked.id, now=NOW)
        assert await left(tx, customer) == [0]
        assert [each.amount for each in (await payments.refunds(tx, query=PageQuery())).items] == [eur(1_500)]


async def test_what_could_not_be_done_cannot_be_asked_for(acting, customer):
    wish = PayOutWish(customer_id=customer.id, currency="EUR", amount=eur(5_000), reason="wants it")
    async with acting(ANA) as tx:
        with pytest.raises(NotEnoughCredit):
            await invoicing.ask_credit(tx, wish=wish, now=NOW)


async def test_what_is_refused_or_too_old_is_given_no_more(acting, customer):
    async with acting(ANA) as tx:
        first = await invoicing.ask_credit(tx, wish=a_wish(customer), now=NOW)
        second = await invoicing.ask_credit(tx, wish=a_wish(customer), now=NOW)
    async with acting(BEN) as tx:
        await invoicing.refuse_credit_request(tx, request_id=first.id, now=NOW)
    late = NOW + timedelta(days=14)
    async with acting("scheduler") as tx:
        refs = [first.ref, second.ref]
        assert await jobs.expire_credit_requests(tx, refs, now=late - timedelta(seconds=1)) == 0
        assert await jobs.expire_credit_requests(tx, refs, now=late) == 1
        assert names(tx) == ["invoicing.credit.refused"]
    for each in (first, second):
        async with acting(BEN) as tx:
            with pytest.raises(Conflict):
                await invoicing.grant_credit_request(tx, request_id=each.id, now=late)
    async with acting(BEN) as tx:
        found = await invoicing.credit_requests(tx, query=PageQuery())
        assert [each.status for each in found.items] == [RequestStatus.EXPIRED, RequestStatus.REFUSED]
        assert await left(tx, customer) == []


async def test_what_one_gave_alone_is_no_request(acting, customer):
    async with acting(ANA) as tx:
        await give(tx, customer, 10)
        assert (await invoicing.credit_requests(tx, query=PageQuery())).items == []
        with pytest.raises(NotFound):
            await invoicing.credit_request(tx, request_id=customer.id)
