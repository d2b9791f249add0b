"""What customers are told about: each handler says it by one verb."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.notifications import service
from guilder.domain.notifications.events import NotificationRequested
from guilder.domain.notifications.handlers.collecting import (
    on_case_opened,
    on_case_recovered,
    on_payment_action_required,
    on_reminder_due,
    on_retries_exhausted,
    on_retry_planned,
)
from guilder.domain.notifications.handlers.invoices import (
    on_credit_note_issued,
    on_invoice_document_stored,
    on_invoice_due_soon,
    on_invoice_finalized,
    on_invoice_overdue,
    on_invoice_paid,
    on_usage_alert_reached,
)
from guilder.domain.notifications.handlers.moving import (
    on_dispute_opened,
    on_payment_method_added,
    on_payment_method_expiring,
    on_payment_method_refused,
    on_refund_asked,
    on_refund_refused,
    on_refund_succeeded,
)
from guilder.domain.notifications.handlers.subscribing import (
    on_subscription_activated,
    on_subscription_cancel_scheduled,
    on_subscription_change_scheduled,
    on_subscription_ended,
    on_subscription_paused,
    on_subscription_renewal_upcoming,
    on_subscription_resumed,
    on_trial_ending,
    on_trial_extended,
)
from guilder.kernel.event import Message, events_of
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx

__all__ = [
    "GROUP",
    "on_case_opened",
    "on_case_recovered",
    "on_credit_note_issued",
    "on_dispute_opened",
    "on_invoice_document_stored",
    "on_invoice_due_soon",
    "on_invoice_finalized",
    "on_invoice_overdue",
    "on_invoice_paid",
    "on_notification_requested",
    "on_payment_action_required",
    "on_payment_method_added",
    "on_payment_method_expiring",
    "on_payment_method_refused",
    "on_refund_asked",
    "on_refund_refused",
    "on_refund_succeeded",
    "on_reminder_due",
    "on_retries_exhausted",
    "on_retry_planned",
    "on_subscription_activated",
    "on_subscription_cancel_scheduled",
    "on_subscription_change_scheduled",
    "on_subscription_ended",
    "on_subscription_paused",
    "on_subscription_renewal_upcoming",
    "on_subscription_resumed",
    "on_trial_ending",
    "on_trial_extended",
    "on_usage_alert_reached",
]

GROUP = "notifications"


async def on_notification_requested(
    tx: Tx, messages: Sequence[Message[NotificationRequested]], *, now: datetime
) -> None:
    refs = [Ref(event.tenant_id, event.notification_id) for event in events_of(messages)]
    await service.dispatch(tx, refs=refs, now=now)
