"""Stripe's pages: a charge or a saved card that the customer makes there, and what closes them."""

from datetime import UTC, datetime

import pytest

from guilder.domain.gateways.model import GatewayRequest, OutcomeKind, RequestKind
from guilder.kernel import ids
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from tests.contracts.stripe_ground import StripeGround


class TestPages(StripeGround):
    async def opened(self, gateway, credentials, **over) -> tuple[GatewayRequest, str]:
        request = await self.prepared(gateway, credentials, is_on_session=True, method_token="", **over)
        page = await gateway.open_page(credentials, request, key="p" + request.business_key)
        return request, page.action_url

    async def test_the_page_charges_exactly_what_was_asked_and_keeps_the_card(self, gateway, credentials, merchant):
        request, url = await self.opened(gateway, credentials, amount=Money(1234, "JPY"))
        assert request.provider_ref.startswith("cs_")
        answer = merchant.pay_page(url)
        assert (answer.status_code, answer.headers["location"]) == (303, "https://shop.example/back?done=1")
        paid = await gateway.lookup(credentials, request)
        assert (paid.kind, paid.amount, paid.card.last4) == (OutcomeKind.SUCCEEDED, Money(1234, "JPY"), "4242")
        assert paid.provider_ref == request.provider_ref
        assert self.charged(merchant) == [Money(1234, "JPY")]
        later = self.a_request(method_token=paid.card.token)
        prepared = await gateway.prepare(credentials, later, key="later")
        later = replace(later, provider_ref=prepared.provider_ref)
        assert (await gateway.confirm(credentials, later, key="c")).kind is OutcomeKind.SUCCEEDED

    async def test_the_intent_of_a_page_bears_what_it_is_recognised_by(self, gateway, credentials, merchant):
        request, url = await self.opened(gateway, credentials, claim="three items", description="Invoice 7")
        merchant.pay_page(url)
        intent = merchant.intent(request.provider_ref)
        assert intent["metadata"]["business_key"] == request.business_key
        assert intent["metadata"]["claim"] == "three items"
        assert intent["description"] == "Invoice 7"

    async def test_a_card_that_is_declined_leaves_the_page_open(self, gateway, credentials, merchant):
        request, url = await self.opened(gateway, credentials)
        assert merchant.pay_page(url, "pm_card_visa_chargeDeclined").status_code == 402
        waiting = await gateway.lookup(credentials, request)
        assert (waiting.kind, waiting.action_url) == (OutcomeKind.REQUIRES_ACTION, url)
        assert (await gateway.open_page(credentials, request, key="again")).action_url == url
        assert merchant.pay_page(url).status_code == 303
        assert self.charged(merchant) == [Money(4900, "EUR")]

    async def test_a_closed_page_takes_no_money(self, gateway, credentials, merchant):
        request, url = await self.opened(gateway, credentials)
        for number in range(2):
            closed = await gateway.cancel(credentials, request, key=f"x{number}")
            assert closed.kind is OutcomeKind.CANCELED
        assert merchant.pay_page(url).status_code == 400
        assert self.charged(merchant) == []

    async def test_a_page_that_was_paid_meanwhile_is_not_closed(self, gateway, credentials, merchant):
        request, url = await self.opened(gateway, credentials)
        merchant.pay_page(url)
        assert (await gateway.cancel(credentials, request, key="x")).kind is OutcomeKind.SUCCEEDED

    async def test_a_page_closes_by_itself_after_a_day(self, gateway, credentials, merchant):
        request, url = await self.opened(gateway, credentials)
        merchant.advance(24 * 3600 + 1)
        assert (await gateway.lookup(credentials, request)).kind is OutcomeKind.CANCELED
        assert merchant.pay_page(url).status_code == 400

    async def test_a_page_is_closed_by_its_intent_too(self, gateway, credentials, merchant):
        request, url = await self.opened(gateway, credentials)
        merchant.pay_page(url, "pm_card_visa_chargeDeclined")
        intent = merchant.intent(request.provider_ref)["id"]
        by_intent = replace(request, kind=RequestKind.CANCEL, provider_ref=intent)
        assert (await gateway.cancel(credentials, by_intent, key="x")).kind is OutcomeKind.CANCELED
        assert merchant.pay_page(url).status_code == 400

    async def test_a_lost_page_is_found_by_its_business_key(self, gateway, credentials, merchant):
        request = self.a_request(is_on_session=True, method_token="", id=ids.new(datetime.now(UTC)))
        merchant.fault("drop_after", "prepare")
        assert (await gateway.prepare(credentials, request, key="k")).kind is OutcomeKind.UNKNOWN
        found = await gateway.lookup(credentials, request)
        assert found.provider_ref.startswith("cs_")
        for on_session in (True, False):
            canceling = replace(request, kind=RequestKind.CANCEL, is_on_session=on_session)
            assert (await gateway.lookup(credentials, canceling)).provider_ref == found.provider_ref

    async def test_a_debit_on_a_page_is_pending_until_it_ends(self, gateway, credentials, merchant):
        request, url = await self.opened(gateway, credentials)
        merchant.pay_page(url, "pm_usBankAccount")
        pending = await gateway.lookup(credentials, request)
        assert (pending.kind, pending.is_pending) == (OutcomeKind.UNKNOWN, True)
        merchant.settle(request.provider_ref, is_paid=False)
        failed = await gateway.open_page(credentials, request, key="p")
        assert (failed.kind, failed.decline_code, failed.provider_ref) == (
            OutcomeKind.DECLINED,
            "debit_not_authorized",
            request.provider_ref,
        )
        assert (await gateway.cancel(credentials, request, key="x")).kind is OutcomeKind.CANCELED

    async def test_what_was_paid_on_a_page_is_refunded(self, gateway, credentials, merchant):
        request, url = await self.opened(gateway, credentials)
        refund = self.a_request(RequestKind.REFUND, provider_ref=request.provider_ref, amount=Money(900, "EUR"))
        assert (await gateway.refund(credentials, refund, key="r")).kind is OutcomeKind.DECLINED
        assert await gateway.lookup_refund(credentials, refund) is None
        merchant.pay_page(url)
        assert (await gateway.refund(credentials, refund, key="r")).kind is OutcomeKind.SUCCEEDED
        assert (await gateway.lookup_refund(credentials, refund)).kind is OutcomeKind.SUCCEEDED
        assert [(each["amount"], each["business_key"]) for each in merchant.refunds()] == [(900, refund.business_key)]

    @pytest.mark.parametrize("mode", ["wrong_amount", "unknown_status", "html", "drop_before"])
    async def test_a_page_that_is_told_wrongly_is_unknown(self, gateway, credentials, merchant, mode):
        request, _ = await self.opened(gateway, credentials)
        merchant.fault(mode, "lookup")
        said = await gateway.lookup(credentials, request)
        assert (said.kind, bool(said.alert)) == (OutcomeKind.UNKNOWN, mode == "wrong_amount")


