"""PayPal's webhooks and books: whose certificate is taken, where it is asked for, and what is read."""

import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from guilder.domain.gateways.adapters.paypal.webhooks import EVENTS
from guilder.domain.gateways.model import DisputeStatus, OutcomeKind, RequestKind
from guilder.domain.gateways.port import BadNotice, CredentialsRefused
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.platform.outside.intents import CallFailed
from tests.contracts.test_paypal import WEBHOOK, PayPalGround, fake  # noqa: F401  (a fixture)
from tests.support.fakes.paypal.account import Fault

URL = "https://pay.example/api/webhooks/paypal/1"
HOST = "https://api.sandbox.paypal.com"
CERT = "/v1/notifications/certs/CERT-good"


class Canary:
    """A server that should never be asked: it counts whoever comes."""

    def __init__(self) -> None:
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                connection.close()
        except OSError:
            return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def canary() -> Iterator[Canary]:
    canary = Canary()
    yield canary
    canary.close()


class TestPayPalNotices(PayPalGround):
    @pytest.fixture
    def body(self, merchant) -> bytes:
        return self.strange_notice(merchant)

    @pytest.mark.shows("fault C11", "API7", "ASVS 1.3.6")
    async def test_a_certificate_is_fetched_from_paypal_and_nowhere_else(self, gateway, merchant, body, fake, canary):  # noqa: F811
        wall, asked = datetime.now(UTC), fake.certificates_asked
        right = self.signed(merchant, body, at=wall)
        for url in (
            f"https://127.0.0.1:{canary.port}{CERT}",
            f"http://127.0.0.1:{canary.port}{CERT}",
            f"http://api.sandbox.paypal.com{CERT}",
            f"https://api.paypal.com{CERT}",  # the live one's, for a sandbox account
            f"https://api.sandbox.paypal.com.evil.example{CERT}",
            f"https://evil-api.sandbox.paypal.com{CERT}",
            f"{HOST}:{canary.port}{CERT}",
            f"{HOST}:443{CERT}",
            f"{HOST}@127.0.0.1:{canary.port}{CERT}",
            f"https://user:pass@api.sandbox.paypal.com{CERT}",
            f"{HOST}\\@127.0.0.1{CERT}",
            f"{HOST}/../..{CERT}",
            f"{HOST}{CERT}/../../x",
            f"{HOST}{CERT}?next=http://127.0.0.1:{canary.port}",
            f"{HOST}{CERT}#x",
            f"{HOST}{CERT}%2e",
            f"{HOST.upper()}{CERT}",
            f"//api.sandbox.paypal.com{CERT}",
            "file:///etc/passwd",
            f" {HOST}{CERT}",
            f"{HOST}{CERT}\n",
            "",
        ):
            with pytest.raises(BadNotice):
                await self.read(gateway, merchant, body, right | {"paypal-cert-url": url}, now=wall)
        assert (canary.connections, fake.certificates_asked) == (0, asked)

    @pytest.mark.shows("fault C11", "ASVS 15.3.2")
    async def test_a_redirect_is_not_followed(self, gateway, merchant, body, fake, canary):  # noqa: F811
        fake.redirects_to = f"http://127.0.0.1:{canary.port}{CERT}"
        wall = datetime.now(UTC)
        headers = self.signed(merchant, body, at=wall) | {"paypal-cert-url": f"{HOST}{CERT[:-4]}redirect"}
        with pytest.raises(BadNotice):
            await self.read(gateway, merchant, body, headers, now=wall)
        assert canary.connections == 0

    @pytest.mark.shows("fault C11", "ASVS 12.3.2")
    @pytest.mark.parametrize("signer", ["foreign", "expired", "name", "likeness", "weak", "self"])
    async def test_a_certificate_that_is_not_paypals_is_refused(self, gateway, merchant, body, fake, signer):  # noqa: F811
        wall = datetime.now(UTC)
        headers = fake.sign(body, at=wall, webhook_id=WEBHOOK, signer=signer)
        with pytest.raises(BadNotice):
            await self.read(gateway, merchant, body, headers, now=wall)

    async def test_one_without_what_is_above_it_is_taken_on_the_hosts_word(self, gateway, merchant, body, fake):  # noqa: F811
        wall = datetime.now(UTC)
        headers = fake.sign(body, at=wall, webhook_id=WEBHOOK, signer="alone")
        assert await self.read(gateway, merchant, body, headers, now=wall)

    @pytest.mark.shows("fault C11", "ASVS 16.5.3")
    @pytest.mark.parametrize(
        ("name", "error"), [("down", CallFailed), ("long", CallFailed), ("html", BadNotice), ("none", BadNotice)]
    )
    async def test_one_that_cannot_be_had_is_asked_for_again(self, gateway, merchant, body, name, error):
        wall = datetime.now(UTC)
        headers = self.signed(merchant, body, at=wall) | {"paypal-cert-url": f"{HOST}{CERT[:-4]}{name}"}
        with pytest.raises(error):
            await self.read(gateway, merchant, body, headers, now=wall)

    async def test_a_certificate_is_fetched_once(self, gateway, merchant, body, fake):  # noqa: F811
        wall, asked = datetime.now(UTC), fake.certificates_asked
        for _ in range(5):
            await self.read(gateway, merchant, body, self.signed(merchant, body, at=wall), now=wall)
        assert fake.certificates_asked == asked + 1

    @pytest.mark.shows("ASVS 16.5.3", "fault C4")
    @pytest.mark.parametrize("missing", ["webhook_id", "environment"])
    async def test_without_what_it_is_verified_by_nothing_is_taken(self, gateway, merchant, body, missing):
        wall = datetime.now(UTC)
        _, settings = self.notice_keys(merchant)
        less = {name: value for name, value in settings.items() if name != missing}
        with pytest.raises(BadNotice):
            await gateway.read_notice(self.signed(merchant, body, at=wall), body, secret="x", settings=less, now=wall)

    async def test_an_approval_is_ours_to_act_on(self, gateway, credentials, merchant):
        request = await self.prepared(gateway, credentials, is_on_session=True, method_token="")
        merchant.approve(request.provider_ref)
        notice = await self.told(gateway, merchant, "CHECKOUT.ORDER.APPROVED")
        assert (notice.subject, notice.business_key) == (RequestKind.CHARGE, request.business_key)
        assert (notice.outcome.kind, notice.outcome.is_approved) == (OutcomeKind.REQUIRES_ACTION, True)
        assert notice.outcome.provider_ref == request.provider_ref

    async def test_captures_are_told_as_they_stand(self, gateway, credentials, merchant):
        for token, name, kind in (
            ("paypal/wallet-review", "PENDING", OutcomeKind.UNKNOWN),
            ("card/card-lost", "DECLINED", OutcomeKind.DECLINED),
        ):
            request = await self.prepared(gateway, credentials, method_token=token)
            await gateway.confirm(credentials, request, key=f"c{token}")
            notice = await self.told(gateway, merchant, f"PAYMENT.CAPTURE.{name}")
            assert (notice.business_key, notice.outcome.kind) == (request.business_key, kind)
            assert notice.outcome.provider_ref == request.provider_ref
        [pending] = [each for each in merchant.captures() if each["status"] == "PENDING"]
        merchant.decide(pending["id"], "DECLINED")
        assert (await self.told(gateway, merchant, "PAYMENT.CAPTURE.DENIED")).outcome.kind is OutcomeKind.DECLINED

    async def test_a_refund_is_told_under_its_own_key(self, gateway, credentials, merchant):
        paid = await self.paid(gateway, credentials)
        refund = self.a_request(RequestKind.REFUND, provider_ref=paid.provider_ref, amount=Money(1000, "EUR"))
        made = await gateway.refund(credentials, refund, key="r")
        notice = await self.told(gateway, merchant, "PAYMENT.CAPTURE.REFUNDED")
        assert (notice.subject, notice.business_key) == (RequestKind.REFUND, refund.business_key)
        assert (notice.outcome.kind, notice.outcome.provider_ref) == (OutcomeKind.SUCCEEDED, made.provider_ref)

    @pytest.mark.parametrize(
        ("outcome", "status"),
        [("RESOLVED_BUYER_FAVOUR", DisputeStatus.LOST), ("RESOLVED_SELLER_FAVOUR", DisputeStatus.WON)],
    )
    async def test_a_dispute_is_told_from_its_inquiry_to_its_end(self, gateway, credentials, merchant, outcome, status):
        await self.paid(gateway, credentials)
        [capture] = merchant.captures()
        case = merchant.open_dispute(capture["id"], stage="INQUIRY", value="9.00")["resource"]
        opened = await self.told(gateway, merchant, "CUSTOMER.DISPUTE.CREATED")
        assert (opened.dispute.status, opened.dispute.charge_ref) == (DisputeStatus.INQUIRY, capture["id"])
        assert (opened.dispute.amount, opened.dispute.respond_by.tzinfo) == (Money(900, "EUR"), UTC)
        merchant.resolve_dispute(case["dispute_id"], outcome)
        resolved = await self.told(gateway, merchant, "CUSTOMER.DISPUTE.RESOLVED")
        assert (resolved.dispute.status, resolved.dispute.dispute_ref) == (status, opened.dispute.dispute_ref)

    async def told(self, gateway, merchant, event_type):
        """Read the last event of this type as it would come."""
        event = [each for each in merchant.events if each["event_type"] == event_type][-1]
        body, wall = json.dumps(event).encode(), datetime.now(UTC)
        return await self.read(gateway, merchant, body, self.signed(merchant, body, at=wall), now=wall)

    async def test_our_address_is_registered_once_and_gets_the_events_that_it_lacks(
        self, gateway, credentials, merchant
    ):
        first = await gateway.register_webhook(credentials, url=URL, secret="whsec_12345678")
        [hook] = merchant.webhooks.values()
        assert first.settings == {"webhook_id": hook["id"]}
        hook["event_types"] = hook["event_types"][:2]
        again = await gateway.register_webhook(credentials, url=URL, secret="whsec_12345678")
        assert (again.settings, len(merchant.webhooks)) == (first.settings, 1)
        assert {each["name"] for each in hook["event_types"]} == set(EVENTS)
        merchant.faults.append(Fault("webhooks", "status"))
        unknown = await gateway.register_webhook(credentials, url=URL, secret="whsec_12345678")
        assert (unknown.kind, unknown.is_outage) == (OutcomeKind.UNKNOWN, True)

    async def test_its_books_are_read_page_by_page_and_window_by_window(
        self, gateway, credentials, merchant, monkeypatch
    ):
        monkeypatch.setattr("guilder.domain.gateways.adapters.paypal.books.PAGE_SIZE", 2)
        claims = [f"claim{n}" for n in range(3)]
        paid = [await self.paid(gateway, credentials, claim=claim) for claim in claims]
        refund = self.a_request(RequestKind.REFUND, provider_ref=paid[0].provider_ref, amount=Money(1000, "EUR"))
        given = await gateway.refund(credentials, refund, key="r")
        now, cursor, found, pages = datetime.now(UTC), "", [], 0
        while cursor or not pages:
            page = await gateway.records(
                credentials, since=now - timedelta(days=70), until=now + timedelta(hours=1), cursor=cursor
            )
            assert len(page.records) <= 2
            found, cursor, pages = [*found, *page.records], page.cursor, pages + 1
        assert pages == 4
        charges = [each for each in found if each.kind is RequestKind.CHARGE]
        assert [(each.provider_ref, each.business_key, each.claim) for each in charges] == [
            (each.provider_ref, each.business_key, each.claim) for each in paid
        ]
        assert {(each.amount, each.fee, each.status) for each in charges} == {
            (Money(4900, "EUR"), Money(171, "EUR"), OutcomeKind.SUCCEEDED)
        }
        [back] = [each for each in found if each.kind is RequestKind.REFUND]
        assert (back.provider_ref, back.business_key, back.amount) == (
            given.provider_ref,
            refund.business_key,
            Money(1000, "EUR"),
        )

    async def test_books_that_cannot_be_read_are_no_empty_books(self, gateway, credentials, merchant):
        now = datetime.now(UTC)
        for mode in ("status", "html", "truncated", "busy", "drop_before"):
            merchant.faults.append(Fault("records", mode))
            with pytest.raises(CallFailed):
                await gateway.records(credentials, since=now - timedelta(days=1), until=now)
        with pytest.raises(CredentialsRefused):
            await gateway.records(self.wrong_credentials, since=now - timedelta(days=1), until=now)

    async def test_a_check_says_what_to_do(self, gateway, credentials, merchant):
        registered = await gateway.register_webhook(credentials, url=URL, secret="")
        right = replace(credentials, settings={**credentials.settings, **registered.settings})
        assert all(each.is_ok for each in await gateway.check(right, webhook_url=URL))
        wrong = {each.what for each in await gateway.check(credentials, webhook_url=URL) if not each.is_ok}
        assert wrong == {"its id is the one that we verify by"}
        merchant.webhooks.clear()
        merchant.scopes = "https://uri.paypal.com/services/payments/payment/authcapture"
        found = [each for each in await gateway.check(right, webhook_url=URL) if not each.is_ok]
        assert {"our webhook is registered", "the app may search transactions"} <= {each.what for each in found}
        assert all(each.advice for each in found)
        [refused] = await gateway.check(self.wrong_credentials, webhook_url=URL)
        assert not refused.is_ok
