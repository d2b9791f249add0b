"""What the payment page says in Italian."""

from guilder.domain.orders.rules.checkout import State

SAID = {
    State.OPEN: ("Il suo pagamento", "Paghi in sicurezza sulla pagina del nostro fornitore di pagamenti."),
    State.OPENING: ("Un momento", "Stiamo aprendo la pagina di pagamento."),
    State.CONTINUE: ("Il suo pagamento", "La pagina di pagamento è pronta."),
    State.TRANSFER: (
        "Pagare con bonifico",
        "Versi l’intero importo e indichi il riferimento esattamente come riportato qui.",
    ),
    State.PROCESSING: ("Pagamento in elaborazione", "Attendiamo la conferma. Può lasciare questa pagina."),
    State.DECLINED: (
        "Il pagamento è stato rifiutato",
        "Non è stato addebitato nulla. Riprovi, oppure usi un’altra carta.",
    ),
    State.PAID: ("Pagato. Grazie!", "Abbiamo ricevuto il suo pagamento. La ricevuta le arriva per e-mail."),
    State.VOID: ("Nulla da pagare", "Questa fattura è stata ritirata. Non deve fare nulla."),
    State.EXPIRED: ("Questo link è scaduto", "Chieda un nuovo link di pagamento."),
}
LABELS = {
    "pay": "Paga",
    "again": "Riprova",
    "invoice": "Fattura",
    "date": "Data",
    "subtotal": "Subtotale",
    "total": "Totale",
    "due": "Da pagare",
    "transfer_amount": "Importo",
    "transfer_reference": "Riferimento",
    "transfer_to": "A",
    "test": "Modalità di prova: non si muove denaro.",
    "unknown": "Questa pagina di pagamento non esiste",
    "unknown_said": "Controlli il link o ne chieda uno nuovo.",
    "busy": "Un momento, per favore",
    "busy_said": "La pagina di pagamento non può essere aperta ora. Riprovi fra un minuto.",
    "saved": "Grazie!",
    "saved_said": "Il metodo di pagamento viene salvato. Può chiudere questa pagina.",
    "not_saved": "Nessuna modifica salvata",
    "not_saved_said": "Non è stato aggiunto alcun metodo di pagamento. Può chiudere questa pagina.",
}
