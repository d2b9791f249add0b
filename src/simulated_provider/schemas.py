"""What callers may say, field by field. Strict: "10", true and 10.0 are not integers, and an unknown field is refused."""

from datetime import datetime
from typing import Annotated, Literal

from babel.numbers import is_currency
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

AMOUNT_MAX = 10**12


def _iso_currency(code: str) -> str:
    if not is_currency(code.upper()):
        raise ValueError("not an ISO 4217 currency")
    return code.upper()


def _web_address(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("not an http(s) address")
    return url


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("says no time zone")
    return moment


Amount = Annotated[int, Field(gt=0, le=AMOUNT_MAX)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{3}$"), AfterValidator(_iso_currency)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=40)]
Metadata = Annotated[dict[Key, Annotated[str, StringConstraints(max_length=500)]], Field(max_length=50)]
WebAddress = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_web_address)]
Instant = Annotated[datetime, Field(strict=False), AfterValidator(_aware)]
Seconds = Annotated[float, Field(ge=0, le=10**8)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Nothing(Strict):
    """A body that says nothing: {} or none."""


class NewPaymentIntent(Strict):
    amount: Amount
    currency: Currency
    customer: Text | None = None
    payment_method: Text | None = None
    metadata: Metadata = {}
    description: Text | None = None
    off_session: bool = False
    setup_future_usage: Literal["off_session"] | None = None


class Confirmation(Strict):
    payment_method: Text | None = None
    off_session: bool | None = None


class CardDetails(Strict):
    number: Annotated[str, StringConstraints(pattern=r"^[0-9 ]{12,24}$")]
    exp_month: Annotated[int, Field(ge=1, le=12)]
    exp_year: Annotated[int, Field(ge=2000, le=2100)]
    cvc: Annotated[str, StringConstraints(pattern=r"^[0-9]{3,4}$")] | None = None


class Renewal(Strict):
    """What a bank writes on the card that it issues anew; left out, the number stays and the date is years later."""

    number: Annotated[str, StringConstraints(pattern=r"^[0-9 ]{12,24}$")] | None = None
    exp_month: Annotated[int, Field(ge=1, le=12)] | None = None
    exp_year: Annotated[int, Field(ge=2000, le=2100)] | None = None


class NewSetupIntent(Strict):
    customer: Text | None = None
    payment_method: Text | None = None
    card: CardDetails | None = None
    metadata: Metadata = {}


class SetupConfirmation(Strict):
    payment_method: Text | None = None
    card: CardDetails | None = None


class NewCheckoutSession(Strict):
    payment_intent: Text | None = None
    setup_intent: Text | None = None
    success_url: WebAddress
    cancel_url: WebAddress
    merchant_name: Annotated[str, StringConstraints(min_length=1, max_length=80)] | None = None


class NewRefund(Strict):
    payment_intent: Text
    amount: Amount | None = None
    metadata: Metadata = {}
    reason: Text | None = None


class NewDispute(Strict):
    """Without an amount, all that is left of the charge; an inquiry takes nothing yet."""

    payment_intent: Text
    amount: Amount | None = None
    reason: Text = "fraudulent"
    inquiry: bool = False
    fee: Amount | None = 1500


class DisputeMove(Strict):
    status: Literal["needs_response", "won", "lost"]


class NewWebhookEndpoint(Strict):
    url: WebAddress
    secret: Annotated[str, StringConstraints(pattern=r"^whsec_[A-Za-z0-9_+/=-]{8,200}$")] | None = None


class NewAccount(Strict):
    account: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,80}$")]
    api_key: Annotated[str, StringConstraints(min_length=8, max_length=200)] | None = None


class ClockMove(Strict):
    now: Instant


class Settings(Strict):
    """What an account may set about itself; left out means unchanged."""

    merchant_name: Annotated[str, StringConstraints(min_length=1, max_length=80)] | None = None
    slow_seconds: Seconds | None = None
    async_delay_seconds: Seconds | None = None


class Fault(Strict):
    mode: Literal[
        "ok",
        "drop_before",
        "drop_after",
        "hold",
        "status",
        "html",
        "truncated",
        "unknown_status",
        "wrong_amount",
        "delay",
        "revoked",
        "webhook_first",
    ]
    op: Literal["prepare", "confirm", "refund", "lookup", "cancel", "session", "method", "endpoint", "any"] = "any"
    times: Annotated[int, Field(gt=0)] | None = None
    phase: Literal["before", "after"] = "after"
    status: Annotated[int, Field(ge=400, le=599)] = 503
    retry_after: Annotated[int, Field(ge=0)] | None = None
    seconds: Seconds = 8
    amount: Amount | None = None
    currency: Currency | None = None


class Release(Strict):
    drop: bool = False


class WebhookMode(Strict):
    mode: Literal["ok", "drop", "hold", "duplicate", "reverse"]
    copies: Annotated[int, Field(ge=2, le=100)] = 2


class WebhookRelease(Strict):
    order: Literal["forward", "reverse"] | list[Text] = "forward"


class Redelivery(Strict):
    copies: Annotated[int, Field(ge=1, le=100)] = 1


class Challenge(Strict):
    approve: bool
