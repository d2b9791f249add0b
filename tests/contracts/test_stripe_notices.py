"""Stripe's events as they arrive: signed, delivered over HTTP, and read."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from guilder.domain.gateways.model import DisputeStatus, OutcomeKind, RequestKind
from guilder.domain.gateways.port import BadNotice
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from tests.contracts.stripe_ground import SECRET, StripeGround
from tests.simulated_provider.support import wait_until
from tests.support.fakes.stripe.hooks import sign


@pytest.fixture
def ear() -> Iterator[tuple[str, list]]:
    """An address that keeps what it hears, headers and bytes; the first answer is a 500."""
    heard = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append(({name.lower(): text for name, text in self.headers.items()}, body))
            self.send_response(500 if len(heard) == 1 else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", heard
    server.shutdown()
    server.server_close()


class TestNotices(StripeGround):
    async def told(self, gateway, merchant, kind, ref):
        body, wall = merchant.body(kind, ref), datetime.now(UTC)
        return await self.read(gateway, merchant, body, self.signed(merchant, body, at=wall), now=wall)

    async def page(self, gateway, credentials, kind=RequestKind.CHARGE):
        request = self.a_request(kind, is_on_session=True, method_token="")
        make = gateway.prepare if kind is RequestKind.CHARGE else gateway.setup
        made = await make(credentials, request, key=request.business_key)
        request = replace(request, provider_ref=made.provider_ref)
        return request, (await gateway.open_page(credentials, request, key="p")).action_url

    async def test_events_arrive_and_are_verified_by_the_secret_that_stripe_made(
        self, gateway, credentials, merchant, ear
    ):
        url, heard = ear
        made = await gateway.register_webhook(credentials, url=url, secret="")
        request = await self.paid(gateway, credentials)
        wait_until(lambda: len(heard) >= 3)
        notices = [
            await gateway.read_notice(headers, body, secret=made.endpoint_secret, settings={}, now=datetime.now(UTC))
            for headers, body in heard
        ]
        assert {each.type for each in notices} == {"charge.succeeded", "payment_intent.succeeded"}
        assert {(each.subject, each.business_key) for each in notices} == {(RequestKind.CHARGE, request.business_key)}
        # The first was answered with 500, and came again.
        assert len({each.notice_id for each in notices}) < len(notices)

    async def test_old_and_new_secret_both_hold_while_one_is_rotated(self, gateway, merchant):
        body, wall = self.strange_notice(merchant), datetime.now(UTC)
        headers = {"stripe-signature": sign(body, at=int(wall.timestamp()), keys=["whsec_old", SECRET])}
        for secret in ("whsec_old", SECRET):
            assert await gateway.read_notice(headers, body, secret=secret, settings={}, now=wall)
        with pytest.raises(BadNotice):
            await gateway.read_notice(headers, body, secret="whsec_older", settings={}, now=wall)

    async def test_a_re_serialised_event_is_refused(self, gateway, credentials, merchant):
        request = await self.paid(gateway, credentials)
        body, wall = merchant.body("payment_intent.succeeded", request.provider_ref), datetime.now(UTC)
        headers = self.signed(merchant, body, at=wall)
        with pytest.raises(BadNotice):
            await self.read(gateway, merchant, json.dumps(json.loads(body)).encode(), headers, now=wall)

    async def test_it_says_whether_money_moved_and_when(self, gateway, fake):
        for mode in ("test", "live"):
            merchant = fake.merchant(mode=mode)
            event = merchant.account.tell("planet.discovered", {"id": "pl_1", "object": "planet"})
            notice = await self.told(gateway, merchant, "planet.discovered", "pl_1")
            assert (notice.mode, notice.account, notice.subject) == (mode, "", None)
            assert notice.created_at == datetime.fromtimestamp(event["created"], UTC)

    async def test_a_decline_is_told_as_it_was_answered(self, gateway, credentials, merchant):
        request = await self.prepared(gateway, credentials, method_token=self.hard_card)
        said = await gateway.confirm(credentials, request, key="c")
        notice = await self.told(gateway, merchant, "payment_intent.payment_failed", request.provider_ref)
        assert notice.business_key == request.business_key
        assert (notice.outcome.kind, notice.outcome.decline_code) == (said.kind, said.decline_code)
        assert notice.outcome.is_hard_decline

    async def test_a_page_is_told_by_its_charge_which_shows_the_card(self, gateway, credentials, merchant):
        request, url = await self.page(gateway, credentials)
        merchant.pay_page(url)
        intent = merchant.intent(request.provider_ref)
        notice = await self.told(gateway, merchant, "charge.succeeded", intent["latest_charge"])
        assert (notice.subject, notice.business_key) == (RequestKind.CHARGE, request.business_key)
        assert (notice.outcome.kind, notice.outcome.amount) == (OutcomeKind.SUCCEEDED, Money(4900, "EUR"))
        assert (notice.outcome.provider_ref, notice.outcome.charge_ref) == (intent["id"], intent["latest_charge"])
        assert (notice.outcome.card.last4, notice.outcome.card.token) == (
            "4242",
            f"{intent['customer']}/{intent['payment_method']}",
        )
        for kind, ref in (
            ("payment_intent.succeeded", intent["id"]),
            ("checkout.session.completed", request.provider_ref),
        ):
            assert (await self.told(gateway, merchant, kind, ref)).subject is None

    async def test_a_card_saved_on_a_page_wakes_a_look(self, gateway, credentials, merchant):
        request, url = await self.page(gateway, credentials, RequestKind.SETUP)
        merchant.pay_page(url)
        session = merchant.account.objects[request.provider_ref]
        for kind, ref in (
            ("setup_intent.succeeded", session["setup_intent"]),
            ("checkout.session.completed", request.provider_ref),
        ):
            notice = await self.told(gateway, merchant, kind, ref)
            assert (notice.subject, notice.business_key) == (RequestKind.SETUP, request.business_key)
            assert (notice.outcome.kind, notice.outcome.card, notice.outcome.is_approved) == (
                OutcomeKind.UNKNOWN,
                None,
                True,
            )

    async def test_a_page_that_closed_is_told(self, gateway, credentials, merchant):
        for kind in (RequestKind.CHARGE, RequestKind.SETUP):
            request, _ = await self.page(gateway, credentials, kind)
            await gateway.cancel(credentials, request, key="x" + request.business_key)
            notice = await self.told(gateway, merchant, "checkout.session.expired", request.provider_ref)
            assert (notice.subject, notice.outcome.kind) == (kind, OutcomeKind.CANCELED)

    async def test_a_debit_is_pending_and_then_told_by_its_end(self, gateway, credentials, merchant):
        request, url = await self.page(gateway, credentials)
        merchant.pay_page(url, "pm_usBankAccount")
        intent = merchant.intent(request.provider_ref)["id"]
        for kind, ref in (
            ("payment_intent.processing", intent),
            ("checkout.session.completed", request.provider_ref),
        ):
            notice = await self.told(gateway, merchant, kind, ref)
            assert (notice.outcome.kind, notice.outcome.is_pending) == (OutcomeKind.UNKNOWN, True)
        merchant.settle(request.provider_ref, is_paid=False)
        notice = await self.told(gateway, merchant, "checkout.session.async_payment_failed", request.provider_ref)
        assert (notice.business_key, notice.outcome.is_approved) == (request.business_key, True)

    async def test_a_refund_is_told_and_so_is_its_coming_back(self, gateway, credentials, merchant):
        paid = await self.paid(gateway, credentials)
        refund = self.a_request(RequestKind.REFUND, provider_ref=paid.provider_ref, amount=Money(900, "EUR"))
        ref = (await gateway.refund(credentials, refund, key="r")).provider_ref
        notice = await self.told(gateway, merchant, "refund.created", ref)
        assert (notice.subject, notice.business_key) == (RequestKind.REFUND, refund.business_key)
        assert (notice.outcome.kind, notice.outcome.amount) == (OutcomeKind.SUCCEEDED, Money(900, "EUR"))
        merchant.fail_refund(ref)
        notice = await self.told(gateway, merchant, "refund.failed", ref)
        assert (notice.outcome.kind, notice.outcome.decline_code) == (OutcomeKind.DECLINED, "refund_failed")
        charge = merchant.intent(paid.provider_ref)["latest_charge"]
        assert (await self.told(gateway, merchant, "charge.refunded", charge)).subject is None

    async def test_a_dispute_is_told_from_its_inquiry_to_its_end(self, gateway, credentials, merchant):
        paid = await self.paid(gateway, credentials)
        ref = merchant.dispute(paid.provider_ref, amount=4000, status="warning_needs_response")
        news = (await self.told(gateway, merchant, "charge.dispute.created", ref)).dispute
        assert (news.status, news.amount, news.fee) == (DisputeStatus.INQUIRY, Money(4000, "EUR"), None)
        assert news.respond_by > datetime.now(UTC)
        merchant.decide(ref, "needs_response")
        news = (await self.told(gateway, merchant, "charge.dispute.funds_withdrawn", ref)).dispute
        assert (news.status, news.fee, news.reason) == (DisputeStatus.OPEN, Money(1500, "EUR"), "fraudulent")
        assert (news.dispute_ref, news.provider_ref) == (ref, paid.provider_ref)
        assert news.charge_ref == merchant.intent(paid.provider_ref)["latest_charge"]
        merchant.decide(ref, "won")
        for kind in ("funds_reinstated", "closed"):
            news = (await self.told(gateway, merchant, f"charge.dispute.{kind}", ref)).dispute
            assert (news.status, news.fee) == (DisputeStatus.WON, Money(1500, "EUR"))
        lost = merchant.dispute(paid.provider_ref)
        merchant.decide(lost, "lost")
        assert (await self.told(gateway, merchant, "charge.dispute.closed", lost)).dispute.status is DisputeStatus.LOST

    async def test_a_disputed_charge_is_not_refunded_as_well(self, gateway, credentials, merchant):
        paid = await self.paid(gateway, credentials)
        merchant.dispute(paid.provider_ref)
        refund = self.a_request(RequestKind.REFUND, provider_ref=paid.provider_ref, amount=Money(900, "EUR"))
        said = await gateway.refund(credentials, refund, key="r")
        assert (said.kind, said.decline_code) == (OutcomeKind.DECLINED, "charge_disputed")

    async def test_what_is_told_of_methods_that_are_kept_for_nobody_is_of_no_concern(
        self, gateway, credentials, merchant
    ):
        request = self.a_request(RequestKind.SETUP)
        token = (await gateway.setup(credentials, request, key="s")).card.token
        ref = token.rpartition("/")[2]
        merchant.renew(token, kind="updated", exp_year=2042)
        news = (await self.told(gateway, merchant, "payment_method.updated", ref)).method
        assert (news.token, news.card.exp_year) == (token, 2042)
        merchant.renew(token, last4="")
        assert (await self.told(gateway, merchant, "payment_method.automatically_updated", ref)).method is None
        merchant.detach(token)
        merchant.renew(token, last4="4242")
        assert (await self.told(gateway, merchant, "payment_method.automatically_updated", ref)).method is None
        merchant.detach(token)
        assert (await self.told(gateway, merchant, "payment_method.detached", ref)).method is None
