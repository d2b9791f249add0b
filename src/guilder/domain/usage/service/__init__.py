"""The verbs of usage. Batches in, batches out."""

from guilder.domain.usage.service.alerting import (
    TooManyAlerts,
    alert,
    alerts,
    create_alert,
    judge,
    remove_alert,
)
from guilder.domain.usage.service.closing import close, late_since
from guilder.domain.usage.service.correcting import TooManyCorrections, amend, cancel
from guilder.domain.usage.service.forgetting import cut_properties, forget_properties, of_customer_export
from guilder.domain.usage.service.reading import corrections, listing, one
from guilder.domain.usage.service.recording import UnknownCustomer, UnknownMeter, receive, receive_each, record
from guilder.domain.usage.service.totalling import current, totals

__all__ = [
    "cut_properties",
    "forget_properties",
    "of_customer_export",
    "TooManyAlerts",
    "TooManyCorrections",
    "UnknownCustomer",
    "UnknownMeter",
    "alert",
    "alerts",
    "amend",
    "cancel",
    "close",
    "corrections",
    "create_alert",
    "current",
    "judge",
    "late_since",
    "listing",
    "one",
    "receive",
    "receive_each",
    "record",
    "remove_alert",
    "totals",
]
