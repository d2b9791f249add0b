"""The real processes of an installation, each its own: API, workers, schedulers, the provider, over a real PostgreSQL."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx

from tests.support.database import DatabaseUrls
from tests.support.nursery import Child, born
from tests.support.ports import free_port

START_TIMEOUT_S = 120


@dataclass(slots=True)
class Process:
    """One process, with what it prints in a file."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    running: subprocess.Popen[bytes] | Child | None = None

    def start(self) -> None:
        assert self.running is None or self.running.poll() is not None, f"{self.name} is running"
        self.running = born(self.command, self.environment, self.log)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send it a signal: to end at once, with whatever it has started, unless another is named."""
        assert self.running is not None
        if number == signal.SIGKILL:
            self._signal_all(number)
            self.running.wait(30)
            return
        with contextlib.suppress(ProcessLookupError):
            self.running.send_signal(number)

    def freeze(self) -> None:
        """Stop it where it stands: connections stay open, and nobody answers."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: int) -> None:
        assert self.running is not None
        if self.running.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.running.pid, number)  # it leads a session, and so a group, of its own

    def stop(self) -> int:
        assert self.running is not None
        if self.running.poll() is None:
            self.thaw()
            self.running.terminate()
        try:
            return self.running.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.running.wait(30)

    @property
    def is_running(self) -> bool:
        return self.running is not None and self.running.poll() is None

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-6000:]


class Part(Protocol):
    """What can be done to each part of an installation, whatever it is."""

    @property
    def is_running(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self) -> object: ...
    def kill(self) -> None: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...
    def said(self) -> str: ...


@dataclass(slots=True)
class Installation:
    """Guilder as somebody would run it, in separate processes."""

    urls: DatabaseUrls
    folder: Path
    port: int = field(default_factory=free_port)
    provider_port: int = field(default_factory=free_port)
    processes: dict[str, Process] = field(default_factory=dict)
    more: dict[str, str] = field(default_factory=dict)  # of the environment

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def provider_url(self) -> str:
        return f"http://127.0.0.1:{self.provider_port}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("GUILDER_", "DATABASE_"))},
            "APP_ENV": "test",
            "DATABASE_URL": self.urls.app,
            "DATABASE_OWNER_URL": self.urls.owner,
            "DATABASE_DOCTOR_URL": self.urls.doctor,
            "GUILDER_DATA": str(self.folder),
            "PORT": str(self.port),
            "PROVIDER_PORT": str(self.provider_port),
            "PUBLIC_URL": self.base_url,
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "WARNING",
            "RATE_LIMIT_ANONYMOUS_PER_MINUTE": "100000",
            "RATE_LIMIT_PER_MINUTE": "1000000",
            "RATE_LIMIT_FAILED_LOGINS_PER_MINUTE": "100000",
            **self.more,
        }

    def add(self, name: str, *command: str, **more: str) -> Process:
        """Start a Python program; `more` is put into its environment."""
        process = Process(name, [sys.executable, *command], self.environment | more, self.folder / f"{name}.log")
        self.processes[name] = process
        process.start()
        return process

    @property
    def parts(self) -> Mapping[str, Part]:
        return self.processes

    def is_running(self, name: str) -> bool:
        """Return whether its process is there, frozen or not."""
        return self.parts[name].is_running

    def kill(self, name: str) -> None:
        self.parts[name].kill()

    def freeze(self, name: str) -> None:
        self.parts[name].freeze()

    def thaw(self, name: str) -> None:
        self.parts[name].thaw()

    def start(self, name: str) -> None:
        """Start again what is down, with what it had."""
        self.parts[name].start()

    def start_all(self, *, workers: int = 1, schedulers: int = 1) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        provider_data = str(self.folder / "provider")
        self.add("provider", "-m", "simulated_provider", "--port", str(self.provider_port), "--data", provider_data)
        self.add("api", "-m", "guilder", "serve")
        for number in range(1, workers + 1):
            self.add(f"worker{number}", "-m", "guilder", "work")
        for number in range(1, schedulers + 1):
            self.add(f"scheduler{number}", "-m", "guilder", "schedule")
        self.until_answering(f"{self.provider_url}/health", "provider")
        self.until_answering(f"{self.base_url}/ready", "api")

    def until_answering(self, url: str, name: str) -> None:
        ends = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < ends:
            assert self.is_running(name), f"{name} fell:\n{self.parts[name].said()}"
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(url, timeout=5, trust_env=False).is_success:
                    return
            time.sleep(0.1)
        raise AssertionError(f"{name} does not answer at {url}:\n{self.parts[name].said()}")

    def stop(self, *names: str) -> None:
        """Ask these to end, or all of ours together; and wait until they have."""
        for name in names:
            self.parts[name].stop()
        if names:
            return
        for process in reversed(list(self.processes.values())):
            if process.is_running:
                process.kill(signal.SIGTERM)
        for process in self.processes.values():
            if process.running is not None:
                process.stop()


@contextlib.contextmanager
def installed(urls: DatabaseUrls, folder: Path, **counts: int) -> Iterator[Installation]:
    installation = Installation(urls, folder)
    try:
        installation.start_all(**counts)
        yield installation
    finally:
        installation.stop()


async def until(check, *, timeout_s: float = 120, every_s: float = 0.1, what: str = "it"):  # type: ignore[no-untyped-def]
    """Ask until the answer is true, and return it."""
    ends = asyncio.get_running_loop().time() + timeout_s
    while True:
        found = await check()
        if found:
            return found
        if asyncio.get_running_loop().time() > ends:
            raise AssertionError(f"{what} did not happen within {timeout_s} s (last answer: {found!r})")
        await asyncio.sleep(every_s)
