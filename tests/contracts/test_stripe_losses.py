"""Stripe on bad days: answers that are lost, keys that are forgotten, banks that say no."""

from datetime import UTC, datetime

import pytest

from guilder.domain.gateways.model import OutcomeKind
from guilder.domain.gateways.port import CredentialsRefused
from guilder.kernel import ids
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from tests.contracts.stripe_ground import StripeGround
from tests.support.fakes.stripe.server import Merchant


def crowd(merchant: Merchant, count: int) -> None:
    """Have others' intents come after the newest."""
    like = {name: each for name, each in next(merchant.account.of("payment_intent")).items() if name != "id"}
    for number in range(count):
        merchant.account.add("pi", {**like, "metadata": {"business_key": f"other {number}"}})


class TestLosses(StripeGround):
    """Lost answers, forgotten keys, and a search that lags behind."""

    @pytest.mark.parametrize("lag_s", [0, 60])
    async def test_a_lost_object_is_found_by_search_or_by_the_list(self, gateway, credentials, merchant, lag_s):
        merchant.account.search_lag_s = lag_s
        request = self.a_request(id=ids.new(datetime.now(UTC)))
        merchant.fault("drop_after", "prepare")
        assert (await gateway.prepare(credentials, request, key="k")).kind is OutcomeKind.UNKNOWN
        found = await gateway.lookup(credentials, request)
        assert found.kind is OutcomeKind.REQUIRES_ACTION
        again = await gateway.prepare(credentials, request, key="k")
        assert again.provider_ref == found.provider_ref

    async def test_a_lost_object_is_found_when_its_key_was_forgotten(self, gateway, credentials, merchant):
        request = self.a_request(id=ids.new(datetime.now(UTC)))
        merchant.fault("drop_after", "prepare")
        await gateway.prepare(credentials, request, key="k")
        merchant.advance(25 * 3600)
        found = await gateway.lookup(credentials, request)
        assert found.provider_ref
        assert (await gateway.prepare(credentials, request, key="k")).provider_ref != found.provider_ref

    async def test_a_list_is_read_to_its_end(self, gateway, credentials, merchant):
        lost = self.a_request(id=ids.new(datetime.now(UTC)))
        merchant.fault("drop_after", "prepare")
        await gateway.prepare(credentials, lost, key="k")
        shown = next(merchant.account.of("payment_intent"))
        crowd(merchant, 250)
        assert (await gateway.lookup(credentials, lost)).provider_ref == shown["id"]

    async def test_a_list_that_does_not_end_leaves_it_unknown(self, gateway, credentials, merchant):
        await self.prepared(gateway, credentials)
        crowd(merchant, 1100)
        assert (await gateway.lookup(credentials, self.a_request())).kind is OutcomeKind.UNKNOWN

    async def test_a_customer_is_made_once_and_without_personal_data(self, gateway, credentials, merchant):
        first = self.a_request()
        said = [await gateway.prepare(credentials, first, key=f"k{n}") for n in range(2)]
        assert said[0].payer_ref == said[1].payer_ref != ""
        [customer] = merchant.account.of("customer")
        assert (customer["name"], customer["email"], set(customer["metadata"])) == (
            None,
            None,
            {"customer_id", "tenant_id"},
        )
        known = self.a_request(customer_id=first.customer_id, payer_ref=customer["id"])
        assert (await gateway.prepare(credentials, known, key="other")).payer_ref == customer["id"]
        assert len(list(merchant.account.of("customer"))) == 1

    async def test_one_key_for_two_requests_is_unknown_and_never_a_no(self, gateway, credentials):
        request = await self.prepared(gateway, credentials)
        other = replace(request, amount=Money(1, "EUR"), provider_ref="")
        said = await gateway.prepare(credentials, replace(other, payer_ref=""), key=request.business_key)
        assert (said.kind, said.is_outage) == (OutcomeKind.UNKNOWN, False)

    async def test_an_object_that_is_gone_is_neither_a_decline_nor_nothing(self, gateway, credentials):
        """Prepared anew it could be charged twice: the key may be another account's by now."""
        strange = self.a_request(provider_ref="pi_nobody")
        assert (await gateway.lookup(credentials, strange)).kind is OutcomeKind.UNKNOWN
        assert (await gateway.confirm(credentials, strange, key="c")).kind is OutcomeKind.UNKNOWN

    async def test_what_is_charged_says_what_it_is_for(self, gateway, credentials, merchant):
        request = await self.paid(gateway, credentials, claim="claim of 3 items", description="Invoice 7")
        intent = merchant.intent(request.provider_ref)
        assert intent["metadata"] == {
            "business_key": request.business_key,
            "tenant_id": str(request.tenant_id),
            "kind": "charge",
            "claim": "claim of 3 items",
        }
        assert intent["description"] == "Invoice 7"


class TestDeclines(StripeGround):
    async def test_a_bank_that_wants_the_customer_ends_the_attempt(self, gateway, credentials, merchant):
        request = await self.prepared(gateway, credentials, method_token="pm_card_authenticationRequired")
        said = await gateway.confirm(credentials, request, key="c")
        assert (said.kind, said.decline_code, said.is_hard_decline) == (
            OutcomeKind.DECLINED,
            "authentication_required",
            False,
        )
        assert (await gateway.cancel(credentials, request, key="x")).kind is OutcomeKind.CANCELED
        assert self.charged(merchant) == []

    async def test_a_networks_advice_to_stop_is_heeded(self, gateway, credentials):
        request = await self.prepared(gateway, credentials, method_token="pm_fake_stopped")
        said = await gateway.confirm(credentials, request, key="c")
        assert (said.decline_code, said.is_hard_decline) == ("generic_decline", True)

    async def test_what_cannot_be_written_down_is_left_out_of_the_words_of_a_decline(self, gateway, credentials):
        request = await self.prepared(gateway, credentials, method_token="pm_fake_unheard_of")
        said = await gateway.confirm(credentials, request, key="c")
        assert (said.kind, said.decline_code) == (OutcomeKind.DECLINED, "no\ufffdfunds")

    async def test_a_method_that_is_gone_is_a_hard_decline(self, gateway, credentials):
        request = await self.prepared(gateway, credentials, method_token="pm_gone")
        said = await gateway.confirm(credentials, request, key="c")
        assert (said.kind, said.decline_code, said.is_hard_decline) == (
            OutcomeKind.DECLINED,
            "resource_missing",
            True,
        )

    async def test_a_debit_that_takes_days_is_pending_and_ends_either_way(self, gateway, credentials, merchant):
        for is_paid, end in ((True, OutcomeKind.SUCCEEDED), (False, OutcomeKind.DECLINED)):
            request = await self.prepared(gateway, credentials, method_token="pm_usBankAccount")
            said = await gateway.confirm(credentials, request, key="c" + request.business_key)
            assert (said.kind, said.is_pending, said.is_outage) == (OutcomeKind.UNKNOWN, True, False)
            merchant.settle(request.provider_ref, is_paid=is_paid)
            assert (await gateway.lookup(credentials, request)).kind is end

    async def test_a_revoked_key_declines_nobody(self, gateway, credentials, merchant):
        request = await self.prepared(gateway, credentials)
        merchant.account.is_revoked = True
        with pytest.raises(CredentialsRefused):
            await gateway.confirm(credentials, request, key="c")

    async def test_a_key_without_the_right_is_as_good_as_none(self, gateway, credentials, merchant):
        request = await self.prepared(gateway, credentials)
        merchant.account.forbidden.add("payment_intents")
        with pytest.raises(CredentialsRefused):
            await gateway.confirm(credentials, request, key="c")
