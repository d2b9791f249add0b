"""What every gateway must do. One test class an adapter inherits it and says how its provider is reached and broken."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from guilder.domain.gateways.model import DisputeStatus, GatewayRequest, OutcomeKind, RequestKind
from guilder.domain.gateways.port import BadNotice, Credentials, CredentialsRefused, UnreadableNotice
from guilder.kernel import ids
from guilder.kernel.ids import TenantId
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.platform.outside import bulkhead, http

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TENANT = TenantId(ids.new(NOW))
HANGS_S = 4.0  # how late an answer is that is too late
GARBLED = ("drop_before", "drop_after", "status", "html", "truncated", "unknown_status", "wrong_amount")


class GatewayGround:
    """Subclasses give the fixtures `gateway`, `credentials` and `merchant` (the provider's side), and what is below.

    `break_answer` has one answer of the provider go wrong, in one of GARBLED's ways, or `hang` (longer than the
    gateway waits), or `busy` (429, `Retry-After: 7`). Notices are made by the provider itself, and signed by `signed`.
    """

    name: str
    good_card: str
    declined_card: str
    hard_card: str
    hard_card_not_saved: str
    wrong_credentials: Credentials
    finds_by_key = True  # an object whose id was lost is found by the business key
    has_disputes = False
    tells_of_methods = False  # by itself: that a bank renewed a saved card, or that it is not kept any more
    # Charged to the minor unit as the provider's journal has it, and what cannot be and so is never rounded.
    chargeable: tuple[Money, ...] = (Money(4901, "EUR"), Money(12345, "JPY"))
    not_chargeable: tuple[Money, ...] = ()

    @pytest.fixture
    def patience_s(self) -> float:
        """How long the gateway waits. An answer that comes at all is in time, however busy the machine."""
        return 60.0

    @pytest.fixture
    def gateway(self, patience_s: float) -> Any:
        raise NotImplementedError

    @pytest.fixture
    def credentials(self) -> Any:
        raise NotImplementedError

    @pytest.fixture
    def merchant(self) -> Any:
        raise NotImplementedError

    def break_answer(self, merchant: Any, *, op: str, mode: str) -> None:
        raise NotImplementedError

    def charged(self, merchant: Any) -> list[Money]:
        """Return what the provider's own journal has as charged, oldest first."""
        raise NotImplementedError

    def notice_keys(self, merchant: Any) -> tuple[str, Mapping[str, str]]:
        """Return the endpoint's secret and the account's settings."""
        raise NotImplementedError

    def signed(self, merchant: Any, body: bytes, *, at: datetime) -> dict[str, str]:
        """Return the headers with which the provider would send this body at this time."""
        raise NotImplementedError

    def forged(self, merchant: Any, body: bytes, *, at: datetime) -> list[dict[str, str]]:
        """Return headers that look right and are not: another's secret, no signature, a malformed one."""
        raise NotImplementedError

    async def notice_of_payment(self, merchant: Any, paid: GatewayRequest) -> bytes:
        """Return the body of the notice by which the provider tells that this was paid."""
        raise NotImplementedError

    async def notice_of_dispute(self, merchant: Any, paid: GatewayRequest) -> bytes:
        raise NotImplementedError

    async def notice_of_renewal(self, merchant: Any, token: str) -> bytes:
        """Have the bank of a saved card renew it, to 3/2041; return the notice of that."""
        raise NotImplementedError

    async def notice_of_detaching(self, merchant: Any, token: str) -> bytes:
        raise NotImplementedError

    def strange_notice(self, merchant: Any) -> bytes:
        """Return an event of a type that nobody knows, with fields that nobody knows."""
        raise NotImplementedError

    def a_request(self, kind: RequestKind = RequestKind.CHARGE, **over: Any) -> GatewayRequest:
        said = {
            "tenant_id": TENANT,
            "id": ids.new(NOW),
            "account_id": ids.new(NOW),
            "gateway": self.name,
            "kind": kind,
            "business_key": f"{TENANT}:{uuid4()}:1",
            "subject_id": ids.new(NOW),
            "customer_id": uuid4(),
            "amount": None if kind is RequestKind.SETUP else Money(4900, "EUR"),
            "method_token": self.good_card,
            "return_url": "https://shop.example/back",
        }
        return GatewayRequest(**{**said, **over})

    async def prepared(self, gateway, credentials, **over) -> GatewayRequest:
        request = self.a_request(**over)
        outcome = await gateway.prepare(credentials, request, key=request.business_key)
        assert outcome.kind is OutcomeKind.REQUIRES_ACTION, outcome
        return replace(request, provider_ref=outcome.provider_ref)

    async def paid(self, gateway, credentials, **over) -> GatewayRequest:
        request = await self.prepared(gateway, credentials, **over)
        outcome = await gateway.confirm(credentials, request, key="c" + request.business_key)
        assert outcome.kind is OutcomeKind.SUCCEEDED, outcome
        return request

    async def read(self, gateway, merchant, body, headers, *, now):
        secret, settings = self.notice_keys(merchant)
        return await gateway.read_notice(headers, body, secret=secret, settings=settings, now=now)


