"""Run the product: its web server, who sends charges, and who follows events. Ctrl-C or SIGTERM ends it.

| setting | |
|---|---|
| GUILDER_URL | http://localhost:4000 |
| GUILDER_API_KEY | a key with charges:write, charges:read, entitlements:read, events:read |
| GUILDER_WEBHOOK_SECRET | whsec_… of the webhook endpoint; unset, no webhooks are taken |
| PRODUCT_SOURCE | what this product is called in its charges: render-farm |
| PRODUCT_DATA | the SQLite file: company_product.db |
| PRODUCT_PORT | 5000 |
| KAFKA_BOOTSTRAP_SERVERS | set, charges and events go by Kafka's topics instead. Then also: |
| GUILDER_TENANT, GUILDER_TENANT_ID | the tenant's short name and id, as `guilder tenant list` has them |
| KAFKA_TOPIC_PREFIX | what Guilder's topics begin with, if it sets one |
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from standardwebhooks import Webhook

from . import kafka, web
from .following import Events, Feed, keep_following
from .guilder import Guilder
from .sending import Charges, keep_sending
from .state import State

log = logging.getLogger("company_product")


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # else every look at the feed is a line
    key = os.environ.get("GUILDER_API_KEY", "")
    if not key:
        print("Set GUILDER_API_KEY: `guilder keys create` makes one.", file=sys.stderr)
        return 1
    path = os.environ.get("PRODUCT_DATA", "company_product.db")
    source = os.environ.get("PRODUCT_SOURCE", "render-farm")
    secret = os.environ.get("GUILDER_WEBHOOK_SECRET", "")
    guilder = Guilder(os.environ.get("GUILDER_URL", "http://localhost:4000"), key)
    send, follow, stop = threading.Event(), threading.Event(), threading.Event()
    product = web.Product(path, source, guilder, Webhook(secret) if secret else None, send, follow)
    State(path).close()  # the file and its tables
    charges: Charges = kafka.KafkaCharges(**_brokers()) if "KAFKA_BOOTSTRAP_SERVERS" in os.environ else guilder
    server = web.serve(product, host="127.0.0.1", port=int(os.environ.get("PRODUCT_PORT", "5000")))

    def end(*_: Any) -> None:
        stop.set()
        send.set()
        follow.set()
        threading.Thread(target=server.shutdown).start()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    threads = [
        Part("sending", lambda: keep_sending(State(path), charges, send, stop), end),
        Part("following", lambda: follow_along(path, guilder, source, follow, stop), end),
    ]
    print(f"serving on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
    for thread in threads:
        thread.join(30)
    server.server_close()
    return 1 if any(thread.failed for thread in threads) else 0


def follow_along(path: str, guilder: Guilder, source: str, wake: threading.Event, stop: threading.Event) -> None:
    state = State(path)  # of this thread
    events: Events = Feed(state, guilder, source=source)
    if "KAFKA_BOOTSTRAP_SERVERS" in os.environ:
        tenant_id = os.environ["GUILDER_TENANT_ID"]
        events = kafka.KafkaEvents(state, guilder, source=source, tenant_id=tenant_id, **_brokers())
    keep_following(state, events, wake, stop)


def _brokers() -> dict[str, str]:
    return {
        "servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        "tenant": os.environ["GUILDER_TENANT"],
        "prefix": os.environ.get("KAFKA_TOPIC_PREFIX", ""),
    }


class Part(threading.Thread):
    """A part of the service. When one fails, all of it ends, and whoever supervises it starts it anew."""

    def __init__(self, name: str, work: Callable[[], None], end: Callable[[], None]) -> None:
        super().__init__(name=name)
        self._work, self._end, self.failed = work, end, False
        self.start()

    def run(self) -> None:
        try:
            self._work()
        except Exception:
            self.failed = True
            log.exception("%s failed", self.name)
            self._end()


if __name__ == "__main__":
    sys.exit(main())
