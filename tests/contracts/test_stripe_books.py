"""Stripe's own books, our address there, and what is said of an account that is not set up rightly."""

from datetime import UTC, datetime, timedelta

import pytest

from guilder.domain.gateways.adapters.stripe.registering import CHARGES, ENABLED, EVENTS_HEARD, KEY, RIGHTS, WEBHOOK
from guilder.domain.gateways.model import OutcomeKind, RequestKind
from guilder.domain.gateways.port import CredentialsRefused
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.platform.outside.intents import CallFailed
from tests.contracts.stripe_ground import StripeGround

URL = "https://billing.example/api/webhooks/stripe/1"


class TestBooks(StripeGround):
    async def read(self, gateway, credentials, *, since, until):
        found, cursor = [], ""
        while True:
            page = await gateway.records(credentials, since=since, until=until, cursor=cursor)
            found += page.records
            if not page.cursor:
                return found
            cursor = page.cursor

    async def test_what_moved_money_is_read_oldest_first_with_fees(self, gateway, credentials, merchant):
        first = await self.paid(gateway, credentials, claim="march")
        merchant.advance(3 * 86400)
        second = await self.paid(gateway, credentials, amount=Money(500, "JPY"))
        refund = self.a_request(RequestKind.REFUND, provider_ref=first.provider_ref, amount=Money(900, "EUR"))
        await gateway.refund(credentials, refund, key="r")
        declined = await self.prepared(gateway, credentials, method_token=self.declined_card)
        await gateway.confirm(credentials, declined, key="d")
        now = datetime.now(UTC)
        found = await self.read(gateway, credentials, since=now - timedelta(days=1), until=now + timedelta(days=5))
        assert [(e.kind, e.business_key, e.amount, e.status) for e in found] == [
            (RequestKind.CHARGE, first.business_key, Money(4900, "EUR"), OutcomeKind.SUCCEEDED),
            (RequestKind.CHARGE, second.business_key, Money(500, "JPY"), OutcomeKind.SUCCEEDED),
            (RequestKind.REFUND, refund.business_key, Money(900, "EUR"), OutcomeKind.SUCCEEDED),
        ]
        assert [each.claim for each in found] == ["march", "", ""]
        # 2.9 % of 49.00 and 0.30; a yen has no cents.
        assert [each.fee for each in found] == [Money(172, "EUR"), Money(44, "JPY"), Money(0, "EUR")]
        assert found[0].provider_ref == first.provider_ref

    async def test_time_is_half_open(self, gateway, credentials, merchant):
        await self.paid(gateway, credentials)
        at = datetime.fromtimestamp(merchant.charges()[0]["at"], UTC)
        second = timedelta(seconds=1)
        assert len(await self.read(gateway, credentials, since=at, until=at + second)) == 1
        assert await self.read(gateway, credentials, since=at - second, until=at) == []
        assert await self.read(gateway, credentials, since=at + second, until=at + 2 * second) == []
        # Windows that meet within a second share no record.
        half = at + second / 2
        assert len(await self.read(gateway, credentials, since=at - second, until=half)) == 1
        assert await self.read(gateway, credentials, since=half, until=half + second) == []

    @pytest.mark.slow
    async def test_a_slice_that_holds_too_many_is_read_by_halves(self, gateway, credentials, merchant):
        await self.paid(gateway, credentials)
        like = {name: each for name, each in next(merchant.account.of("charge")).items() if name != "id"}
        for number in range(1500):
            made = merchant.account.add("ch", {**like, "metadata": {"business_key": str(number)}})
            made["created"] += number
        now = datetime.now(UTC)
        found = await self.read(gateway, credentials, since=now - timedelta(hours=1), until=now + timedelta(days=2))
        assert sorted(int(each.business_key) for each in found if each.business_key.isdigit()) == list(range(1500))
        assert [each.at for each in found] == sorted(each.at for each in found)

    @pytest.mark.parametrize("mode", ["html", "drop_before", "status"])
    async def test_books_that_cannot_be_read_are_no_empty_books(self, gateway, credentials, merchant, mode):
        merchant.fault(mode, "list")
        now = datetime.now(UTC)
        with pytest.raises(CallFailed):
            await gateway.records(credentials, since=now - timedelta(days=1), until=now)
        with pytest.raises(CredentialsRefused):
            await gateway.records(self.wrong_credentials, since=now - timedelta(days=1), until=now)


