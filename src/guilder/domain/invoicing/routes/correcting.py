"""Making invoices by hand, and taking back what was billed: for the tenant's billing staff alone."""

from guilder.domain.customers import service as customers
from guilder.domain.invoicing import service
from guilder.domain.invoicing.schemas.correcting import CreditNoteIn, InvoiceIn
from guilder.domain.invoicing.schemas.invoices import InvoiceOut, to_wire
from guilder.platform.http.envelope import Envelope, ok
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

router = Router(prefix="/api", tags=["invoices"])


@router.post("/invoices", status_code=201)
async def make_invoice(session: Session, body: InvoiceIn) -> Envelope[InvoiceOut]:
    """Make a one-off invoice: sent with days to pay, or charged at once."""
    customer = await customers.find(session.tx, text=body.customer_id, field="customer_id")
    made = await service.make_invoice(session.tx, wanted=body.from_wire(customer.id), now=session.now)
    return ok(to_wire(made))


@router.post("/invoices/{invoice_id}/credit-notes", status_code=201)
async def make_credit_note(session: Session, invoice_id: str, body: CreditNoteIn) -> Envelope[InvoiceOut]:
    """Take back what an invoice billed, all or a part; answers with the credit note.

    An open invoice owes less by it; of a paid one the customer has credit, or its money back.
    """
    invoice = await service.one(session.tx, invoice=invoice_id)
    note = await service.credit_note(session.tx, invoice_id=invoice.id, correction=body.from_wire(), now=session.now)
    return ok(to_wire(note))


@router.post("/invoices/{invoice_id}/write-off")
async def write_off(session: Session, invoice_id: str) -> Envelope[InvoiceOut]:
    """Give an open invoice up: it is not expected to be paid any more, though it still can be."""
    invoice = await service.one(session.tx, invoice=invoice_id)
    await service.give_up(session.tx, refs=[invoice.ref], now=session.now)
    return ok(to_wire(await service.one(session.tx, invoice=invoice.id)))
