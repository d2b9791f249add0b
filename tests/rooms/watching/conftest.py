"""Settings of an installation whose database is the test's."""

from pathlib import Path

import pytest

from guilder.platform.config import Settings
from tests.support.database import DatabaseUrls
from tests.support.processes import Installation
from tests.support.siege import settings_of


@pytest.fixture
def installed_settings(database_urls: DatabaseUrls, tmp_path: Path) -> Settings:
    return settings_of(Installation(database_urls, tmp_path))
