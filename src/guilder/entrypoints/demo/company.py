"""The demo company: who it is, what it sells, and to whom. Data, and nothing else."""

from typing import Any

NAME = "Polder & Co"
TIME_ZONE = "Europe/Amsterdam"
SANDBOX = "Demo"

LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 180 40" width="180" height="40">'
    '<rect width="40" height="40" rx="9" fill="#12507b"/>'
    '<path d="M8 27 20 11l12 16z" fill="none" stroke="#fff" stroke-width="3" stroke-linejoin="round"/>'
    '<circle cx="20" cy="22" r="3" fill="#f5b83d"/>'
    '<text x="50" y="27" font-family="sans-serif" font-size="19" font-weight="700" fill="#12507b">Polder &amp; Co</text>'
    "</svg>"
).replace("&amp; ", "+ ")  # a logo may hold no escapes, so that nothing can hide behind one

ISSUER: dict[str, Any] = {
    "legal_name": "Polder & Co B.V.",
    "address": {"line1": "Keizersgracht 241", "postal_code": "1016 EA", "city": "Amsterdam", "country": "NL"},
    "vat_id": "NL004495445B01",
    "registration": "KvK 68750110",
    "email": "billing@polder.example",
    "logo_svg": LOGO,
    "number_format": "PC-{year}-{number:05}",
    "footer": "Thank you for your business. Questions about this invoice: billing@polder.example",
    "sender_name": "Polder & Co",
    "sender_email": "billing@polder.example",
    "language": "en",
}

TAX: dict[str, Any] = {"name": "VAT", "percent": "21", "country": "NL"}


def _prices(monthly: int, yearly: int) -> list[dict[str, Any]]:
    return [
        {"billing_cycle": "monthly", "amount": monthly, "currency": "EUR"},
        {"billing_cycle": "yearly", "amount": yearly, "currency": "EUR"},
    ]


PLANS: list[dict[str, Any]] = [
    {
        "code": "starter",
        "name": "Starter",
        "description": "For a small team that begins.",
        "prices": _prices(900, 9_000),
        "features": [{"code": "reports", "name": "Reports"}],
        "limits": [
            {"code": "seats", "name": "Seats", "included": 3},
            {"code": "projects", "name": "Projects", "included": 10},
        ],
    },
    {
        "code": "pro",
        "name": "Pro",
        "description": "For a team that has grown, with a trial of two weeks.",
        "prices": _prices(2_900, 29_000),
        "trial_days": 14,
        "features": [
            {"code": "reports", "name": "Reports"},
            {"code": "sso", "name": "Single sign-on"},
            {"code": "support", "name": "Support", "value": "priority"},
        ],
        "limits": [
            {"code": "seats", "name": "Seats", "included": 25},
            {"code": "projects", "name": "Projects", "included": None},
        ],
    },
]

METERS: list[dict[str, Any]] = [
    {"code": "api_calls", "name": "API calls", "aggregation": "sum"},
    {"code": "storage", "name": "Storage (GB)", "aggregation": "max"},
]

# A base fee in advance; use in arrears, some of it for fractions of a cent.
CLOUD: dict[str, Any] = {
    "code": "cloud",
    "name": "Cloud",
    "description": "Our interfaces for other people's programs: a base fee, and what is used.",
    "prices": [{"billing_cycle": "monthly", "amount": 4_900, "currency": "EUR"}],
    "features": [{"code": "api", "name": "API"}],
    "charges": [
        {
            "code": "api_calls",
            "name": "API calls",
            "meter": "api_calls",
            "prices": [
                {
                    "currency": "EUR",
                    "model": "graduated",
                    "tiers": [
                        {"up_to": "10000", "unit_amount": "0"},
                        {"up_to": "50000", "unit_amount": "0.08"},
                        {"up_to": "100000", "unit_amount": "0.05"},
                        {"up_to": None, "unit_amount": "0.025"},
                    ],
                }
            ],
        },
        {
            "code": "storage",
            "name": "Storage, packages of 100 GB",
            "meter": "storage",
            "prices": [{"currency": "EUR", "model": "package", "unit_amount": "450", "package_size": "100"}],
        },
    ],
}
PLANS.append(CLOUD)

PROMO_CODES: list[dict[str, Any]] = [
    {"code": "WELCOME20", "name": "Welcome: 20 % off", "percent": "20", "duration": "periods", "periods": 3},
]

PRODUCTS: list[dict[str, Any]] = [
    {
        "code": "film-dikes",
        "name": "Behind the Dikes (film)",
        "description": "A documentary, to be watched for 30 days.",
        "prices": [{"amount": 499, "currency": "EUR"}],
        "access_days": 30,
    },
    {
        "code": "course-billing",
        "name": "Billing from the Ground Up (course)",
        "description": "Twelve lessons, for ever.",
        "prices": [{"amount": 14_900, "currency": "EUR"}],
    },
]


def _customer(
    organization_id: str, name: str, language: str, zone: str, address: tuple[str, str, str, str], **more: str
) -> dict[str, Any]:
    line1, postal_code, city, country = address
    return {
        "organization_id": organization_id,
        "name": name,
        "email": f"finance@{organization_id}.example",
        "language": language,
        "time_zone": zone,
        "address": {"line1": line1, "postal_code": postal_code, "city": city, "country": country},
        **more,
    }


CUSTOMERS: list[dict[str, Any]] = [
    _customer("aurora", "Aurora Media B.V.", "nl", "Europe/Amsterdam", ("Oudegracht 18", "3511 AP", "Utrecht", "NL")),
    _customer("brasserie", "Brasserie Lumière SARL", "fr", "Europe/Paris", ("4 rue des Lilas", "69001", "Lyon", "FR")),
    _customer("kestrel", "Kestrel Werkzeuge GmbH", "de", "Europe/Berlin", ("Hafenstraße 9", "20457", "Hamburg", "DE")),
    _customer("nordlys", "Nordlys Studio ApS", "en", "Europe/Copenhagen", ("Nyhavn 31", "1051", "København", "DK")),
    _customer("sakura", "桜デザイン株式会社", "ja", "Asia/Tokyo", ("神宮前 3-14-5", "150-0001", "東京", "JP")),
    _customer(
        "maple",
        "Maya Maple",
        "en",
        "America/New_York",
        ("88 Orchard Street", "10002", "New York", "US"),
        kind="person",
    ),
    _customer(
        "lumen",
        "Lumen Robotics Oy",
        "en",
        "Europe/Helsinki",
        ("Mannerheimintie 12", "00100", "Helsinki", "FI"),
        vat_id="FI20774740",
    ),
]
