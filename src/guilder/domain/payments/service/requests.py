"""What payments asks of gateways, written."""

from datetime import datetime
from uuid import UUID

from guilder.domain.gateways.model import GatewayRequest, RequestKind
from guilder.domain.payments.model import Payment, PaymentMethod, Via
from guilder.kernel import ids


def charge(
    payment: Payment, account_id: UUID, *, now: datetime, token: str = "", return_url: str = ""
) -> GatewayRequest:
    return GatewayRequest(
        tenant_id=payment.tenant_id,
        id=ids.new(now),
        account_id=account_id,
        gateway=payment.gateway,
        kind=RequestKind.CHARGE,
        business_key=payment.business_key,
        subject_id=payment.id,
        customer_id=payment.customer_id,
        amount=payment.amount,
        method_token=token,
        is_on_session=payment.via is Via.LINK,
        return_url=return_url,
        description=payment.description,
        claim=payment.claim,
    )


def cancellation(payment: Payment, *, now: datetime) -> GatewayRequest:
    assert payment.account_id is not None, payment
    return GatewayRequest(
        tenant_id=payment.tenant_id,
        id=ids.new(now),
        account_id=payment.account_id,
        gateway=payment.gateway,
        kind=RequestKind.CANCEL,
        business_key=payment.business_key,
        subject_id=payment.id,
        customer_id=payment.customer_id,
        amount=payment.amount,
        provider_ref=payment.provider_ref,
        is_on_session=payment.via is Via.LINK,
        claim=payment.claim,
    )


def setup(method: PaymentMethod, *, token: str | None, return_url: str, now: datetime) -> GatewayRequest:
    return GatewayRequest(
        tenant_id=method.tenant_id,
        id=ids.new(now),
        account_id=method.account_id,
        gateway=method.gateway,
        kind=RequestKind.SETUP,
        business_key=method.business_key,
        subject_id=method.id,
        customer_id=method.customer_id,
        method_token=token or "",
        is_on_session=token is None,
        return_url=return_url,
    )