class TestSavedCards(StripeGround):
    async def test_a_card_is_saved_on_a_page(self, gateway, credentials, merchant):
        request = self.a_request(RequestKind.SETUP, is_on_session=True, method_token="")
        made = await gateway.setup(credentials, request, key="s")
        request = replace(request, provider_ref=made.provider_ref)
        page = await gateway.open_page(credentials, request, key="p")
        assert merchant.pay_page(page.action_url, "pm_card_mastercard").status_code == 303
        saved = await gateway.lookup_setup(credentials, request)
        assert (saved.kind, saved.card.brand, saved.card.last4) == (OutcomeKind.SUCCEEDED, "mastercard", "4444")
        customer, _, method = saved.card.token.partition("/")
        assert merchant.account.objects[method]["customer"] == customer == saved.payer_ref
        assert self.charged(merchant) == []

    @pytest.mark.parametrize("is_on_session", [True, False])
    async def test_a_setup_whose_answer_was_lost_is_found(self, gateway, credentials, merchant, is_on_session):
        token = "" if is_on_session else "pm_card_visa"
        now = ids.new(datetime.now(UTC))
        request = self.a_request(RequestKind.SETUP, is_on_session=is_on_session, method_token=token, id=now)
        merchant.fault("drop_after", "session" if is_on_session else "setup")
        assert (await gateway.setup(credentials, request, key="s")).kind is OutcomeKind.UNKNOWN
        found = await gateway.lookup_setup(credentials, request)
        assert found.provider_ref == (await gateway.setup(credentials, request, key="s")).provider_ref
        other = self.a_request(RequestKind.SETUP, is_on_session=is_on_session, method_token=token)
        assert await gateway.lookup_setup(credentials, other) is None

    async def test_a_setup_that_was_declined_is_looked_up_as_it_was_answered(self, gateway, credentials):
        request = self.a_request(RequestKind.SETUP, method_token="pm_card_visa_chargeDeclinedLostCard")
        said = await gateway.setup(credentials, request, key="s")
        found = await gateway.lookup_setup(credentials, replace(request, provider_ref=said.provider_ref))
        assert (said.kind, said.decline_code, said.is_hard_decline) == (OutcomeKind.DECLINED, "lost_card", True)
        assert (found.kind, found.decline_code) == (said.kind, said.decline_code)
