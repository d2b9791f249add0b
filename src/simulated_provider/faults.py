"""Faults: what a test asks to go wrong with the next requests of one account, and how it is done to an answer.

A fault either spares the effect or not (ACTS): "drop_before" and "status" refuse before anything happens, the others
garble, withhold or delay the answer to something that has been done and committed.
"""

import asyncio
import json
from dataclasses import dataclass, field

from starlette.responses import HTMLResponse, JSONResponse, Response

from simulated_provider import accounts, schemas
from simulated_provider.courier import Courier
from simulated_provider.schemas import Fault
from simulated_provider.state import Tx, new_id
from simulated_provider.wire import Answer, Document, Dropped, Problem, public, refusal

# Which faults let the request take effect.
ACTS = {
    "drop_before": False,
    "status": False,
    "drop_after": True,
    "hold": True,
    "html": True,
    "truncated": True,
    "unknown_status": True,
    "wrong_amount": True,
    "delay": True,
    "webhook_first": True,
}
HTML = "<!doctype html><html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"


def put(tx: Tx, account: str, fault: Fault) -> None:
    """Set a fault for one kind of call; the newest for that kind holds. "ok" takes them back, of "any": all."""
    if fault.mode == "revoked" or (fault.mode == "ok" and fault.op == "any"):
        accounts.set_revoked(tx, account, is_revoked=fault.mode == "revoked")
    if fault.mode == "ok":
        tx.run("delete from faults where account = ? and (op = ? or ? = 'any')", account, fault.op, fault.op)
    elif fault.mode != "revoked":
        tx.run(
            "insert or replace into faults values(?, ?, ?, ?)", account, fault.op, fault.model_dump_json(), fault.times
        )


def standing(tx: Tx, account: str) -> list[Document]:
    rows = tx.rows("select * from faults where account = ? order by op", account)
    return [json.loads(row["spec"]) | {"times": row["left"]} for row in rows]


def take(tx: Tx, account: str, op: str) -> Fault | None:
    """Return the fault that this call meets, and count it; one for its own kind comes before one for any."""
    row = tx.row("select * from faults where account = ? and op in (?, 'any') order by op = 'any' limit 1", account, op)
    if row is None:
        return None
    if row["left"] is not None:
        tx.run("update faults set left = left - 1 where account = ? and op = ?", account, row["op"])
        tx.run("delete from faults where account = ? and left <= 0", account)
    return Fault.model_validate_json(row["spec"])


@dataclass(slots=True)
class Held:
    """A request that is being held: before it acted, or between its commit and its answer."""

    op: str
    path: str
    is_committed: bool
    object_id: str | None
    id: str = field(default_factory=lambda: new_id("held"))
    is_dropped: bool = False
    freed: asyncio.Event = field(default_factory=asyncio.Event)

    def show(self) -> Document:
        return {
            "id": self.id, "op": self.op, "path": self.path, "committed": self.is_committed, "object": self.object_id
        }  # fmt: skip


class Holds:
    """Who is held now. It is not kept over a restart: the callers are gone, too."""

    def __init__(self) -> None:
        self._held: dict[str, list[Held]] = {}

    def of(self, account: str) -> list[Document]:
        return [held.show() for held in self._held.get(account, [])]

    async def wait(self, account: str, held: Held) -> bool:
        """Wait for the release; return whether there shall be an answer."""
        self._held.setdefault(account, []).append(held)
        try:
            await held.freed.wait()
        finally:
            self._held[account].remove(held)
        return not held.is_dropped

    def release(self, account: str, *, drop: bool) -> int:
        waiting = list(self._held.get(account, []))
        for held in waiting:
            held.is_dropped = drop
            held.freed.set()
        return len(waiting)


async def before(fault: Fault | None, *, holds: Holds, account: str, op: str, path: str) -> Response | None:
    """Do what happens before the effect; a response given here means that there will be no effect."""
    if fault is None:
        return None
    if fault.mode == "hold" and fault.phase == "before":
        goes_on = await holds.wait(account, Held(op, path, is_committed=False, object_id=None))
        return None if goes_on else Dropped()
    if fault.mode == "delay" and fault.phase == "before":
        await asyncio.sleep(fault.seconds)
    if ACTS[fault.mode]:
        return None
    if fault.mode == "status":
        problem = Problem(fault.status, "provider_unavailable", "This answer was asked for by a fault.")
        return refusal(problem, retry_after_s=fault.retry_after)
    return Dropped()


async def after(
    fault: Fault | None, answer: Answer, *, holds: Holds, courier: Courier, account: str, op: str, path: str
) -> Response:
    """Give the answer to what has been committed, or what the fault makes of it."""
    if answer.is_lost:
        return Dropped()
    await asyncio.sleep(answer.late_by_s)
    body = public(answer.body)
    if fault is None:
        return JSONResponse(body, status_code=answer.status)
    if fault.mode == "webhook_first":
        await courier.deliver_now(account)
    if fault.mode == "delay" and fault.phase == "after":
        await asyncio.sleep(fault.seconds)
    if fault.mode == "hold" and fault.phase == "after":
        held = Held(op, path, is_committed=True, object_id=subject(body).get("id"))
        if not await holds.wait(account, held):
            return Dropped()
    return garble(fault, body, status=answer.status)


def garble(fault: schemas.Fault, body: Document, *, status: int) -> Response:
    match fault.mode:
        case "drop_after":
            return Dropped()
        case "html":
            return HTMLResponse(HTML)
        case "truncated":
            text = json.dumps(body)
            return Response(text[: len(text) // 2], status_code=status, media_type="application/json")
        case "unknown_status":
            for shown in subjects(body):
                shown["status"] = "being_considered"
        case "wrong_amount":
            for shown in subjects(body):
                shown.update(_other_money(fault, shown))
        case _:
            pass
    return JSONResponse(body, status_code=status)


def _other_money(fault: Fault, shown: Document) -> Document:
    changed: Document = {"amount": fault.amount or shown.get("amount", 0) + 1}
    return changed | ({"currency": fault.currency} if fault.currency else {})


def subject(body: Document) -> Document:
    """Return the object that an answer is about, which a decline carries inside its error."""
    error = body.get("error", {})
    found: Document = error.get("payment_intent") or error.get("setup_intent") or body
    return found


def subjects(body: Document) -> list[Document]:
    """The same for an answer that may be a list."""
    return body["data"] if body.get("object") == "list" else [subject(body)]