class GatewayContract(GatewayGround):
    """What each of them is tried by."""

    async def test_preparing_charges_nothing_and_is_done_once_per_key(self, gateway, credentials, merchant):
        request = await self.prepared(gateway, credentials)
        again = await gateway.prepare(credentials, request, key=request.business_key)
        assert again.provider_ref == request.provider_ref
        assert self.charged(merchant) == []

    async def test_confirming_charges_the_exact_amount_once(self, gateway, credentials, merchant):
        for amount in self.chargeable:
            request = await self.prepared(gateway, credentials, amount=amount)
            outcomes = [await gateway.confirm(credentials, request, key=f"k{n}{request.id}") for n in range(3)]
            assert [(o.kind, o.amount) for o in outcomes] == [(OutcomeKind.SUCCEEDED, amount)] * 3
            assert outcomes[0].card.last4 == "4242"
            assert outcomes[0].charge_ref
        assert self.charged(merchant) == list(self.chargeable)

    async def test_what_cannot_be_charged_exactly_is_declined_and_never_rounded(self, gateway, credentials, merchant):
        for amount in self.not_chargeable:
            request = self.a_request(amount=amount)
            outcome = await gateway.prepare(credentials, request, key=request.business_key)
            assert (outcome.kind, outcome.decline_code) in {
                (OutcomeKind.DECLINED, "amount_not_chargeable"),
                (OutcomeKind.DECLINED, "currency_not_supported"),
            }, amount
        assert self.charged(merchant) == []

    async def test_a_decline_says_why_and_whether_it_is_for_good(self, gateway, credentials, merchant):
        for card, is_hard in ((self.declined_card, False), (self.hard_card, True)):
            request = await self.prepared(gateway, credentials, method_token=card)
            outcome = await gateway.confirm(credentials, request, key="c" + request.business_key)
            assert (outcome.kind, outcome.is_hard_decline) == (OutcomeKind.DECLINED, is_hard)
            assert outcome.decline_code
            found = await gateway.lookup(credentials, request)
            assert (found.kind, found.decline_code) == (OutcomeKind.DECLINED, outcome.decline_code)

    async def test_an_object_is_found_by_its_business_key_alone(self, gateway, credentials):
        request = await self.prepared(gateway, credentials)
        found = await gateway.lookup(credentials, replace(request, provider_ref=""))
        assert (found.provider_ref if found else "") == (request.provider_ref if self.finds_by_key else "")
        assert await gateway.lookup(credentials, self.a_request()) is None

    async def test_closing_is_for_good_and_never_undoes_money(self, gateway, credentials, merchant):
        request = await self.prepared(gateway, credentials)
        for n in range(2):
            assert (await gateway.cancel(credentials, request, key=f"x{n}")).kind is OutcomeKind.CANCELED
        await self.late_confirm(gateway, credentials, request)
        paid = await self.paid(gateway, credentials)
        assert (await gateway.cancel(credentials, paid, key="y")).kind is OutcomeKind.SUCCEEDED
        assert self.charged(merchant) == [Money(4900, "EUR")]

    async def late_confirm(self, gateway, credentials, request) -> None:
        """Confirm what was closed, where the provider itself refuses that."""
        late = await gateway.confirm(credentials, request, key="late")
        assert late.kind is OutcomeKind.CANCELED

    async def test_a_page_is_opened_for_the_customer(self, gateway, credentials):
        request = await self.prepared(gateway, credentials, is_on_session=True, method_token="")
        page = await gateway.open_page(credentials, request, key="p" + request.business_key)
        assert page.kind is OutcomeKind.REQUIRES_ACTION
        assert page.action_url.startswith("http")

    @pytest.mark.parametrize("mode", GARBLED)
    @pytest.mark.parametrize("op", ["prepare", "confirm", "lookup"])
    async def test_no_answer_or_a_wrong_one_is_unknown(self, gateway, credentials, merchant, op, mode):
        said = await self.broken(gateway, credentials, merchant, op=op, mode=mode)
        assert said.kind is OutcomeKind.UNKNOWN
        assert bool(said.alert) == (mode == "wrong_amount")

    async def test_a_provider_that_is_busy_says_when_to_ask_again(self, gateway, credentials, merchant):
        for op in ("prepare", "confirm", "lookup"):
            said = await self.broken(gateway, credentials, merchant, op=op, mode="busy")
            assert (said.kind, said.retry_after_s, said.is_outage) == (OutcomeKind.UNKNOWN, 7, True)

    @pytest.mark.parametrize("patience_s", [HANGS_S - 1])
    async def test_a_provider_that_does_not_answer_in_time_is_unknown(self, gateway, credentials, merchant):
        said = await self.broken(gateway, credentials, merchant, op="confirm", mode="hang")
        assert (said.kind, said.is_outage) == (OutcomeKind.UNKNOWN, True)

    async def broken(self, gateway, credentials, merchant, *, op, mode):
        request = await self.prepared(gateway, credentials)
        self.break_answer(merchant, op=op, mode=mode)
        outcome = {
            "prepare": lambda: gateway.prepare(credentials, self.a_request(), key=str(uuid4())),
            "confirm": lambda: gateway.confirm(credentials, request, key=str(uuid4())),
            "lookup": lambda: gateway.lookup(credentials, request),
        }[op]
        return await outcome()

    async def test_an_answer_that_was_lost_is_found_and_nothing_is_charged_twice(self, gateway, credentials, merchant):
        request = await self.prepared(gateway, credentials)
        self.break_answer(merchant, op="confirm", mode="drop_after")
        lost = await gateway.confirm(credentials, request, key="c" + request.business_key)
        assert lost.kind is OutcomeKind.UNKNOWN
        assert (await gateway.lookup(credentials, request)).kind is OutcomeKind.SUCCEEDED
        again = await gateway.confirm(credentials, request, key="c" + request.business_key)
        assert again.kind is OutcomeKind.SUCCEEDED
        assert self.charged(merchant) == [Money(4900, "EUR")]

    async def test_a_refused_key_is_an_error_of_its_own(self, gateway, credentials, merchant):
        wrong = self.wrong_credentials
        request = self.a_request()
        paid = await self.paid(gateway, credentials)
        for call in (
            gateway.prepare(wrong, request, key="k"),
            gateway.lookup(wrong, replace(request, provider_ref=paid.provider_ref)),
            gateway.refund(wrong, replace(request, provider_ref=paid.provider_ref), key="k"),
            gateway.register_webhook(wrong, url="https://x.example/", secret="whsec_12345678"),
        ):
            with pytest.raises(CredentialsRefused):
                await call

    async def test_a_refund_is_made_once_and_never_beyond_what_was_captured(self, gateway, credentials, merchant):
        paid = await self.paid(gateway, credentials)
        refund = self.a_request(RequestKind.REFUND, provider_ref=paid.provider_ref, amount=Money(3000, "EUR"))
        assert await gateway.lookup_refund(credentials, refund) is None
        outcomes = [await gateway.refund(credentials, refund, key=refund.business_key) for _ in range(2)]
        assert {(o.kind, o.provider_ref) for o in outcomes} == {(OutcomeKind.SUCCEEDED, outcomes[0].provider_ref)}
        assert (await gateway.lookup_refund(credentials, refund)).provider_ref == outcomes[0].provider_ref
        more = replace(refund, business_key=refund.business_key + "x", amount=Money(2000, "EUR"))
        assert (await gateway.refund(credentials, more, key="more")).kind is OutcomeKind.DECLINED

    async def test_a_card_is_saved_without_a_charge(self, gateway, credentials, merchant):
        request = self.a_request(RequestKind.SETUP)
        saved = await gateway.setup(credentials, request, key=request.business_key)
        assert saved.kind is OutcomeKind.SUCCEEDED
        assert (saved.card.last4, saved.card.token != "") == ("4242", True)
        known = replace(request, provider_ref=saved.provider_ref)
        assert (await gateway.lookup_setup(credentials, known)).card.token == saved.card.token
        refused = self.a_request(RequestKind.SETUP, method_token=self.hard_card_not_saved)
        assert (await gateway.setup(credentials, refused, key="s")).kind is OutcomeKind.DECLINED
        assert self.charged(merchant) == []

    async def test_a_saved_card_is_charged_by_its_token_alone(self, gateway, credentials, merchant):
        request = self.a_request(RequestKind.SETUP)
        saved = await gateway.setup(credentials, request, key=request.business_key)
        await self.paid(gateway, credentials, method_token=saved.card.token, customer_id=request.customer_id)
        assert self.charged(merchant) == [Money(4900, "EUR")]

    async def test_a_key_says_whether_it_moves_money(self, gateway, credentials):
        assert gateway.mode_of(credentials.secret_key, credentials.settings) == "test"
        with pytest.raises(ValueError) as refused:
            gateway.mode_of("of-nobody-1234567", {})
        assert "of-nobody" not in str(refused.value)

    async def test_its_notices_are_read_as_its_answers_are(self, gateway, credentials, merchant):
        request = await self.paid(gateway, credentials)
        body, wall = await self.notice_of_payment(merchant, request), datetime.now(UTC)
        # The same notice comes more than once: it is the same each time, by its id.
        for _ in range(2):
            notice = await self.read(gateway, merchant, body, self.signed(merchant, body, at=wall), now=wall)
            assert (notice.subject, notice.business_key) == (RequestKind.CHARGE, request.business_key)
            assert (notice.outcome.kind, notice.outcome.amount) == (OutcomeKind.SUCCEEDED, request.amount)
            assert notice.notice_id

    async def test_a_notice_is_of_now_or_refused(self, gateway, credentials, merchant):
        body, wall = self.strange_notice(merchant), datetime.now(UTC)
        headers = self.signed(merchant, body, at=wall)
        for shift in (timedelta(seconds=290), timedelta(seconds=-290)):
            assert await self.read(gateway, merchant, body, headers, now=wall + shift)
        for shift in (timedelta(seconds=302), timedelta(seconds=-302)):
            with pytest.raises(BadNotice):
                await self.read(gateway, merchant, body, headers, now=wall + shift)

    async def test_a_notice_is_verified_over_its_very_bytes(self, gateway, credentials, merchant):
        request = await self.paid(gateway, credentials)
        body, wall = await self.notice_of_payment(merchant, request), datetime.now(UTC)
        headers = self.signed(merchant, body, at=wall)
        for changed in (body + b" ", b"\xef\xbb\xbf" + body, body.replace(b"4", b"5", 1), body[:-1], b""):
            with pytest.raises(BadNotice):
                await self.read(gateway, merchant, changed, headers, now=wall)

    async def test_a_forged_notice_is_refused(self, gateway, credentials, merchant):
        body, wall = self.strange_notice(merchant), datetime.now(UTC)
        forged = self.forged(merchant, body, at=wall)
        assert len(forged) >= 5
        for headers in forged:
            with pytest.raises(BadNotice):
                await self.read(gateway, merchant, body, headers, now=wall)
        with pytest.raises(BadNotice):
            await gateway.read_notice(self.signed(merchant, body, at=wall), body, secret="", settings={}, now=wall)

    async def test_a_notice_of_a_kind_that_nobody_knows_is_of_no_concern(self, gateway, credentials, merchant):
        body, wall = self.strange_notice(merchant), datetime.now(UTC)
        notice = await self.read(gateway, merchant, body, self.signed(merchant, body, at=wall), now=wall)
        assert (notice.subject, notice.outcome, notice.dispute, notice.elsewhere) == (None, None, None, None)
        assert notice.method is None
        assert notice.type

    async def test_what_verifies_alone_asks_nobody(self, gateway, merchant, monkeypatch):
        """It may be asked within a transaction, where a call to the outside fails."""
        for each in (http, bulkhead):
            monkeypatch.setattr(each, "in_transaction", lambda: gateway.verifies_alone)
        body, wall = self.strange_notice(merchant), datetime.now(UTC)
        assert await self.read(gateway, merchant, body, self.signed(merchant, body, at=wall), now=wall)

    @pytest.mark.parametrize("body", [b"", b"[]", b"nonsense", b"{}", b'{"id": 1, "type": "x"}', b"[" * 100_000])
    async def test_a_signed_body_that_is_no_notice_is_told_apart(self, gateway, merchant, body):
        wall = datetime.now(UTC)
        with pytest.raises(UnreadableNotice):
            await self.read(gateway, merchant, body, self.signed(merchant, body, at=wall), now=wall)

    async def test_a_dispute_names_the_payment_that_it_takes_back(self, gateway, credentials, merchant):
        if not self.has_disputes:
            return
        request = await self.prepared(gateway, credentials)
        outcome = await gateway.confirm(credentials, request, key="c" + request.business_key)
        body, wall = await self.notice_of_dispute(merchant, request), datetime.now(UTC)
        notice = await self.read(gateway, merchant, body, self.signed(merchant, body, at=wall), now=wall)
        news = notice.dispute
        assert (notice.subject, news.status, news.amount) == (None, DisputeStatus.OPEN, request.amount)
        assert news.dispute_ref
        assert news.charge_ref == outcome.charge_ref or news.provider_ref == request.provider_ref

    async def test_a_saved_card_that_its_bank_renewed_is_told_by_its_token_and_payer(
        self, gateway, credentials, merchant
    ):
        if not self.tells_of_methods:
            return
        request = self.a_request(RequestKind.SETUP)
        saved = await gateway.setup(credentials, request, key=request.business_key)
        for tell, year in ((self.notice_of_renewal, 2041), (self.notice_of_detaching, None)):
            body, wall = await tell(merchant, saved.card.token), datetime.now(UTC)
            notice = await self.read(gateway, merchant, body, self.signed(merchant, body, at=wall), now=wall)
            news = notice.method
            assert (notice.subject, news.token, news.payer_ref) == (None, saved.card.token, saved.payer_ref)
            assert saved.payer_ref
            shown = replace(saved.card, token="", exp_month=3, exp_year=year) if year else None
            assert news.card == shown
            assert abs((notice.created_at - wall).total_seconds()) < 60
