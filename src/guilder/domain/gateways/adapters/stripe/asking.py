"""What our requests are in Stripe's: built once, so that asking again under the same key asks the very same.

Nothing goes in that may be another a day later (a merchant's name, the time): Stripe refuses a key with other parameters.
"""

import stripe

from guilder.domain.gateways.adapters.stripe import mapping
from guilder.domain.gateways.model import GatewayRequest

DESCRIPTION_MAX = 500


def customer(request: GatewayRequest) -> stripe.params.CustomerCreateParams:
    """A customer without a name or an address: Stripe hears those from the customer, on its own page."""
    return {"metadata": {"customer_id": str(request.customer_id), "tenant_id": str(request.tenant_id)}}


def intent(request: GatewayRequest, *, amount: int, payer: str) -> stripe.params.PaymentIntentCreateParams:
    """Not confirmed: nothing is charged yet. No suffix of the statement: too long a one would refuse the charge."""
    asked: stripe.params.PaymentIntentCreateParams = {
        "amount": amount,
        "currency": _currency(request),
        "customer": payer,
        "metadata": mapping.metadata(request),
        # The customer is not there to be sent anywhere.
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
    }
    if request.description:
        asked["description"] = request.description[:DESCRIPTION_MAX]
    return asked


def paying_session(request: GatewayRequest, *, amount: int, payer: str) -> stripe.params.checkout.SessionCreateParams:
    """A page that charges exactly this, and keeps the method for charges when the customer is absent."""
    kept: stripe.params.checkout.SessionCreateParamsPaymentIntentData = {
        "metadata": mapping.metadata(request),
        "setup_future_usage": "off_session",
    }
    if request.description:
        kept["description"] = request.description[:DESCRIPTION_MAX]
    return {
        "mode": "payment",
        "customer": payer,
        "client_reference_id": str(request.subject_id),
        "metadata": mapping.metadata(request),
        "payment_intent_data": kept,
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": _currency(request),
                    "unit_amount": amount,
                    "product_data": {"name": request.description[:250] or "Payment"},
                },
            }
        ],
        # Another currency or a code of Stripe's would make it another amount than was asked for.
        "adaptive_pricing": {"enabled": False},
        "allow_promotion_codes": False,
        **_leads_back(request),
    }


def saving_session(request: GatewayRequest, *, payer: str) -> stripe.params.checkout.SessionCreateParams:
    return {
        "mode": "setup",
        "customer": payer,
        "client_reference_id": str(request.subject_id),
        "metadata": mapping.metadata(request),
        "setup_intent_data": {"metadata": mapping.metadata(request)},
        "allowed_payment_method_types": ["card"],
        **_leads_back(request),
    }


def setup(request: GatewayRequest, *, payer: str) -> stripe.params.SetupIntentCreateParams:
    """Save the token's method for charges when the customer is absent; at once, as no money moves."""
    asked: stripe.params.SetupIntentCreateParams = {
        "customer": payer,
        "payment_method": mapping.split(request.method_token)[1],
        "usage": "off_session",
        "confirm": True,
        "metadata": mapping.metadata(request),
        "expand": ["payment_method"],
    }
    if request.return_url:
        asked["return_url"] = request.return_url
        asked["automatic_payment_methods"] = {"enabled": True, "allow_redirects": "always"}
    else:
        asked["automatic_payment_methods"] = {"enabled": True, "allow_redirects": "never"}
    return asked


def _leads_back(request: GatewayRequest) -> stripe.params.checkout.SessionCreateParams:
    url = request.return_url
    return {"success_url": f"{url}{'&' if '?' in url else '?'}done=1", "cancel_url": url}


def _currency(request: GatewayRequest) -> str:
    assert request.amount is not None, request
    return request.amount.currency.lower()
