"""What the payment page says in Dutch."""

from guilder.domain.orders.rules.checkout import State

SAID = {
    State.OPEN: ("Uw betaling", "Betaal veilig op de pagina van onze betaaldienst."),
    State.OPENING: ("Een ogenblik", "We openen de betaalpagina voor u."),
    State.CONTINUE: ("Uw betaling", "De betaalpagina staat klaar."),
    State.TRANSFER: (
        "Betalen per overschrijving",
        "Maak het hele bedrag over en vermeld het kenmerk precies zoals het hier staat.",
    ),
    State.PROCESSING: ("De betaling wordt verwerkt", "We wachten op de bevestiging. U kunt deze pagina verlaten."),
    State.DECLINED: (
        "De betaling is geweigerd",
        "Er is niets afgeschreven. Probeer het opnieuw, of met een andere kaart.",
    ),
    State.PAID: ("Betaald. Hartelijk dank!", "We hebben uw betaling ontvangen. U krijgt de bevestiging per e-mail."),
    State.VOID: ("Niets te betalen", "Deze factuur is ingetrokken. U hoeft niets te doen."),
    State.EXPIRED: ("Deze link is verlopen", "Vraag een nieuwe betaallink aan."),
}
LABELS = {
    "pay": "Betalen",
    "again": "Opnieuw proberen",
    "invoice": "Factuur",
    "date": "Datum",
    "subtotal": "Subtotaal",
    "total": "Totaal",
    "due": "Te betalen",
    "transfer_amount": "Bedrag",
    "transfer_reference": "Kenmerk",
    "transfer_to": "Aan",
    "test": "Testmodus: er gaat geen geld om.",
    "unknown": "Deze betaalpagina bestaat niet",
    "unknown_said": "Controleer de link of vraag een nieuwe aan.",
    "busy": "Een ogenblik alstublieft",
    "busy_said": "De betaalpagina kan nu niet worden geopend. Probeer het over een minuut opnieuw.",
    "saved": "Bedankt!",
    "saved_said": "Uw betaalmethode wordt opgeslagen. U kunt deze pagina sluiten.",
    "not_saved": "Er is niets opgeslagen",
    "not_saved_said": "Er is geen betaalmethode toegevoegd. U kunt deze pagina sluiten.",
}
