"""The spread-out form of an installation: every part a process of its own, and clients talk to nginx.

Two APIs, three workers, two schedulers, two relays; a PostgreSQL primary with a streaming replica, Redis, Kafka, nginx as
deploy/nginx has it, and the simulated provider. Each part can be killed, stopped, frozen and started again by its name;
PostgreSQL from the main thread only, with which it ends. Who asks for it marks the test needs_kafka, needs_redis, needs_nginx.
"""

import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from uuid import uuid4

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support import nginx
from tests.support.database import DatabaseUrls, connected, new_database
from tests.support.kafka import Broker, broker
from tests.support.ports import free_port
from tests.support.processes import Installation, Part, Process
from tests.support.redis import Server, a_redis
from tests.support.replica import Replica, a_primary, a_replica, several

APIS = ("api1", "api2")
WORKERS = ("worker1", "worker2", "worker3")
SCHEDULERS = ("scheduler1", "scheduler2")
RELAYS = ("relay1", "relay2")
OURS = {
    **dict.fromkeys(APIS, "serve"),
    **dict.fromkeys(WORKERS, "work"),
    **dict.fromkeys(SCHEDULERS, "schedule"),
    **dict.fromkeys(RELAYS, "relay"),
}
Follows = Literal["later", "safely", "never behind"]
# All clients of a test have one address.
UNLIMITED = {"RATE": "100000r/s", "BURST": "100000", "OPEN": "10000"}


@dataclass(slots=True, kw_only=True)
class SpreadOut(Installation):
    """Guilder on many machines, all of them this one."""

    ports: dict[str, int]
    edge: nginx.Edge
    primary: Replica
    replica: Replica
    redis: Server
    kafka: Broker

    @property
    def parts(self) -> Mapping[str, Part]:
        servers: dict[str, Part] = {
            "primary": self.primary,
            "replica": self.replica,
            "redis": self.redis,
            "kafka": self.kafka,
        }
        return {**self.processes, **servers}

    @property
    def names(self) -> list[str]:
        return list(self.parts)

    @property
    def nodes(self) -> dict[str, str]:
        """Where each process of ours tells of itself: /health, /ready, /metrics."""
        return {name: f"http://127.0.0.1:{port}" for name, port in self.ports.items()}

    def start(self, name: str) -> None:
        """Start again what is down, with what it had, and wait for what others wait for: servers, not processes of ours."""
        self.parts[name].start()
        if name == "nginx":
            self.until_answering(f"{self.edge.status_url}/alive", name)

    def start_all(self, **_: int) -> None:
        """Start what is no server, and wait until each is ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        nginx_log = self.folder / "nginx.log"
        self.processes["nginx"] = Process("nginx", nginx.command(self.edge), self.environment, nginx_log)
        self.start("nginx")
        data = str(self.folder / "provider")
        self.add("provider", "-m", "simulated_provider", "--port", str(self.provider_port), "--data", data)
        for name, role in OURS.items():
            port = "PORT" if role == "serve" else "METRICS_PORT"
            self.add(name, "-m", "guilder", role, **{port: str(self.ports[name])})
        self.until_answering(f"{self.provider_url}/health", "provider")
        for name in OURS:
            self.until_ready(name)
        self.until_answering(f"{self.base_url}/health", "nginx")

    def until_ready(self, name: str) -> None:
        self.until_answering(f"{self.nodes[name]}/ready", name)

    def reload_nginx(self) -> None:
        self.processes["nginx"].kill(signal.SIGHUP)

    def figures(self, name: str) -> dict[tuple[str, ...], float]:
        """Return what a process of ours counts: by a figure's name and the values of its labels, how much it is."""
        page = httpx.get(f"{self.nodes[name]}/metrics", timeout=30, trust_env=False).raise_for_status().text
        samples = (sample for family in text_string_to_metric_families(page) for sample in family.samples)
        return {(each.name, *each.labels.values()): each.value for each in samples}

    async def promote(self) -> None:
        """Make the replica the primary, once that is gone; who looks into the database from outside looks there now."""
        assert not self.primary.is_running, "two primaries: business would go on at both"
        await self.replica.promote()
        self.urls = self.replica.urls


@asynccontextmanager
async def spread_out(cluster: DatabaseUrls, folder: Path, *, replica: Follows = "later") -> AsyncIterator[SpreadOut]:
    """Run it until the block ends. `cluster` is a server to copy; how the replica follows is as PostgreSQL has it.

    "later": a commit waits for nothing; the replica may be away. "safely": a commit waits until the replica has it, so
    that nothing acknowledged is lost with the primary. "never behind": a commit waits until the replica shows it, so
    that whoever reads what a worker has just done finds it, wherever it is read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        redis, kafka = stack.enter_context(a_redis()), stack.enter_context(broker())
        async with (
            new_database(cluster, f"guilder_spread_{uuid4().hex[:8]}") as urls,
            a_primary(urls) as primary,
            a_replica(primary.urls, synchronous=replica != "later") as follower,
        ):
            if replica == "never behind":
                await _show_before_it_is_said(primary)
            made = _put_together(folder, primary, follower, redis=redis, kafka=kafka)
            try:
                made.start_all()
                yield made
            finally:
                # Nothing of it is kept, so nobody has to finish what is under way.
                for process in made.processes.values():
                    process.kill()


async def _show_before_it_is_said(primary: Replica) -> None:
    async with connected(primary.urls.admin) as admin:
        await admin.execute("alter system set synchronous_commit = 'remote_apply'")
        await admin.execute("select pg_reload_conf()")


def _put_together(folder: Path, primary: Replica, replica: Replica, *, redis: Server, kafka: Broker) -> SpreadOut:
    ports = {name: free_port() for name in OURS}
    # As deploy/nginx/defaults.env has it, but for the names.
    servers = " ".join(f"server 127.0.0.1:{ports[name]} max_fails=3 fail_timeout=2s;" for name in APIS)
    edge = nginx.prepare(folder / "nginx", servers=[], SERVERS=servers, **UNLIMITED)
    here, there = primary.urls, replica.urls
    both = {role: several(getattr(here, role), getattr(there, role)) for role in ("owner", "app", "doctor")}
    return SpreadOut(
        urls=replace(here, **both),
        folder=folder,
        port=int(edge.url.rpartition(":")[2]),
        more={
            "DATABASE_REPLICA_URL": there.app,
            "REDIS_URL": redis.url,
            "KAFKA_BOOTSTRAP_SERVERS": kafka.servers,
            # nginx, and nobody else, says who asks.
            "TRUSTED_PROXIES": "127.0.0.1/32",
        },
        ports=ports,
        edge=edge,
        primary=primary,
        replica=replica,
        redis=redis,
        kafka=kafka,
    )