class TestRegistering(StripeGround):
    async def registered(self, gateway, credentials):
        made = await gateway.register_webhook(credentials, url=URL, secret="")
        assert made.kind is OutcomeKind.SUCCEEDED, made
        return made, replace(credentials, settings={**credentials.settings, **made.settings})

    async def test_stripe_makes_the_secret_and_says_whose_account_it_is(self, gateway, credentials, merchant):
        made, _ = await self.registered(gateway, credentials)
        [endpoint] = merchant.account.of("webhook_endpoint")
        assert (made.endpoint_secret, made.provider_account) == (endpoint["#secret"], merchant.account.id)
        assert made.settings == {"mode": "test", "webhook_id": endpoint["id"]}
        assert (endpoint["url"], endpoint["api_version"]) == (URL, "2026-10-28.endive")

    async def test_doing_it_again_leaves_one_whose_secret_we_have(self, gateway, credentials, merchant):
        made, known = await self.registered(gateway, credentials)
        again, _ = await self.registered(gateway, known)
        assert (again.endpoint_secret, again.settings) == ("", made.settings)
        # What we made and never heard the secret of is replaced.
        merchant.fault("drop_after", "endpoint")
        assert (await gateway.register_webhook(credentials, url=URL, secret="")).kind is OutcomeKind.UNKNOWN
        third, _ = await self.registered(gateway, credentials)
        [endpoint] = merchant.account.of("webhook_endpoint")
        assert third.endpoint_secret == endpoint["#secret"] != made.endpoint_secret

    async def test_others_endpoints_are_left_alone(self, gateway, credentials, merchant):
        merchant.account.add("we", {"object": "webhook_endpoint", "url": "https://else.example/", "metadata": {}})
        await self.registered(gateway, credentials)
        assert len(list(merchant.account.of("webhook_endpoint"))) == 2

    async def test_what_was_switched_off_is_on_again(self, gateway, credentials, merchant):
        _, known = await self.registered(gateway, credentials)
        [endpoint] = merchant.account.of("webhook_endpoint")
        endpoint |= {"status": "disabled", "enabled_events": ["charge.succeeded"]}
        await self.registered(gateway, known)
        assert endpoint["status"] == "enabled"
        assert len(endpoint["enabled_events"]) > 20

    async def test_a_restricted_key_may_keep_to_itself_whose_it_is(self, gateway, credentials, merchant):
        merchant.account.forbidden.add("account")
        made, known = await self.registered(gateway, credentials)
        assert made.provider_account == ""
        assert all(each.is_ok for each in await gateway.check(known, webhook_url=URL))

    async def test_a_key_without_the_right_to_register_is_refused(self, gateway, credentials, merchant):
        merchant.account.forbidden.add("webhook_endpoints")
        with pytest.raises(CredentialsRefused):
            await gateway.register_webhook(credentials, url=URL, secret="")

    async def test_an_account_that_is_right_has_nothing_to_mend(self, gateway, credentials):
        _, known = await self.registered(gateway, credentials)
        found = await gateway.check(known, webhook_url=URL)
        assert [each.what for each in found if not each.is_ok] == []
        assert {each.what for each in found} >= {KEY, CHARGES, WEBHOOK, EVENTS_HEARD}

    async def test_what_is_wrong_is_said_with_what_to_do(self, gateway, credentials, merchant, fake):
        async def wrong(known, url=URL):
            found = [each for each in await gateway.check(known, webhook_url=url) if not each.is_ok]
            assert all(len(each.advice) > 20 for each in found), found
            return [each.what for each in found]

        assert await wrong(self.wrong_credentials) == [KEY]
        assert await wrong(credentials) == [WEBHOOK]
        _, known = await self.registered(gateway, credentials)
        other = replace(known, settings={**known.settings, "webhook_id": "we_other"})
        assert await wrong(other) == [WEBHOOK], "an endpoint whose secret we do not have"
        assert await wrong(credentials) == [], "one that was made by hand, and its secret given to us"
        assert await wrong(known, "https://moved.example/") == [WEBHOOK]
        [endpoint] = merchant.account.of("webhook_endpoint")
        endpoint |= {"status": "disabled", "enabled_events": ["charge.succeeded"]}
        assert await wrong(known) == [ENABLED, EVENTS_HEARD]
        merchant.account.forbidden.add("webhook_endpoints")
        assert await wrong(known) == [WEBHOOK]
        merchant.fault("html", "account")
        assert await wrong(known) == [KEY]
        live = fake.merchant(mode="live")
        live.account.charges_enabled = False
        assert await wrong(replace(credentials, secret_key=live.secret_key)) == [CHARGES, WEBHOOK]

    async def test_before_there_is_a_webhook_only_the_account_is_looked_at(self, gateway, credentials):
        assert {each.what for each in await gateway.check(credentials, webhook_url="")} >= {KEY, CHARGES}
        assert all(each.is_ok for each in await gateway.check(credentials, webhook_url=""))

    async def test_a_restricted_key_is_told_which_rights_it_lacks(self, gateway, credentials, merchant):
        merchant.fake.restricted(merchant)
        known = replace(credentials, secret_key=merchant.secret_key)
        assert all(each.is_ok for each in await gateway.check(known, webhook_url=""))
        merchant.account.forbidden |= {"setup_intents", "checkout"}
        [lacking] = [each for each in await gateway.check(known, webhook_url="") if not each.is_ok]
        assert lacking.what == RIGHTS
        assert "SetupIntents, Checkout Sessions" in lacking.advice

    async def test_a_test_notice_is_told_to_our_webhook(self, gateway, credentials, merchant):
        assert await gateway.send_test_notice(credentials)
        assert merchant.account.events[-1]["type"] == "setup_intent.canceled"
        merchant.account.forbidden.add("setup_intents")
        with pytest.raises(CredentialsRefused):
            await gateway.send_test_notice(credentials)
        with pytest.raises(CredentialsRefused):
            await gateway.send_test_notice(self.wrong_credentials)
