"""Payment links, and what happens on the page that they lead to."""

from datetime import datetime
from uuid import UUID

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Mode, TenantStatus
from guilder.domain.invoicing import service as invoicing
from guilder.domain.orders.model import Checkout
from guilder.domain.orders.rules import links
from guilder.domain.orders.rules.checkout import PAYABLE, State, state_of
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Payment, Via
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import Ref, TenantId
from guilder.platform.db.tx import Tx
from guilder.platform.db.vault import Vault

_ABOUT = "checkout link"


class CannotBePaidHere(Conflict):
    """This is not open for payment: it is paid, was taken back, or is being paid at the moment."""

    code = "not_open_for_payment"


async def payment_link(tx: Tx, *, tenant_id: TenantId, invoice_id: UUID, base_url: str, now: datetime) -> str:
    """Return the address of an invoice's payment page; it is good for 90 days."""
    link = links.link_for(Ref(tenant_id, invoice_id), now=now)
    return f"{base_url.rstrip('/')}/checkout/{links.write(link, _sign_anew(tx.vault))}"


def read_link(vault: Vault, *, token: str) -> links.Link:
    """Return what a token names, expired or not.

    :raises BadLink: it is none of ours
    """
    return links.read(token, _sign(vault))


async def checkout(tx: Tx, *, link: links.Link, now: datetime) -> Checkout:
    """Return all that the payment page shows.

    :raises NotFound: no such invoice, or its tenant is suspended: nothing is collected for it
    """
    tenant = await identity.tenant(tx)
    if tenant.status is not TenantStatus.ACTIVE:
        raise NotFound
    invoice = await invoicing.one(tx, invoice=link.invoice_id)
    payment = (await payments.current(tx, invoices=[invoice.ref])).get(invoice.ref)
    return Checkout(
        invoice=invoice,
        payment=payment,
        transfer=await payments.transfer_of(tx, payment=payment) if payment else None,
        expires_at=link.expires_at,
        is_expired=link.is_expired(now),
        is_test=tenant.mode is not Mode.LIVE,
    )


async def open_checkout(tx: Tx, *, invoice_id: UUID, return_url: str, now: datetime) -> Payment:
    """Let the customer pay by hand: ask the gateway for its page, and answer with the payment that waits for it.

    Where a page of the gateway is open already, it is that one: an invoice has one payment in flight. The answer names
    its address (`action_url`) once the workers have it.

    :raises CannotBePaidHere: there is nothing to pay, or a payment is on its way
    """
    seen = await invoicing.one(tx, invoice=invoice_id)
    # Held, so that it is not voided while its page is asked for.
    invoice = (await invoicing.lock(tx, refs=[seen.ref]))[seen.ref]
    payment = (await payments.current(tx, invoices=[invoice.ref])).get(invoice.ref)
    state = state_of(invoice, payment, is_expired=False)
    if state not in {*PAYABLE, State.OPENING}:
        raise CannotBePaidHere
    # Keeps the one that is open, if there is one.
    await payments.collect(tx, payables=[invoicing.payable_of(invoice, via=Via.LINK)], now=now)
    return await payments.open_session(tx, invoice_id=invoice.id, return_url=return_url, now=now)


def _sign_anew(vault: Vault) -> links.Sign:
    return lambda text: [vault.ring.blind(text, about=_ABOUT)]


def _sign(vault: Vault) -> links.Sign:
    return lambda text: _newest_first(vault, text)


def _newest_first(vault: Vault, text: str) -> list[bytes]:
    newest = vault.ring.blind(text, about=_ABOUT)
    return [newest, *(each for each in vault.ring.blinds(text, about=_ABOUT) if each != newest)]
