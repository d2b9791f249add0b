"""The manual gateway, held to what of the contract applies to it.

It calls nobody, so nothing can go wrong on the way, nobody can be busy, and there is no notice to be forged, late or
sent twice: those parts of the contract have nothing to try. What it has instead is that it knows nothing: every look
says that it waits, whatever became of the money, and only payments is told otherwise, by staff.
"""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from guilder.domain.gateways.adapters.manual.client import Manual
from guilder.domain.gateways.model import GatewayRequest, OutcomeKind, RequestKind
from guilder.domain.gateways.port import BadNotice, Bookkeeping, Credentials, Gateway
from guilder.kernel import ids
from guilder.kernel.ids import TenantId
from guilder.kernel.money import Money
from guilder.kernel.noun import replace

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TENANT = TenantId(ids.new(NOW))
SETTINGS = {"instructions": "To: us", "reference_prefix": "INV-"}
OURS = Credentials(secret_key="", settings=SETTINGS)


@pytest.fixture
def gateway() -> Manual:
    return Manual()


def a_request(kind=RequestKind.CHARGE, **over):
    said = {
        "tenant_id": TENANT, "id": uuid4(), "account_id": uuid4(), "gateway": "manual", "kind": kind,
        "business_key": f"{TENANT}:{uuid4()}:1", "subject_id": uuid4(), "customer_id": uuid4(),
        "amount": None if kind is RequestKind.SETUP else Money(4900, "EUR"),
    }  # fmt: skip
    return GatewayRequest(**{**said, **over})


def test_it_is_a_gateway_and_keeps_books(gateway):
    as_gateway: Gateway = gateway
    as_books: Bookkeeping = gateway
    assert as_gateway.name == "manual"
    assert as_books is gateway


@pytest.mark.parametrize("amount", [Money(4901, "EUR"), Money(12345, "JPY"), Money(1234, "KWD"), Money(7, "ISK")])
async def test_preparing_is_done_once_per_key_and_waits_for_the_exact_amount(gateway, amount):
    request = a_request(amount=amount)
    said = [await gateway.prepare(OURS, request, key=str(n)) for n in range(3)]
    assert {each.provider_ref for each in said} == {said[0].provider_ref}
    assert [(each.kind, each.amount) for each in said] == [(OutcomeKind.REQUIRES_ACTION, amount)] * 3
    assert (await gateway.prepare(OURS, a_request(), key="0")).provider_ref != said[0].provider_ref
    assert said[0].provider_ref.startswith("manual_")


async def test_nothing_that_is_asked_of_it_ever_says_that_money_came_in(gateway):
    request = a_request()
    for said in (
        await gateway.confirm(OURS, request, key="c"),
        await gateway.lookup(OURS, request),
        await gateway.open_page(OURS, request, key="p"),
    ):
        assert (said.kind, said.action_url) == (OutcomeKind.REQUIRES_ACTION, "")


async def test_an_object_is_found_by_its_business_key_alone(gateway):
    request = a_request()
    prepared = await gateway.prepare(OURS, request, key="k")
    found = await gateway.lookup(OURS, replace(request, provider_ref=""))
    assert found.provider_ref == prepared.provider_ref


async def test_closing_is_for_good(gateway):
    request = a_request()
    assert [(await gateway.cancel(OURS, request, key=str(n))).kind for n in range(2)] == [OutcomeKind.CANCELED] * 2


async def test_a_refund_is_pending_until_somebody_says_that_it_was_sent(gateway):
    request = a_request(RequestKind.REFUND)
    for said in (await gateway.refund(OURS, request, key="r"), await gateway.lookup_refund(OURS, request)):
        assert (said.kind, said.is_pending, said.is_outage) == (OutcomeKind.UNKNOWN, True, False)


async def test_nothing_can_be_saved_for_later(gateway):
    request = a_request(RequestKind.SETUP)
    said = await gateway.setup(OURS, request, key="s")
    assert (said.kind, said.is_hard_decline) == (OutcomeKind.DECLINED, True)
    assert await gateway.lookup_setup(OURS, request) is None


async def test_no_notice_is_ever_taken(gateway):
    with pytest.raises(BadNotice):
        await gateway.read_notice({}, b"{}", secret="whsec_x", settings=SETTINGS, now=NOW)
    assert (await gateway.register_webhook(OURS, url="https://x", secret="s")).kind is OutcomeKind.SUCCEEDED
    assert await gateway.is_idle(OURS, account="")


@pytest.mark.parametrize(
    ("key", "settings", "is_right"),
    [
        ("", SETTINGS, True),
        ("", {"instructions": "To: us"}, True),
        ("", {"instructions": "  "}, False),
        ("", {}, False),
        ("sk_live_1", SETTINGS, False),
        ("", {**SETTINGS, "reference_prefix": "A" * 13}, False),
        ("", {**SETTINGS, "reference_prefix": "A B"}, False),
    ],
)
def test_an_account_says_what_the_customer_reads_and_has_no_key(gateway, key, settings, is_right):
    if is_right:
        assert gateway.mode_of(key, settings) == ""
        return
    with pytest.raises(ValueError, match=r"secret_key|instructions|reference_prefix"):
        gateway.mode_of(key, settings)


async def test_its_books_are_ours_and_it_says_what_is_missing(gateway):
    page = await gateway.records(OURS, since=NOW - timedelta(days=1), until=NOW)
    assert (page.records, page.cursor) == ((), "")
    [good] = await gateway.check(OURS, webhook_url="https://x")
    [bad] = await gateway.check(Credentials(secret_key=""), webhook_url="https://x")
    assert (good.is_ok, bad.is_ok, "instructions" in bad.advice) == (True, False, True)
