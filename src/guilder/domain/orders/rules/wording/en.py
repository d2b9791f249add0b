"""What the payment page says in English."""

from guilder.domain.orders.rules.checkout import State

SAID = {
    State.OPEN: ("Your payment", "Pay safely on the page of our payment provider."),
    State.OPENING: ("One moment", "We are opening the payment page for you."),
    State.CONTINUE: ("Your payment", "The payment page is ready."),
    State.TRANSFER: (
        "Pay by bank transfer",
        "Please transfer the whole amount, and give the reference exactly as it is here.",
    ),
    State.PROCESSING: ("Payment is being processed", "We are waiting for the confirmation. You can leave this page."),
    State.DECLINED: ("The payment was declined", "Nothing was charged. Please try again, or with another card."),
    State.PAID: ("Paid. Thank you!", "We have received your payment. A receipt is on its way to you by e-mail."),
    State.VOID: ("Nothing to pay", "This invoice was withdrawn. You need not do anything."),
    State.EXPIRED: ("This link has expired", "Please ask for a new payment link."),
}
LABELS = {
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
    "saved": "Thank you!",
    "saved_said": "Your payment method is being saved. You can close this page.",
    "not_saved": "Nothing was saved",
    "not_saved_said": "No payment method was added. You can close this page.",
}
