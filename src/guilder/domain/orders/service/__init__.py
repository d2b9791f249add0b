"""The verbs of orders: each carries out what was asked for whole, in the transaction that it is given."""

from guilder.domain.orders.service.abandoning import abandon_due
from guilder.domain.orders.service.buying import buy, pay
from guilder.domain.orders.service.changing import Wish, auto_renew, cancel, change, use_method
from guilder.domain.orders.service.checkout import CannotBePaidHere, checkout, open_checkout, payment_link, read_link
from guilder.domain.orders.service.placing import Asked, MethodNotUsable
from guilder.domain.orders.service.reading import listing, one
from guilder.domain.orders.service.repaying import NothingToPay, repay
from guilder.domain.orders.service.settling import canceled, paid
from guilder.domain.orders.service.subscribing import AlreadySubscribed, subscribe

__all__ = [
    "AlreadySubscribed",
    "Asked",
    "CannotBePaidHere",
    "MethodNotUsable",
    "NothingToPay",
    "Wish",
    "abandon_due",
    "auto_renew",
    "buy",
    "cancel",
    "canceled",
    "change",
    "checkout",
    "listing",
    "one",
    "open_checkout",
    "paid",
    "pay",
    "payment_link",
    "read_link",
    "repay",
    "subscribe",
    "use_method",
]
