"""What the payment page says in German."""

from guilder.domain.orders.rules.checkout import State

SAID = {
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
}
LABELS = {
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
    "saved": "Vielen Dank!",
    "saved_said": "Ihre Zahlungsart wird gespeichert. Sie können diese Seite schließen.",
    "not_saved": "Nichts gespeichert",
    "not_saved_said": "Es wurde keine Zahlungsart hinzugefügt. Sie können diese Seite schließen.",
}
