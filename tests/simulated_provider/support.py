"""The provider as a real process that can be killed, a merchant that calls it, an endpoint that hears its webhooks."""

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from tests.support.nursery import Child, born
from tests.support.ports import free_port

SOURCE = Path(__file__).parents[2] / "src"


@dataclass
class Provider:
    """One process, which can be killed and started again on the same folder and port."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | Child | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "simulated_provider", "--port", str(self.port), "--data", str(self.folder)]
        self.process = born(command, os.environ | {"PYTHONPATH": str(SOURCE)}, Path(os.devnull))
        wait_until(self._answers, within_s=90)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", trust_env=False, timeout=60).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=90)


def wait_until(holds: Callable[[], object], *, within_s: float = 90) -> None:
    until = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.02)


class Merchant:
    """A caller with an account of its own."""

    def __init__(self, provider: Provider, account: str) -> None:
        self.provider, self.account = provider, account
        self.others: list[Merchant] = []
        headers = {"Authorization": f"Bearer sk_sim_{account}"}
        self.http = httpx.Client(base_url=provider.url, headers=headers, timeout=60, trust_env=False)

    def another(self, name: str) -> "Merchant":
        """A merchant of the same provider, closed with this one."""
        self.others.append(Merchant(self.provider, f"{self.account}_{name}"))
        return self.others[-1]

    def close(self) -> None:
        for merchant in (self, *self.others):
            merchant.http.close()

    def post(self, path: str, body: object = None, *, key: str | None = None, now: str | None = None) -> httpx.Response:
        headers = {name: text for name, text in (("Idempotency-Key", key), ("Simulated-Now", now)) if text}
        return self.http.post(path, json={} if body is None else body, headers=headers)

    def get(self, path: str, *, now: str | None = None, **query: str) -> httpx.Response:
        return self.http.get(path, params=query, headers={"Simulated-Now": now} if now else {})

    def prepare(self, business_key: str = "k", *, amount: int = 4900, key: str | None = None, **more: object) -> str:
        body = {"amount": amount, "currency": "eur", "metadata": {"business_key": business_key}} | more
        answer = self.post("/v1/payment_intents", body, key=key)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def confirm(self, intent: str, card: str = "pm_card_ok", **more: object) -> httpx.Response:
        return self.post(f"/v1/payment_intents/{intent}/confirm", {"payment_method": card} | more)

    def sim(self, what: str, body: object) -> dict[str, Any]:
        answer = self.http.post(f"/sim/accounts/{self.account}/{what}", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def seen(self, what: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/sim/accounts/{self.account}/{what}").json()
        return found

    def status(self, intent: str) -> str:
        return str(self.get(f"/v1/payment_intents/{intent}").json()["status"])

    def journal(self) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get("/sim/journal", params={"account": self.account}).json()
        return found

    def charged(self) -> list[int]:
        return [charge["amount"] for charge in self.journal()["charges"] if charge["status"] == "succeeded"]

    def rests(self) -> bool:
        return bool(self.seen("idle")["undelivered"] == 0)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # fifty copies come at once


class Ear:
    """An endpoint that verifies and remembers what it hears, and answers as it is told."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.secret = "whsec_test_0123456789"
        ear = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                ear.hear(self.headers["Simulated-Signature"], body)
                self.send_response(ear.answers.pop(0) if ear.answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def hear(self, signature: str, body: bytes) -> None:
        at, given = (part.split("=", 1)[1] for part in signature.split(","))
        wanted = hmac.new(self.secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        event = json.loads(body)
        event["verified"] = hmac.compare_digest(wanted, given) and abs(time.time() - int(at)) < 60
        self.events.append(event)

    def types(self) -> list[str]:
        return [event["type"] for event in self.events]
