"""What people call the brands of cards, which providers write in words of their own: `visa`, `amex`, `eftpos_au`."""

_NAMES = {
    "amex": "American Express",
    "american_express": "American Express",
    "cartes_bancaires": "Cartes Bancaires",
    "cb": "Cartes Bancaires",
    "diners": "Diners Club",
    "diners_club": "Diners Club",
    "eftpos_au": "eftpos",
    "jcb": "JCB",
    "paypal": "PayPal",
    "unionpay": "UnionPay",
    "union_pay": "UnionPay",
    "china_union_pay": "UnionPay",
    "unknown": "",
}


def brand_name(brand: str) -> str:
    """Return a brand as it stands on the card; "" for none, and for what the provider does not know itself."""
    return _NAMES.get(brand.lower(), brand.replace("_", " ").title() if brand.islower() else brand)


def card_name(brand: str, last4: str) -> str:
    """Return what a card is called: `Visa •••• 4242`; "" where nothing is known of it."""
    return " ".join(part for part in (brand_name(brand), f"•••• {last4}" if last4 else "") if part)
