"""A real nginx with the configuration of deploy/nginx, as the container has it: the same templates, other values."""

import contextlib
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.ports import free_port

TEMPLATES = Path(__file__).parents[2] / "deploy" / "nginx"
START_TIMEOUT_S = 60
# Debian keeps servers where only root's PATH looks.
_SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
# As NGINX_ENVSUBST_FILTER has it in compose.yaml: nginx's own $variables stay.
_NAME = re.compile(r"\$\{(EDGE_[A-Z_]+)\}")


def nginx_path() -> str | None:
    return shutil.which("nginx", path=_SEARCHED)


def defaults() -> dict[str, str]:
    """Return what deploy/nginx/defaults.env says, as Compose reads it."""
    lines = [line for line in (TEMPLATES / "defaults.env").read_text().splitlines() if line and line[0] != "#"]
    return {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}


def render(template: str, values: dict[str, str]) -> str:
    """Put values in, as `envsubst` does; a name without a value is a mistake of the template."""
    return _NAME.sub(lambda found: values[found[1]], template)


@dataclass(frozen=True, slots=True)
class Edge:
    """A running nginx: where it listens, whom its certificate is signed by, and what it logged."""

    folder: Path
    values: dict[str, str]

    @property
    def url(self) -> str:
        """Without TLS, as on one's own machine."""
        return f"http://127.0.0.1:{self._port('PLAIN')}"

    @property
    def tls_url(self) -> str:
        return f"https://localhost:{self._port('HTTPS')}"

    @property
    def redirecting_url(self) -> str:
        return f"http://127.0.0.1:{self._port('HTTP')}"

    @property
    def tunnel_url(self) -> str:
        return f"http://127.0.0.1:{self._port('TUNNEL')}"

    @property
    def status_url(self) -> str:
        return f"http://127.0.0.1:{self._port('STATUS')}"

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "tls" / "ca.crt"))

    @property
    def log(self) -> str:
        return (self.folder / "access.log").read_text()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.splitlines()]

    def _port(self, name: str) -> int:
        return int(self.values[f"EDGE_{name}"].rpartition(":")[2])


def command(edge: Edge) -> list[str]:
    """Return how nginx is run with this configuration, in the foreground."""
    found = nginx_path()
    assert found, "mark the test needs_nginx"
    return [found, "-c", str(edge.folder / "nginx.conf"), "-g", "daemon off;"]


def prepare(folder: Path, *, servers: Sequence[int], **more: str) -> Edge:
    """Write the configuration for these ports of ours; `more` are values by their names without EDGE_."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["sh", TEMPLATES / "certificate.sh", "localhost", folder / "tls"], check=True, capture_output=True)
    here = {name: f"127.0.0.1:{free_port()}" for name in ("HTTP", "HTTPS", "STATUS", "PLAIN", "TUNNEL")}
    values = defaults() | {
        f"EDGE_{name}": value
        for name, value in {
            **here,
            "RUN": str(folder),
            "USER": "user root;" if os.geteuid() == 0 else "",
            "LOG": str(folder / "access.log"),
            "HTTPS_PUBLIC": ":" + here["HTTPS"].rpartition(":")[2],
            "CERTIFICATE": str(folder / "tls" / "server.crt"),
            "CERTIFICATE_KEY": str(folder / "tls" / "server.key"),
            "SERVERS": " ".join(f"server 127.0.0.1:{port} max_fails=0;" for port in servers),
            "MORE": "include development.conf;",
            **more,
        }.items()
    }
    for template in TEMPLATES.glob("*.conf.template"):
        (folder / template.stem).write_text(render(template.read_text(), values))
    return Edge(folder, values)


@contextlib.contextmanager
def running_edge(folder: Path, *, servers: Sequence[int], **more: str) -> Iterator[Edge]:
    """Run nginx before the processes that listen at `servers`, and stop it at the end."""
    edge = prepare(folder, servers=servers, **more)
    with (folder / "nginx.out").open("wb") as said:
        process = subprocess.Popen(command(edge), stdout=said, stderr=said, start_new_session=True)
    try:
        _until_alive(edge, process)
        yield edge
    finally:
        # A master that is killed leaves its workers behind: it is asked, and its group only after that.
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def _until_alive(edge: Edge, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < ends:
        said = (edge.folder / "nginx.out").read_text(errors="replace")
        assert process.poll() is None, f"nginx fell:\n{said}"
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{edge.status_url}/alive", timeout=5, trust_env=False).is_success:
                return
        time.sleep(0.05)
    raise AssertionError("nginx does not answer")
