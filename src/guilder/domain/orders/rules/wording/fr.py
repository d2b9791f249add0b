"""What the payment page says in French."""

from guilder.domain.orders.rules.checkout import State

SAID = {
    State.OPEN: ("Votre paiement", "Payez en toute sécurité sur la page de notre prestataire de paiement."),
    State.OPENING: ("Un instant", "Nous ouvrons la page de paiement."),
    State.CONTINUE: ("Votre paiement", "La page de paiement est prête."),
    State.TRANSFER: (
        "Payer par virement",
        "Veuillez virer la totalité du montant et indiquer la référence exactement comme ci-dessous.",
    ),
    State.PROCESSING: (
        "Paiement en cours de traitement",
        "Nous attendons la confirmation. Vous pouvez quitter cette page.",
    ),
    State.DECLINED: (
        "Le paiement a été refusé",
        "Rien n’a été débité. Veuillez réessayer, ou utiliser une autre carte.",
    ),
    State.PAID: ("Payé. Merci !", "Nous avons reçu votre paiement. Le reçu vous est envoyé par e-mail."),
    State.VOID: ("Rien à payer", "Cette facture a été retirée. Vous n’avez rien à faire."),
    State.EXPIRED: ("Ce lien a expiré", "Veuillez demander un nouveau lien de paiement."),
}
LABELS = {
    "pay": "Payer",
    "again": "Réessayer",
    "invoice": "Facture",
    "date": "Date",
    "subtotal": "Sous-total",
    "total": "Total",
    "due": "À payer",
    "transfer_amount": "Montant",
    "transfer_reference": "Référence",
    "transfer_to": "À",
    "test": "Mode test : aucun argent ne circule.",
    "unknown": "Cette page de paiement n’existe pas",
    "unknown_said": "Veuillez vérifier le lien ou en demander un nouveau.",
    "busy": "Un instant, s’il vous plaît",
    "busy_said": "La page de paiement ne peut pas être ouverte pour le moment. Veuillez réessayer dans une minute.",
    "saved": "Merci !",
    "saved_said": "Votre moyen de paiement est en cours d’enregistrement. Vous pouvez fermer cette page.",
    "not_saved": "Rien n’a été enregistré",
    "not_saved_said": "Aucun moyen de paiement n’a été ajouté. Vous pouvez fermer cette page.",
}
