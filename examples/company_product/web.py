"""The product's own API, and where Guilder's webhooks come in.

    POST /jobs            {"id", "customer", "amount", "currency", "description"}: 202; 402 for who is blocked
    GET  /jobs/{id}       the job, with what became of its charge
    GET  /customers/{id}  may this customer be served?
    GET  /heard           every event that was heard, in order
    GET  /health          how many of each
    POST /hooks/guilder   Guilder's webhooks, signed

Standard library only, and no authentication: your own service has its own framework and its own users.
"""

import contextlib
import json
import logging
import threading
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from . import access
from .guilder import Guilder
from .sending import charge_of
from .state import Job, Reused, State

log = logging.getLogger(__name__)

BODY_MAX = 64_000
READ_TIMEOUT_S = 15
AMOUNT_MAX = 10**12


@dataclass(frozen=True)
class Product:
    """What a request needs. `send` and `follow` wake the two that work behind it."""

    path: str
    source: str
    guilder: Guilder
    webhook: Webhook | None
    send: threading.Event
    follow: threading.Event


class Malformed(Exception):
    """The request is not what it should be."""


def serve(product: Product, *, host: str, port: int) -> ThreadingHTTPServer:
    """Return a server that is bound, and serves when it is told to."""
    handler = type("Handler", (_Handler,), {"product": product, "timeout": READ_TIMEOUT_S})
    return ThreadingHTTPServer((host, port), handler)


class _Handler(BaseHTTPRequestHandler):
    product: Product
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answering(self._get)

    def do_POST(self) -> None:
        self._answering(self._post)

    def log_message(self, *_: Any) -> None:
        pass

    def _get(self, state: State) -> tuple[int, Any]:
        match self.path.strip("/").split("/"):
            case ["jobs", job_id]:
                job = state.job(job_id)
                return (200, asdict(job)) if job else (404, {"error": "no such job"})
            case ["customers", customer]:
                return 200, asdict(access.of(customer, state=state, guilder=self.product.guilder))
            case ["heard"]:
                return 200, [{"id": event_id, "type": name} for event_id, name in state.heard()]
            case ["health"]:
                return 200, {"status": "ok", **state.counts()}
        return 404, {"error": "no such page"}

    def _post(self, state: State) -> tuple[int, Any]:
        length = self.headers.get("content-length", "")
        if not length.isdigit() or int(length) > BODY_MAX:
            self.close_connection = True
            return 413, {"error": f"send a content-length of at most {BODY_MAX}"}
        body = self.rfile.read(int(length))
        match self.path:
            case "/jobs":
                return self._take(state, body)
            case "/hooks/guilder" if self.product.webhook is not None:
                return self._told(self.product.webhook, body)
        return 404, {"error": "no such page"}

    def _take(self, state: State, body: bytes) -> tuple[int, Any]:
        job = _job(body)
        if state.job(job.id) is None:  # a job that was taken is answered again, whatever its customer became since
            standing = access.of(job.customer, state=state, guilder=self.product.guilder)
            if standing.is_blocked:
                return 402, {"error": "this customer is blocked", "reasons": standing.reasons}
        taken = state.add(job, charge_of(job, source=self.product.source))
        self.product.send.set()
        return 202, asdict(taken)

    def _told(self, webhook: Webhook, body: bytes) -> tuple[int, Any]:
        """Verify a webhook over its raw body, then look at the feed at once: that is where the truth is read."""
        webhook.verify(body, dict(self.headers.items()))  # also refuses what is older than five minutes: a replay
        self.product.follow.set()
        return 200, {"status": "heard"}

    def _answering(self, verb: Any) -> None:
        with contextlib.closing(State(self.product.path)) as state:
            try:
                status, said = verb(state)
            except Malformed as malformed:
                status, said = 400, {"error": str(malformed)}
            except WebhookVerificationError:
                status, said = 401, {"error": "not signed by Guilder"}
            except access.NoSuchCustomer:
                status, said = 404, {"error": "Guilder does not know this customer"}
            except access.Unknown:
                status, said = 503, {"error": "whether this customer is blocked cannot be said now"}
            except Reused:
                status, said = 409, {"error": "this id belongs to another job"}
            except Exception:
                log.exception("%s %s", self.command, self.path)
                status, said = 500, {"error": "our own fault"}
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _job(body: bytes) -> Job:
    try:
        said = json.loads(body)
        amount: object = said["amount"]
        job = Job(said["id"], said["customer"], said["amount"], said["currency"], said.get("description", "Rendering"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Malformed("a job has an id, a customer, an amount and a currency") from error
    texts: tuple[Any, ...] = (job.id, job.customer, job.currency, job.description)
    if not all(isinstance(text, str) and 0 < len(text) <= 255 for text in texts):
        raise Malformed("id, customer, currency and description are texts of at most 255 letters")
    if isinstance(amount, bool) or not isinstance(amount, int) or not 0 < amount < AMOUNT_MAX:
        raise Malformed("amount is a whole number of minor units (cents), above zero")
    return job
