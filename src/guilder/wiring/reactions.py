"""Reactions: who hears what. A room is a group; within it, reactions to one event run in this order.

`docs/flows.md` draws this table.
"""

from guilder.domain.audit import handlers as audit
from guilder.domain.customers.events import CustomerCreated
from guilder.domain.dunning import handlers as dunning
from guilder.domain.dunning.events import (
    AccessToBlock,
    CaseClosed,
    CaseOpened,
    CaseRecovered,
    ReminderDue,
    RetriesExhausted,
    RetryPlanned,
)
from guilder.domain.entitlements import handlers as entitlements
from guilder.domain.gateways import handlers as gateways
from guilder.domain.gateways.events import (
    BilledElsewhere,
    BooksRead,
    DisputeNoticed,
    GatewayAnswered,
    GatewayRequested,
    MethodNoticed,
    NoticeReceived,
)
from guilder.domain.identity.events import MemberRemoved, TenantCreated
from guilder.domain.invoicing import handlers as invoicing
from guilder.domain.invoicing.events import (
    CreditNoteIssued,
    InvoiceDocumentStored,
    InvoiceDueSoon,
    InvoiceFinalized,
    InvoiceGivenUp,
    InvoiceOverdue,
    InvoicePaid,
    InvoiceVoided,
)
from guilder.domain.notifications import handlers as notifications
from guilder.domain.notifications.events import NotificationRequested
from guilder.domain.orders import handlers as orders
from guilder.domain.orders.events import ChargeRequested, OrderCompleted
from guilder.domain.payments import handlers as payments
from guilder.domain.payments.events import (
    DisputeLost,
    DisputeOpened,
    DisputeWon,
    PaymentActionRequired,
    PaymentCanceled,
    PaymentFailed,
    PaymentMethodAdded,
    PaymentMethodDefaultChanged,
    PaymentMethodExpiring,
    PaymentMethodPaidWith,
    PaymentMethodRefused,
    PaymentMethodUpdated,
    PaymentRequested,
    PaymentSucceeded,
    RefundAsked,
    RefundFailed,
    RefundRefused,
    RefundSucceeded,
)
from guilder.domain.privacy import handlers as privacy
from guilder.domain.subscriptions import handlers as subscriptions
from guilder.domain.subscriptions.events import (
    SubscriptionActivated,
    SubscriptionCancelScheduled,
    SubscriptionChanged,
    SubscriptionChangeScheduled,
    SubscriptionEnded,
    SubscriptionMethodChanged,
    SubscriptionPaused,
    SubscriptionRecovered,
    SubscriptionRenewalResumed,
    SubscriptionRenewalUpcoming,
    SubscriptionRenewed,
    SubscriptionResumed,
    SubscriptionSuspended,
    SubscriptionTrialExtended,
    TrialEnding,
)
from guilder.domain.usage import handlers as usage
from guilder.domain.usage.events import UsageAlertReached, UsageCorrected, UsageRecorded
from guilder.domain.webhooks import handlers as webhooks
from guilder.kernel.event import Event
from guilder.platform.bus.reactions import AfterDeath, Reaction, Reactions

# What moves money stays parked for its customer when it is given up: nothing may overtake it.
_MONEY = AfterDeath.STAY_PARKED

