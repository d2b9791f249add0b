"""Routers: what HTTP serves, room by room."""

from guilder.domain.audit import routes as audit
from guilder.domain.catalog import routes as catalog
from guilder.domain.customers import routes as customers
from guilder.domain.dunning import routes as dunning
from guilder.domain.entitlements import routes as entitlements
from guilder.domain.gateways import routes as gateways
from guilder.domain.identity import routes as identity
from guilder.domain.invoicing import routes as invoicing
from guilder.domain.notifications import routes as notifications
from guilder.domain.orders import routes as orders
from guilder.domain.payments import routes as payments
from guilder.domain.privacy import routes as privacy
from guilder.domain.subscriptions import routes as subscriptions
from guilder.domain.usage import routes as usage
from guilder.domain.webhooks import routes as webhooks
from guilder.platform.http.router import Router
from guilder.wiring import runs

ROUTERS: tuple[Router, ...] = (
    notifications.webhooks,  # before the gateways', whose addresses begin alike
    identity.router,
    customers.router,
    catalog.router,
    gateways.router,
    payments.router,
    subscriptions.router,
    usage.router,
    invoicing.router,
    invoicing.files_router,
    orders.router,
    dunning.router,
    entitlements.router,
    notifications.router,
    notifications.pages,
    webhooks.router,
    audit.router,
    privacy.router,
    runs.router,
)
