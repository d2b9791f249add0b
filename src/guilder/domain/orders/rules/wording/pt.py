"""What the payment page says in Portuguese."""

from guilder.domain.orders.rules.checkout import State

SAID = {
    State.OPEN: ("O seu pagamento", "Pague em segurança na página do nosso prestador de pagamentos."),
    State.OPENING: ("Um momento", "Estamos a abrir a página de pagamento."),
    State.CONTINUE: ("O seu pagamento", "A página de pagamento está pronta."),
    State.TRANSFER: (
        "Pagar por transferência",
        "Transfira o valor total e indique a referência exatamente como aparece aqui.",
    ),
    State.PROCESSING: ("O pagamento está a ser processado", "Aguardamos a confirmação. Pode sair desta página."),
    State.DECLINED: ("O pagamento foi recusado", "Nada foi cobrado. Tente novamente ou com outro cartão."),
    State.PAID: ("Pago. Obrigado!", "Recebemos o seu pagamento. Enviamos-lhe o recibo por e-mail."),
    State.VOID: ("Nada a pagar", "Esta fatura foi retirada. Não precisa de fazer nada."),
    State.EXPIRED: ("Esta ligação expirou", "Peça uma nova ligação de pagamento."),
}
LABELS = {
    "pay": "Pagar",
    "again": "Tentar novamente",
    "invoice": "Fatura",
    "date": "Data",
    "subtotal": "Subtotal",
    "total": "Total",
    "due": "A pagar",
    "transfer_amount": "Valor",
    "transfer_reference": "Referência",
    "transfer_to": "Para",
    "test": "Modo de teste: não há movimento de dinheiro.",
    "unknown": "Esta página de pagamento não existe",
    "unknown_said": "Verifique a ligação ou peça uma nova.",
    "busy": "Um momento, por favor",
    "busy_said": "De momento não é possível abrir a página de pagamento. Tente novamente dentro de um minuto.",
    "saved": "Obrigado!",
    "saved_said": "O seu método de pagamento está a ser guardado. Pode fechar esta página.",
    "not_saved": "Nada foi guardado",
    "not_saved_said": "Não foi adicionado nenhum método de pagamento. Pode fechar esta página.",
}
