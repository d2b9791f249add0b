"""`guilder relay`, where there is nothing to relay; and a house without Kafka, which loads nothing of it."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from guilder.entrypoints import relaying
from guilder.entrypoints.cli import app
from guilder.platform.config import Settings


def test_says_that_there_is_nothing_to_relay_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/guilder")
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    done = CliRunner().invoke(app, ["relay"])
    assert done.exit_code == 1
    assert "without KAFKA_BOOTSTRAP_SERVERS the log is carried by PostgreSQL itself" in " ".join(done.stderr.split())


def test_without_brokers_there_is_neither_transport_nor_relay() -> None:
    settings = Settings(kafka_bootstrap_servers=None)
    assert relaying.transport(settings, None, None) is None  # type: ignore[arg-type]
    assert relaying.carrier(settings, None, None, None) is None  # type: ignore[arg-type]


def test_without_brokers_nothing_of_kafka_is_loaded() -> None:
    loaded = "import sys, guilder.entrypoints.cli.relaying, guilder.entrypoints.cli.running; sys.exit('confluent_kafka' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], check=False).returncode == 0
