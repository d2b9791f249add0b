"""Guilder's API, as far as this product needs it."""

import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from .state import Access

TIMEOUT_S = 10.0
PAGE = 100
# What this product wants to hear: what becomes of its charges, and whose access changes.
TYPES = "orders.charge.accepted,orders.charge.settled,orders.charge.failed,orders.charge.refused,entitlements.access.*"


class Away(Exception):
    """No answer that says anything of what was asked: ask again later, after `wait_s` if it is given."""

    def __init__(self, why: str, wait_s: float | None = None) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class Refused(Exception):
    """Guilder will never do this; `code` is stable and says why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


class Guilder:
    """One client, safe for threads."""

    def __init__(self, url: str, key: str) -> None:
        # trust_env: a proxy that somebody put into the environment must not see the key.
        headers = {"authorization": f"Bearer {key}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False)

    def ask_charges(self, events: Sequence[dict[str, Any]]) -> list[str | None]:
        """Hand over charges, at most 500: all are taken, or none. Return their ids. Handed over again, nothing happens.

        :raises Refused: one of them (or, if there is one only, this one) can never be taken
        :raises Away: whether they were taken is not known
        """
        answer = self._ask("POST", "/api/charges/batch", json=list(events))
        return [each["id"] for each in answer["data"]]

    def charge(self, charge_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self._ask("GET", f"/api/charges/{charge_id}")["data"]
        return found

    def events(self, cursor: str | None) -> tuple[list[dict[str, Any]], str, bool]:
        """Return the next events, the cursor after them, and whether there are more at once."""
        answer = self._ask("GET", "/api/events", params=_said(cursor=cursor, types=TYPES, limit=PAGE))
        return answer["data"], answer["page"]["next_cursor"], answer["page"]["has_more"]

    def access(self, customer: str) -> Access:
        """Ask about a customer, by the id that this product gave it or by Guilder's."""
        asked_at_ns = time.time_ns()
        found = self._ask("GET", f"/api/entitlements/{quote(customer, safe='')}")["data"]
        return Access(found["organization_id"], found["blocked"], found["reasons"], asked_at_ns)

    def blocked(self) -> Iterator[Access]:
        """Yield everybody who is blocked now."""
        cursor: str | None = None
        while True:
            asked_at_ns = time.time_ns()
            answer = self._ask("GET", "/api/blocked", params=_said(cursor=cursor, limit=PAGE))
            for each in answer["data"]:
                reasons = [block["reason"] for block in each["blocks"]]
                yield Access(each["organization_id"], True, reasons, asked_at_ns)
            cursor = answer["page"]["next_cursor"]
            if not cursor or not answer["page"]["has_more"]:
                return

    def _ask(self, method: str, path: str, **said: Any) -> Any:
        try:
            answer = self._http.request(method, path, **said)
        except httpx.TransportError as error:
            raise Away(f"{type(error).__name__} at {path}") from error
        if answer.is_success:
            return answer.json()
        # A key that was revoked, a limit, a restart: none of that says anything of the charge itself.
        if answer.status_code in {401, 403, 408, 425, 429} or answer.is_server_error:
            wait = answer.headers.get("retry-after", "")
            raise Away(f"{answer.status_code} at {path}", float(wait) if wait.isdigit() else None)
        problem = answer.json()
        raise Refused(problem.get("code", str(answer.status_code)), problem.get("detail") or problem.get("title", ""))


def _said(**values: str | int | None) -> dict[str, str | int]:
    return {name: value for name, value in values.items() if value is not None}
