"""Checkout sessions: an unguessable address where the customer pays, or saves a card, by hand."""

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from simulated_provider import accounts, intents, schemas, setups
from simulated_provider.accounts import Account
from simulated_provider.methods import Means
from simulated_provider.state import Tx, loads, new_id, unix
from simulated_provider.wire import Answer, Document, Problem, missing

KIND = "checkout_session"
OPEN_FOR = timedelta(hours=24)  # of the account's time


def create(tx: Tx, account: Account, asked: schemas.NewCheckoutSession, *, base_url: str, now: datetime) -> Answer:
    """Open a page for one intent.

    :raises Problem: 400 unless exactly one intent is named, 404
    """
    if (asked.payment_intent is None) == (asked.setup_intent is None):
        raise Problem(400, "parameter_invalid", "Name a payment_intent or a setup_intent, and only one.")
    kind = intents.KIND if asked.payment_intent else setups.KIND
    tx.get(account.id, kind, asked.payment_intent or asked.setup_intent or "")
    session_id = new_id("cs")
    session: Document = {
        "id": session_id,
        "object": KIND,
        "url": f"{base_url}/pay/{session_id}",
        "status": "open",
        "created": unix(now),
        "expires_at": unix(now + OPEN_FOR),
        "metadata": {},
        "livemode": False,
        **asked.model_dump(),
    }
    session["merchant_name"] = asked.merchant_name or account.merchant_name
    tx.add(account.id, session)
    return Answer(session)


def show(tx: Tx, account: Account, session_id: str, *, now: datetime) -> Document:
    """Return the session as it stands now: complete once its intent settled, expired after its time."""
    session = tx.get(account.id, KIND, session_id)
    if session["status"] == "open":
        if intent_of(tx, account, session)["status"] in intents.SETTLED:
            session["status"] = "complete"
        elif unix(now) >= session["expires_at"]:
            session["status"] = "expired"
    return session


def expire(tx: Tx, account: Account, session_id: str, *, now: datetime) -> Answer:
    """Close the page. Once it was completed it stays so and this is refused."""
    session = show(tx, account, session_id, now=now)
    if session["status"] == "complete":
        raise Problem(400, "session_unexpected_state", "This session is complete.")
    session["status"] = "expired"
    tx.save(session)
    return Answer(session)


def of_page(tx: Tx, session_id: str) -> tuple[Account, Document]:
    """Find a session by its id alone: who knows the address may pay."""
    row = tx.row("select account, body from objects where id = ? and kind = ?", session_id, KIND)
    if row is None:
        missing(KIND, session_id)
    return accounts.get(tx, row["account"]), loads(row["body"])


def of_intent(tx: Tx, account: Account, intent: Document) -> Document | None:
    """Find the newest session of an intent: where to go back to after the bank's page."""
    row = tx.row(
        "select body from objects where account = ? and kind = ? and json_extract(body, '$.' || ?) = ?"
        " order by seq desc limit 1",
        account.id, KIND, intent["object"], intent["id"],
    )  # fmt: skip
    return loads(row["body"]) if row else None


def intent_of(tx: Tx, account: Account, session: Document) -> Document:
    kind = intents.KIND if session["payment_intent"] else setups.KIND
    return tx.get(account.id, kind, session["payment_intent"] or session["setup_intent"])


def pay(tx: Tx, account: Account, intent: Document, *, means: Means, now: datetime) -> Answer:
    """Use the card that was typed; the customer is here, so it is on session."""
    if intent["object"] == setups.KIND:
        return setups.attempt(tx, account, intent, means=means, now=now)
    return intents.attempt(tx, account, intent, means=means, off_session=False, now=now)


def authenticate(tx: Tx, account: Account, intent: Document, *, approve: bool, now: datetime) -> Answer:
    verb = setups.authenticate if intent["object"] == setups.KIND else intents.authenticate
    return verb(tx, account, intent["id"], approve=approve, now=now)


def return_url(session: Document) -> str:
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def origins(session: Document) -> list[str]:
    """Where the page may send the browser on: browsers hold a form's redirect to the policy's form-action, too."""
    parts = [urlsplit(session[name]) for name in ("success_url", "cancel_url")]
    return sorted({f"{part.scheme}://{part.netloc}" for part in parts})
