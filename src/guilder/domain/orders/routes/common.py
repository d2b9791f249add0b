"""What the routes of orders have in common: who asks, and for what beside the thing itself."""

from guilder.domain.orders import service
from guilder.platform.http.session import RequestSession


def asked_by(session: RequestSession, metadata: dict[str, str]) -> service.Asked:
    return service.Asked(base_url=session.base_url, only=session.customer_filter, metadata=metadata)
