"""A real Kafka broker for tests: one node that is its own controller (KRaft), on a port of its own, files thrown away after.

Its jars are fetched by `scripts/kafka.sh`. The first start formats an empty folder; later ones copy that.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.support.ports import free_port

CACHE = Path(__file__).parents[2] / ".cache" / "kafka"
ENVIRONMENT = "GUILDER_TEST_KAFKA"
# Small and quick to start: no second compiler, one collector, nothing written to disk before it must be.
JAVA = [
    "-Xms96m",
    "-Xmx320m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-Djava.awt.headless=true",
]
CLUSTER_ID = "guilderTestsKafka0001A"
START_S = 90.0

CONFIG = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=BROKER://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=BROKER://127.0.0.1:{port}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs={folder}
num.partitions=1
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.enable=false
log.segment.bytes=16777216
log.index.size.max.bytes=65536
num.network.threads=2
num.io.threads=2
background.threads=2
num.recovery.threads.per.data.dir=1
controlled.shutdown.enable=false
"""


def missing() -> str | None:
    """Say what keeps a broker from being started here; None if nothing does."""
    if shutil.which("java") is None:
        return "java"
    return None if _jars() else "Apache Kafka (scripts/kafka.sh fetches it)"


@dataclass
class Broker:
    """A broker that can be stopped, killed, and started again with what it had."""

    folder: Path
    port: int
    controller: int
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        assert self._process is None, "it runs"
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["java", *JAVA, *_logging(self.folder), "-cp", f"{_jars()}/*", "kafka.Kafka", str(self._configured())],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        _await_answer(self)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stand it still: connections stay open and nothing answers."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def said(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2_000:]

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.send_signal(number)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)
        self._process = None

    def _configured(self) -> Path:
        path = self.folder / "server.properties"
        path.write_text(CONFIG.format(port=self.port, controller=self.controller, folder=self.folder / "data"))
        return path


@contextmanager
def broker() -> Iterator[Broker]:
    """Run a broker of one's own; when the block ends, nothing of it is left."""
    folder = Path(tempfile.mkdtemp(prefix="guilder-kafka-"))
    made = Broker(folder, free_port(), free_port())
    try:
        shutil.copytree(_formatted(made), folder / "data")
        made.start()
        yield made
    finally:
        made.kill()
        shutil.rmtree(folder, ignore_errors=True)


def running_servers() -> str | None:
    """Return the broker that this test run shares, if it has one."""
    said = os.environ.get(ENVIRONMENT)
    return json.loads(said)["servers"] if said else None


def _jars() -> Path | None:
    found = sorted(path.parent for path in CACHE.glob("*/.complete"))
    return found[-1] if found else None


def _logging(folder: Path) -> list[str]:
    path = folder / "log4j2.properties"
    path.write_text(
        "status=off\nappender.out.type=Console\nappender.out.name=out\nappender.out.layout.type=PatternLayout\n"
        "appender.out.layout.pattern=%d %p %m (%c)%n\nrootLogger.level=warn\nrootLogger.appenderRef.out.ref=out\n"
    )
    return [f"-Dlog4j2.configurationFile={path}"]


def _formatted(like: Broker) -> Path:
    """Return an empty broker's folder, formatted once for all: that takes a Java of its own."""
    kept = CACHE / "formatted"
    if not (kept / "meta.properties").exists():
        config = like._configured()
        with tempfile.TemporaryDirectory(dir=CACHE) as beside:
            text = config.read_text().replace(str(like.folder / "data"), f"{beside}/data")
            config.write_text(text)
            subprocess.run(
                [
                    "java",
                    *JAVA,
                    *_logging(like.folder),
                    "-cp",
                    f"{_jars()}/*",
                    "kafka.tools.StorageTool",
                    "format",
                    "--cluster-id",
                    CLUSTER_ID,
                    "--config",
                    str(config),
                ],
                check=True,
                capture_output=True,
                timeout=START_S,
            )
            with suppress(OSError):  # another worker was first
                Path(beside, "data").rename(kept)
    return kept


def _await_answer(made: Broker) -> None:
    deadline = time.monotonic() + START_S
    admin = AdminClient({"bootstrap.servers": made.servers, "log_level": 0, "reconnect.backoff.max.ms": 200})
    while True:
        try:
            if admin.list_topics(timeout=1).brokers:
                return
        except KafkaException:
            if not made.is_running or time.monotonic() > deadline:
                raise AssertionError(f"Kafka did not start: {made.said()}") from None
