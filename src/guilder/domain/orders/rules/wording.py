"""What the payment page says, by language. A language that is not here is spoken to in English."""

from collections.abc import Mapping

from guilder.domain.orders.rules.checkout import State

FALLBACK = "en"

# heading, sentence
SAID: Mapping[str, Mapping[State, tuple[str, str]]] = {
    "en": {
        State.OPEN: ("Your payment", "Pay safely on the page of our payment provider."),
        State.OPENING: ("One moment", "We are opening the payment page for you."),
        State.CONTINUE: ("Your payment", "The payment page is ready."),
        State.TRANSFER: (
            "Pay by bank transfer",
            "Please transfer the whole amount, and give the reference exactly as it is here.",
        ),
        State.PROCESSING: (
            "Payment is being processed",
            "We are waiting for the confirmation. You can leave this page.",
        ),
        State.DECLINED: ("The payment was declined", "Nothing was charged. Please try again, or with another card."),
        State.PAID: ("Paid. Thank you!", "We have received your payment. A receipt is on its way to you by e-mail."),
        State.VOID: ("Nothing to pay", "This invoice was withdrawn. You need not do anything."),
        State.EXPIRED: ("This link has expired", "Please ask for a new payment link."),
    },
    "de": {
        State.OPEN: ("Ihre Zahlung", "Bezahlen Sie sicher auf der Seite unseres Zahlungsanbieters."),
        State.OPENING: ("Einen Moment", "Wir öffnen die Zahlungsseite für Sie."),
        State.CONTINUE: ("Ihre Zahlung", "Die Zahlungsseite ist bereit."),
        State.TRANSFER: (
            "Per Überweisung bezahlen",
            "Bitte überweisen Sie den ganzen Betrag, und geben Sie die Referenz genau so an, wie sie hier steht.",
        ),
        State.PROCESSING: (
            "Die Zahlung wird bearbeitet",
            "Wir warten auf die Bestätigung. Sie können diese Seite verlassen.",
        ),
        State.DECLINED: (
            "Die Zahlung wurde abgelehnt",
            "Es wurde nichts abgebucht. Bitte versuchen Sie es noch einmal oder mit einer anderen Karte.",
        ),
        State.PAID: ("Bezahlt. Vielen Dank!", "Wir haben Ihre Zahlung erhalten. Die Quittung kommt per E-Mail."),
        State.VOID: ("Nichts zu bezahlen", "Diese Rechnung wurde zurückgezogen. Sie müssen nichts tun."),
        State.EXPIRED: ("Dieser Link ist abgelaufen", "Bitte fordern Sie einen neuen Zahlungslink an."),
    },
}
assert all(set(said) == set(State) for said in SAID.values())

LABELS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "pay": "Pay",
        "again": "Try again",
        "invoice": "Invoice",
        "date": "Date",
        "subtotal": "Subtotal",
        "total": "Total",
        "due": "To pay",
        "transfer_amount": "Amount",
        "transfer_reference": "Reference",
        "transfer_to": "To",
        "test": "Test mode: no money moves.",
        "unknown": "There is no such payment page",
        "unknown_said": "Please check the link, or ask for a new one.",
        "busy": "One moment, please",
        "busy_said": "The payment page cannot be opened right now. Please try again in a minute.",
    },
    "de": {
        "pay": "Bezahlen",
        "again": "Noch einmal versuchen",
        "invoice": "Rechnung",
        "date": "Datum",
        "subtotal": "Zwischensumme",
        "total": "Gesamt",
        "due": "Zu zahlen",
        "transfer_amount": "Betrag",
        "transfer_reference": "Referenz",
        "transfer_to": "An",
        "test": "Testbetrieb: Es fließt kein Geld.",
        "unknown": "Diese Zahlungsseite gibt es nicht",
        "unknown_said": "Bitte prüfen Sie den Link oder fordern Sie einen neuen an.",
        "busy": "Einen Moment bitte",
        "busy_said": "Die Zahlungsseite kann gerade nicht geöffnet werden. Bitte versuchen Sie es in einer Minute erneut.",
    },
}
assert set(LABELS) == set(SAID)
assert len({frozenset(labels) for labels in LABELS.values()}) == 1


def language_of(tag: str) -> str:
    spoken = tag.replace("_", "-").partition("-")[0]
    return spoken if spoken in SAID else FALLBACK
