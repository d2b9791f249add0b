"""One provider process for all the tests that do not kill it, and an account of its own for each test."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.simulated_provider.support import Ear, Merchant, Provider


@pytest.fixture(scope="session")
def shared_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    provider = Provider(tmp_path_factory.mktemp("provider"))
    provider.start()
    yield provider
    provider.kill()


@pytest.fixture
def merchant(shared_provider: Provider) -> Iterator[Merchant]:
    """An account that no other test uses."""
    merchant = Merchant(shared_provider, f"shop_{uuid4().hex}")
    yield merchant
    merchant.close()


@pytest.fixture
def ear() -> Iterator[Ear]:
    ear = Ear()
    yield ear
    ear.server.shutdown()
    ear.server.server_close()


@pytest.fixture
def own_provider(tmp_path: Path) -> Iterator[Provider]:
    """A process for a test that kills it."""
    provider = Provider(tmp_path / "provider")
    provider.start()
    yield provider
    if provider.process and provider.process.poll() is None:
        provider.kill()
