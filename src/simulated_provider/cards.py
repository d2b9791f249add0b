"""The test cards: a table of data, and the one function that reads it.

A card is typed on the hosted page by its number, or named in the API by its token. No other number is ever accepted.
"""

from dataclasses import dataclass
from enum import StrEnum

from simulated_provider.wire import Document

EXP_MONTH, EXP_YEAR = 12, 2034  # what a token shows; no card expires by the passing of time


class Way(StrEnum):
    """What a card does when it is charged."""

    SUCCEED = "succeed"
    DECLINE = "decline"
    AUTHENTICATE = "authenticate"
    LATER = "later"
    LATER_DECLINE = "later_decline"
    ONCE = "once"
    FIRST_ONLY = "first_only"
    THIRD_TIME = "third_time"
    CHARGE_AND_DROP = "charge_and_drop"
    DROP_FIRST = "drop_first"
    SLOW = "slow"
    DOWN = "down"


class Step(StrEnum):
    """What happens to an intent; intents.py has the table of which step leads where."""

    ATTACH = "attach"
    SUCCEED = "succeed"
    DECLINE = "decline"
    PROCESS = "process"
    CHALLENGE = "challenge"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Decline:
    """Why the bank said no. Hard declines are never worth another try with the same card."""

    code: str
    decline_code: str
    message: str
    is_hard: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    token: str
    number: str
    title: str
    says: str
    way: Way = Way.SUCCEED
    decline: Decline | None = None
    can_be_saved: bool = True  # else saving it without a payment is declined as a payment would be
    brand: str = "visa"

    @property
    def last4(self) -> str:
        return self.number[-4:]

    @property
    def spaced(self) -> str:
        return " ".join(self.number[at : at + 4] for at in range(0, len(self.number), 4))


GENERIC = Decline("card_declined", "generic_decline", "Your card was declined.")
FUNDS = Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.")
LOST = Decline("card_declined", "lost_card", "Your card was declined.", is_hard=True)
STOLEN = Decline("card_declined", "stolen_card", "Your card was declined.", is_hard=True)
EXPIRED = Decline("expired_card", "expired_card", "Your card has expired.", is_hard=True)
CVC = Decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.")
PROCESSING = Decline("processing_error", "processing_error", "An error occurred while processing your card.")
FRAUD = Decline("card_declined", "fraudulent", "Your card was declined.", is_hard=True)
DO_NOT_HONOR = Decline("card_declined", "do_not_honor", "Your card was declined by its bank.")
NO_ACCOUNT = Decline("card_declined", "invalid_account", "The account of this card does not exist.", is_hard=True)
AUTHENTICATION = Decline(
    "authentication_required", "authentication_required", "This payment needs the customer to authenticate."
)
REFUSED = Decline("authentication_failed", "authentication_failed", "The authentication was refused.")