REACTION_LIST: tuple[Reaction, ...] = (
    Reaction("gateways", TenantCreated, gateways.on_tenant_created),
    Reaction("gateways", GatewayRequested, gateways.on_gateway_requested, _MONEY),
    Reaction("payments", PaymentRequested, payments.on_payment_requested, _MONEY),
    Reaction("payments", GatewayAnswered, payments.on_gateway_answered, _MONEY),
    Reaction("payments", NoticeReceived, payments.on_notice_received, _MONEY),
    Reaction("payments", BooksRead, payments.on_books_read),
    Reaction("subscriptions", BilledElsewhere, subscriptions.on_billed_elsewhere),
    Reaction("payments", MethodNoticed, payments.on_method_noticed),
    Reaction("payments", DisputeNoticed, payments.on_dispute_noticed, _MONEY),
    Reaction("invoicing", UsageRecorded, invoicing.on_use_changed),
    Reaction("invoicing", UsageCorrected, invoicing.on_use_changed),
    Reaction("usage", UsageRecorded, usage.on_usage_changed),
    Reaction("usage", UsageCorrected, usage.on_usage_changed),
    Reaction("invoicing", PaymentSucceeded, invoicing.on_payment_succeeded, _MONEY),
    Reaction("invoicing", PaymentFailed, invoicing.on_nothing_came_in),
    Reaction("invoicing", PaymentCanceled, invoicing.on_nothing_came_in),
    Reaction("invoicing", SubscriptionEnded, invoicing.on_subscription_ended),
    Reaction("invoicing", RefundAsked, invoicing.on_refund_asked),
    Reaction("invoicing", RefundSucceeded, invoicing.on_refund_succeeded),
    Reaction("invoicing", RefundSucceeded, invoicing.on_refund_with_note),
    Reaction("invoicing", DisputeOpened, invoicing.on_dispute),
    Reaction("invoicing", DisputeWon, invoicing.on_dispute),
    Reaction("invoicing", DisputeWon, invoicing.on_money_stays),
    Reaction("invoicing", DisputeLost, invoicing.on_dispute),
    Reaction("invoicing", DisputeLost, invoicing.on_dispute_lost),
    Reaction("invoicing", RefundFailed, invoicing.on_refund_failed),
    Reaction("invoicing", RefundFailed, invoicing.on_money_stays),
    Reaction("invoicing", CreditNoteIssued, invoicing.on_credit_note),
    Reaction("invoicing", InvoiceFinalized, invoicing.on_invoice_changed),
    Reaction("invoicing", InvoicePaid, invoicing.on_invoice_changed),
    Reaction("invoicing", InvoiceVoided, invoicing.on_invoice_changed),
    Reaction("orders", ChargeRequested, orders.on_charge_requested),
    Reaction("orders", InvoicePaid, orders.on_invoice_paid),
    Reaction("orders", InvoiceVoided, orders.on_invoice_voided),
    Reaction("orders", InvoiceGivenUp, orders.on_invoice_given_up),
    Reaction("orders", PaymentFailed, orders.on_payment_failed),
    Reaction("orders", SubscriptionEnded, orders.on_subscription_stopped),
    Reaction("orders", SubscriptionPaused, orders.on_subscription_stopped),
    Reaction("orders", SubscriptionSuspended, orders.on_subscription_stopped),
    Reaction("dunning", PaymentFailed, dunning.on_payment_failed),
    Reaction("dunning", InvoiceOverdue, dunning.on_invoice_overdue),
    Reaction("dunning", InvoicePaid, dunning.on_invoice_paid),
    Reaction("dunning", InvoiceVoided, dunning.on_invoice_voided),
    Reaction("dunning", PaymentCanceled, dunning.on_payment_canceled),
    Reaction("dunning", PaymentMethodAdded, dunning.on_payment_method_added),
    Reaction("dunning", PaymentMethodUpdated, dunning.on_payment_method_updated),
    Reaction("dunning", PaymentMethodPaidWith, dunning.on_payment_method_paid_with),
    Reaction("dunning", PaymentMethodDefaultChanged, dunning.on_default_method_changed),
    Reaction("dunning", SubscriptionMethodChanged, dunning.on_subscription_method_changed),
    Reaction("entitlements", CustomerCreated, entitlements.on_customer_created),
    Reaction("entitlements", SubscriptionActivated, entitlements.on_subscription_moved),
    Reaction("entitlements", SubscriptionRenewed, entitlements.on_subscription_moved),
    Reaction("entitlements", SubscriptionChanged, entitlements.on_subscription_moved),
    Reaction("entitlements", SubscriptionSuspended, entitlements.on_subscription_moved),
    Reaction("entitlements", SubscriptionRecovered, entitlements.on_subscription_moved),
    Reaction("entitlements", SubscriptionPaused, entitlements.on_subscription_moved),
    Reaction("entitlements", SubscriptionResumed, entitlements.on_subscription_moved),
    Reaction("entitlements", SubscriptionTrialExtended, entitlements.on_subscription_moved),
    Reaction("entitlements", SubscriptionCancelScheduled, entitlements.on_subscription_moved),
    Reaction("entitlements", SubscriptionRenewalResumed, entitlements.on_subscription_moved),
    Reaction("entitlements", SubscriptionEnded, entitlements.on_subscription_moved),
    Reaction("entitlements", OrderCompleted, entitlements.on_order_completed),
    Reaction("entitlements", RefundSucceeded, entitlements.on_refund_succeeded),
    Reaction("entitlements", DisputeOpened, entitlements.on_dispute_opened),
    Reaction("entitlements", DisputeWon, entitlements.on_dispute_won),
    Reaction("entitlements", PaymentSucceeded, entitlements.on_payment_succeeded),
    Reaction("entitlements", InvoicePaid, entitlements.on_invoice_paid),
    Reaction("entitlements", UsageRecorded, entitlements.on_usage_changed),
    Reaction("entitlements", UsageCorrected, entitlements.on_usage_changed),
    Reaction("entitlements", AccessToBlock, entitlements.on_access_to_block),
    Reaction("entitlements", CaseRecovered, entitlements.on_case_over),
    Reaction("entitlements", CaseClosed, entitlements.on_case_over),
    Reaction("notifications", InvoiceFinalized, notifications.on_invoice_finalized),
    Reaction("notifications", InvoicePaid, notifications.on_invoice_paid),
    Reaction("notifications", InvoiceDueSoon, notifications.on_invoice_due_soon),
    Reaction("notifications", InvoiceOverdue, notifications.on_invoice_overdue),
    Reaction("notifications", CreditNoteIssued, notifications.on_credit_note_issued),
    Reaction("notifications", UsageAlertReached, notifications.on_usage_alert_reached),
    Reaction("notifications", SubscriptionActivated, notifications.on_subscription_activated),
    Reaction("notifications", SubscriptionPaused, notifications.on_subscription_paused),
    Reaction("notifications", SubscriptionResumed, notifications.on_subscription_resumed),
    Reaction("notifications", SubscriptionTrialExtended, notifications.on_trial_extended),
    Reaction("notifications", SubscriptionChangeScheduled, notifications.on_subscription_change_scheduled),
    Reaction("notifications", SubscriptionCancelScheduled, notifications.on_subscription_cancel_scheduled),
    Reaction("notifications", SubscriptionEnded, notifications.on_subscription_ended),
    Reaction("notifications", TrialEnding, notifications.on_trial_ending),
    Reaction("notifications", CaseOpened, notifications.on_case_opened),
    Reaction("notifications", RetryPlanned, notifications.on_retry_planned),
    Reaction("notifications", ReminderDue, notifications.on_reminder_due),
    Reaction("notifications", RetriesExhausted, notifications.on_retries_exhausted),
    Reaction("notifications", CaseRecovered, notifications.on_case_recovered),
    Reaction("notifications", RefundSucceeded, notifications.on_refund_succeeded),
    Reaction("notifications", PaymentActionRequired, notifications.on_payment_action_required),
    Reaction("notifications", InvoiceDocumentStored, notifications.on_invoice_document_stored),
    Reaction("notifications", SubscriptionRenewalUpcoming, notifications.on_subscription_renewal_upcoming),
    Reaction("notifications", RefundAsked, notifications.on_refund_asked),
    Reaction("notifications", RefundRefused, notifications.on_refund_refused),
    Reaction("notifications", DisputeOpened, notifications.on_dispute_opened),
    Reaction("notifications", PaymentMethodAdded, notifications.on_payment_method_added),
    Reaction("notifications", PaymentMethodRefused, notifications.on_payment_method_refused),
    Reaction("notifications", PaymentMethodExpiring, notifications.on_payment_method_expiring),
    Reaction("notifications", NotificationRequested, notifications.on_notification_requested),
    Reaction("privacy", InvoicePaid, privacy.on_closed),
    Reaction("privacy", InvoiceVoided, privacy.on_closed),
    Reaction("privacy", InvoiceGivenUp, privacy.on_closed),
    Reaction("privacy", CreditNoteIssued, privacy.on_credit_note_issued),
    Reaction("privacy", PaymentSucceeded, privacy.on_closed),
    Reaction("privacy", PaymentFailed, privacy.on_closed),
    Reaction("privacy", PaymentCanceled, privacy.on_closed),
    Reaction("privacy", RefundSucceeded, privacy.on_closed),
    Reaction("privacy", RefundFailed, privacy.on_closed),
    Reaction("privacy", RefundRefused, privacy.on_closed),
    Reaction("privacy", DisputeWon, privacy.on_closed),
    Reaction("privacy", DisputeLost, privacy.on_closed),
    Reaction("privacy", SubscriptionEnded, privacy.on_closed),
    Reaction("privacy", CaseRecovered, privacy.on_closed),
    Reaction("privacy", CaseClosed, privacy.on_closed),
    Reaction("privacy", MemberRemoved, privacy.on_member_removed),
    Reaction("webhooks", Event, webhooks.on_event),  # everything
    Reaction("audit", Event, audit.on_rows, hears_rows=True),  # and what only it hears
)
REACTIONS = Reactions(REACTION_LIST)
