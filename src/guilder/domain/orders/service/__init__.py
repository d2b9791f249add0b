"""The verbs of orders: each carries out what was asked for whole, in the transaction that it is given."""

from guilder.domain.orders.service.abandoning import abandon_due, stopped
from guilder.domain.orders.service.buying import buy, pay
from guilder.domain.orders.service.changing import Wish, change, revoke_change, use_method
from guilder.domain.orders.service.charging import (
    ChargeIdReused,
    charge,
    charge_link,
    charges,
    place_charges,
    take_charges,
)
from guilder.domain.orders.service.checkout import CannotBePaidHere, checkout, open_checkout, payment_link, read_link
from guilder.domain.orders.service.concluding import charge_declined, give_up_charges
from guilder.domain.orders.service.discounting import discounts, end_discount, redeem
from guilder.domain.orders.service.ending import OnlyNow, auto_renew, cancel
from guilder.domain.orders.service.forgetting import end_all, forget_customer, of_customer_export
from guilder.domain.orders.service.linking import BadPeriod, link
from guilder.domain.orders.service.pausing import extend_trial, move_billing_day, pause, resume
from guilder.domain.orders.service.placing import Asked, MethodNotUsable
from guilder.domain.orders.service.previewing import next_invoice, preview
from guilder.domain.orders.service.reading import add_ons, listing, one
from guilder.domain.orders.service.repaying import NothingToPay, repay
from guilder.domain.orders.service.settling import canceled, paid
from guilder.domain.orders.service.subscribing import (
    AlreadySubscribed,
    Beside,
    SignUp,
    Start,
    subscribe,
    subscribe_each,
)
from guilder.domain.orders.service.transferring import record_transfer

__all__ = [
    "end_all",
    "forget_customer",
    "of_customer_export",
    "AlreadySubscribed",
    "Asked",
    "BadPeriod",
    "Beside",
    "CannotBePaidHere",
    "ChargeIdReused",
    "MethodNotUsable",
    "NothingToPay",
    "OnlyNow",
    "SignUp",
    "Start",
    "Wish",
    "abandon_due",
    "add_ons",
    "auto_renew",
    "buy",
    "cancel",
    "canceled",
    "change",
    "charge",
    "charge_declined",
    "give_up_charges",
    "charge_link",
    "charges",
    "checkout",
    "discounts",
    "end_discount",
    "extend_trial",
    "link",
    "listing",
    "move_billing_day",
    "next_invoice",
    "one",
    "open_checkout",
    "paid",
    "pause",
    "pay",
    "payment_link",
    "place_charges",
    "preview",
    "read_link",
    "record_transfer",
    "redeem",
    "repay",
    "resume",
    "revoke_change",
    "stopped",
    "subscribe",
    "subscribe_each",
    "take_charges",
    "use_method",
]
