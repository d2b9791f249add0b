"""What the payment page says in Spanish."""

from guilder.domain.orders.rules.checkout import State

SAID = {
    State.OPEN: ("Su pago", "Pague de forma segura en la página de nuestro proveedor de pagos."),
    State.OPENING: ("Un momento", "Estamos abriendo la página de pago."),
    State.CONTINUE: ("Su pago", "La página de pago está lista."),
    State.TRANSFER: (
        "Pagar por transferencia",
        "Transfiera el importe completo e indique la referencia exactamente como aparece aquí.",
    ),
    State.PROCESSING: ("El pago se está procesando", "Estamos esperando la confirmación. Puede cerrar esta página."),
    State.DECLINED: ("El pago ha sido rechazado", "No se ha cobrado nada. Inténtelo de nuevo o con otra tarjeta."),
    State.PAID: ("Pagado. ¡Gracias!", "Hemos recibido su pago. Le enviamos el recibo por correo electrónico."),
    State.VOID: ("No hay nada que pagar", "Esta factura se ha retirado. No tiene que hacer nada."),
    State.EXPIRED: ("Este enlace ha caducado", "Solicite un nuevo enlace de pago."),
}
LABELS = {
    "pay": "Pagar",
    "again": "Intentar de nuevo",
    "invoice": "Factura",
    "date": "Fecha",
    "subtotal": "Subtotal",
    "total": "Total",
    "due": "Por pagar",
    "transfer_amount": "Importe",
    "transfer_reference": "Referencia",
    "transfer_to": "Para",
    "test": "Modo de prueba: no se mueve dinero.",
    "unknown": "Esta página de pago no existe",
    "unknown_said": "Compruebe el enlace o solicite uno nuevo.",
    "busy": "Un momento, por favor",
    "busy_said": "La página de pago no se puede abrir ahora. Inténtelo de nuevo dentro de un minuto.",
    "saved": "¡Gracias!",
    "saved_said": "Su método de pago se está guardando. Puede cerrar esta página.",
    "not_saved": "No se ha guardado nada",
    "not_saved_said": "No se ha añadido ningún método de pago. Puede cerrar esta página.",
}