CARDS = (
    Card("pm_card_ok", "4242424242424242", "Success", "Every payment succeeds."),
    Card("pm_card_mastercard", "5555555555554444", "Success, Mastercard", "The same.", brand="mastercard"),
    Card("pm_card_authentication_required", "4000002760003184", "Authentication required",
         "Asks to approve; off session it declines (authentication_required).", Way.AUTHENTICATE),
    Card("pm_card_declined", "4000000000000002", "Declined", "Generic decline.", Way.DECLINE, GENERIC,
         can_be_saved=False),
    Card("pm_card_insufficient_funds", "4000000000009995", "Insufficient funds",
         "Declines every payment; can be saved.", Way.DECLINE, FUNDS),
    Card("pm_card_do_not_honor", "4000000000005100", "Do not honor", "Declined by its bank; can be saved.",
         Way.DECLINE, DO_NOT_HONOR),
    Card("pm_card_lost", "4000000000009987", "Lost card", "Hard decline.", Way.DECLINE, LOST, can_be_saved=False),
    Card("pm_card_stolen", "4000000000009979", "Stolen card", "Hard decline.", Way.DECLINE, STOLEN,
         can_be_saved=False),
    Card("pm_card_fraudulent", "4100000000000019", "Fraud suspected", "Hard decline.", Way.DECLINE, FRAUD,
         can_be_saved=False),
    Card("pm_card_invalid_account", "4000000000005209", "Invalid account", "Hard decline; can be saved.",
         Way.DECLINE, NO_ACCOUNT),
    Card("pm_card_expired", "4000000000000069", "Expired card", "Declines as expired.", Way.DECLINE, EXPIRED,
         can_be_saved=False),
    Card("pm_card_incorrect_cvc", "4000000000000127", "Incorrect CVC", "Declines the security code.", Way.DECLINE,
         CVC, can_be_saved=False),
    Card("pm_card_processing_error", "4000000000000119", "Processing error", "The bank could not process it.",
         Way.DECLINE, PROCESSING, can_be_saved=False),
    Card("pm_card_first_only", "4000000000000341", "First payment only",
         "Works once; every later off-session payment declines.", Way.FIRST_ONLY, GENERIC),
    Card("pm_card_once", "4000000000005308", "Once, then no funds", "The first payment succeeds, later ones have no"
         " funds.", Way.ONCE, FUNDS),
    Card("pm_card_third_time", "4000000000005407", "Third time lucky", "Declines twice, then succeeds.",
         Way.THIRD_TIME, FUNDS),
    Card("pm_card_async", "4000000000005506", "Settles later", "Stays processing, succeeds after 3 days.", Way.LATER),
    Card("pm_card_async_declined", "4000000000005605", "Fails later", "Stays processing, declines after 3 days.",
         Way.LATER_DECLINE, FUNDS),
    Card("pm_card_charged_no_answer", "4000000000005704", "Charged, no answer",
         "Charges, then drops the connection.", Way.CHARGE_AND_DROP),
    Card("pm_card_not_charged_no_answer", "4000000000005803", "Not charged, no answer",
         "Drops the first try of each payment before acting; the next succeeds.", Way.DROP_FIRST),
    Card("pm_card_slow", "4000000000005902", "Slow", "Charges at once, answers after 8 seconds.", Way.SLOW),
    Card("pm_card_down", "4000000000006108", "Network down", "Always answers 503; never charges.", Way.DOWN),
)  # fmt: skip

BY_TOKEN = {card.token: card for card in CARDS}
BY_NUMBER = {card.number: card for card in CARDS}
assert len(BY_TOKEN) == len(BY_NUMBER) == len(CARDS)
assert all(card.decline for card in CARDS if card.way is Way.DECLINE)


def verdict(card: Card, *, off_session: bool, uses: int) -> tuple[Step, Decline | None]:
    """Say what becomes of a payment with this card that was used so often before (by this customer)."""
    if card.way is Way.AUTHENTICATE:
        return (Step.DECLINE, AUTHENTICATION) if off_session else (Step.CHALLENGE, None)
    if card.way in {Way.LATER, Way.LATER_DECLINE}:
        return Step.PROCESS, None
    if declines(card, off_session=off_session, uses=uses):
        return Step.DECLINE, card.decline
    return Step.SUCCEED, None


def declines(card: Card, *, off_session: bool, uses: int) -> bool:
    match card.way:
        case Way.DECLINE:
            return True
        case Way.ONCE:
            return uses > 0
        case Way.FIRST_ONLY:
            return uses > 0 and off_session
        case Way.THIRD_TIME:
            return uses < 2
        case _:
            return False


def details(card: Card, *, exp_month: int = EXP_MONTH, exp_year: int = EXP_YEAR) -> Document:
    """Show a card the way it may be shown: brand, last four digits, expiry."""
    return {"brand": card.brand, "last4": card.last4, "exp_month": exp_month, "exp_year": exp_year}
