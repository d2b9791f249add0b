"""Webhook endpoints, and how events get there: signed by each endpoint's own secret, until it answers with 2xx."""

import hashlib
import hmac
import json
import queue
import secrets
import threading
import time

import httpx

from tests.support.fakes.stripe.state import Account, Document, Refusal, shown

ATTEMPTS_MAX = 20
EVERY_S = 0.25


def register(account: Account, asked: Document) -> Document:
    if sum(1 for _ in account.of("webhook_endpoint")) >= 16:
        raise Refusal(400, "", "You have reached the maximum of 16 webhook endpoints.")
    made = account.add(
        "we",
        {
            "object": "webhook_endpoint",
            "url": asked["url"],
            "enabled_events": asked["enabled_events"],
            "api_version": asked.get("api_version"),
            "description": asked.get("description"),
            "metadata": asked.get("metadata", {}),
            "status": "enabled",
            "#secret": f"whsec_{secrets.token_hex(16)}",
        },
    )
    # It is told here, and never again.
    return {**made, "secret": made["#secret"]}


def update(account: Account, ref: str, asked: Document) -> Document:
    found = account.get(ref, "webhook_endpoint")
    found |= {name: asked[name] for name in ("url", "enabled_events", "description", "metadata") if name in asked}
    if "disabled" in asked:
        found["status"] = "disabled" if asked["disabled"] else "enabled"
    return found


def remove(account: Account, ref: str) -> Document:
    account.get(ref, "webhook_endpoint")
    del account.objects[ref]
    return {"id": ref, "object": "webhook_endpoint", "deleted": True}


def body_of(event: Document) -> bytes:
    return json.dumps(shown(event), indent=2).encode()


def sign(body: bytes, *, at: int, keys: list[str]) -> str:
    """Sign with each of the keys, as while an endpoint's secret is being rotated."""
    macs = [hmac.new(key.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest() for key in keys]
    return ",".join([f"t={at}", *(f"v1={mac}" for mac in macs), "v0=" + "0" * 64])


class Courier:
    """A thread that delivers what accounts tell."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[tuple[Account, Document, str, int] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._client = httpx.Client(timeout=10, trust_env=False)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._waiting.put(None)
        self._thread.join(10)
        self._client.close()

    def send(self, account: Account, event: Document, *, copies: int = 1) -> None:
        """Have an event delivered to every endpoint that listens for it."""
        for endpoint in list(account.of("webhook_endpoint")):
            if endpoint["status"] == "enabled" and _hears(endpoint, event):
                for _ in range(copies):
                    self._waiting.put((account, event, endpoint["id"], 1))

    def _run(self) -> None:
        while (job := self._waiting.get()) is not None:
            account, event, ref, attempt = job
            endpoint = account.objects.get(ref)
            if endpoint is None or self._post(account, event, endpoint) or attempt >= ATTEMPTS_MAX:
                continue
            again = (account, event, ref, attempt + 1)
            timer = threading.Timer(EVERY_S * attempt, self._waiting.put, [again])
            timer.daemon = True
            timer.start()

    def _post(self, account: Account, event: Document, endpoint: Document) -> bool:
        body = body_of(event)
        signature = sign(body, at=int(time.time()), keys=[endpoint["#secret"]])
        headers = {"content-type": "application/json; charset=utf-8", "stripe-signature": signature}
        try:
            status = self._client.post(endpoint["url"], content=body, headers=headers).status_code
        except httpx.HTTPError:
            status = 0
        account.deliveries.append({"event": event["id"], "type": event["type"], "status": status})
        return 200 <= status < 300


def _hears(endpoint: Document, event: Document) -> bool:
    return event["type"] in endpoint["enabled_events"] or "*" in endpoint["enabled_events"]
