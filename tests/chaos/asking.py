"""A client that does not give up: it asks again with the same key until it is known what became of it, and notes each call."""

import asyncio
import json
import random
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

import httpx

TIMEOUT_S = 8.0
PLAIN = False  # all is plain HTTP: reading the certificates in costs each client a tenth of a second
PAUSE_S = (0.2, 1.0)
AGAIN = frozenset({429, 500, 502, 503, 504})
IN_FLIGHT = "idempotency_in_flight"


@dataclass(frozen=True, slots=True)
class Call:
    """One line of the op log: one request, and what was answered to it."""

    at: float  # seconds since the storm began
    took: float
    client: str
    sandbox: str
    does: str
    attempt: int
    method: str
    path: str
    key: str
    status: int  # 0: no answer
    id: str = ""
    code: str = ""
    error: str = ""
    is_replayed: bool = False
    is_twin: bool = False  # asked once more on purpose, although it had been answered, or at the same time

    @property
    def is_ack(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_unclear(self) -> bool:
        return self.status == 0 or self.status in AGAIN or self.code == IN_FLIGHT


@dataclass
class OpLog:
    """Appends each call to a file as soon as it is answered, and keeps it."""

    path: Path
    began: float = field(default_factory=time.monotonic)
    calls: list[Call] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _file: TextIO | None = None

    def note(self, call: Call) -> None:
        with self._lock:
            if self._file is None:
                self._file = self.path.open("a")
            self._file.write(json.dumps({name: said for name, said in asdict(call).items() if said != ""}) + "\n")
            self._file.flush()
            self.calls.append(call)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    @classmethod
    def read(cls, path: Path) -> list[Call]:
        return [Call(**json.loads(line)) for line in path.read_text().splitlines()]


@dataclass
class Asker:
    """Somebody of one sandbox, who may ask for several things at once."""

    http: httpx.AsyncClient
    log: OpLog
    client: str
    sandbox: str
    rng: random.Random
    patience_s: float = 45.0

    async def read(self, does: str, path: str, **query: Any) -> Any:
        """Look once; None where there was no good answer."""
        answer, _ = await self._once(does, "GET", path, None, "", 1, query=query)
        return answer.json()["data"] if answer is not None and answer.is_success else None

    async def insist(self, does: str, method: str, path: str, body: Any, *, key: str, is_twin: bool = False) -> Any:
        """Ask until there is an answer; return what was answered if it was done, None if it was refused or is unknown."""
        ends = time.monotonic() + self.patience_s
        for attempt in range(1, 1_000):
            answer, call = await self._once(does, method, path, body, key, attempt, is_twin=is_twin)
            if not call.is_unclear:
                return answer.json().get("data") if answer is not None and call.is_ack else None
            if time.monotonic() > ends:
                break
            await asyncio.sleep(self.rng.uniform(*PAUSE_S))
        return None

    async def _once(
        self,
        does: str,
        method: str,
        path: str,
        body: Any,
        key: str,
        attempt: int,
        *,
        query: dict[str, Any] | None = None,
        is_twin: bool = False,
    ) -> tuple[httpx.Response | None, Call]:
        headers = {"Idempotency-Key": key} if key else {}
        at, answer, error = time.monotonic() - self.log.began, None, ""
        try:
            answer = await self.http.request(method, path, json=body, params=query, headers=headers)
        except (httpx.HTTPError, OSError) as raised:
            error = type(raised).__name__
        call = Call(
            at=round(at, 3),
            took=round(time.monotonic() - self.log.began - at, 3),
            client=self.client,
            sandbox=self.sandbox,
            does=does,
            attempt=attempt,
            method=method,
            path=path,
            key=key,
            status=answer.status_code if answer is not None else 0,
            error=error,
            is_replayed=answer is not None and "Idempotent-Replayed" in answer.headers,
            is_twin=is_twin,
            **_said(answer),
        )
        self.log.note(call)
        return answer, call


def _said(answer: httpx.Response | None) -> dict[str, str]:
    """Return the id of what an answer is about, and the code of what was refused."""
    try:
        said = answer.json() if answer is not None else {}
    except ValueError:
        return {}
    if not isinstance(said, dict):
        return {}
    data = said.get("data")
    found = data.get("id") if isinstance(data, dict) else None
    return {"id": str(found or ""), "code": str(said.get("code") or "")}


def anonymous(base_url: str) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=16)
    return httpx.AsyncClient(base_url=base_url, trust_env=False, timeout=TIMEOUT_S, limits=limits, verify=PLAIN)
