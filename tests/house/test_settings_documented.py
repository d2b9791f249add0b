"""The pages about settings say what the settings are."""

import re
from pathlib import Path

import pytest

from guilder.platform.config import Settings, env_example, settings_page

ROOT = Path(__file__).parents[2]

# The names that the design fixes: whoever runs Guilder has them in a deployment somewhere.
FIXED = [
    "DATABASE_URL",
    "DATABASE_DIRECT_URL",
    "DATABASE_REPLICA_URL",
    "APP_ENV",
    "REDIS_URL",
    "KAFKA_BOOTSTRAP_SERVERS",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
    "CLERK_SECRET_KEY",
    "CLERK_JWT_KEY",
    "PORT",
    "LOG_LEVEL",
    "CORS_ORIGIN",
]


@pytest.mark.parametrize(("page", "made"), [(".env.example", env_example), ("docs/howto/settings.md", settings_page)])
def test_the_page_is_fresh(page, made):
    assert (ROOT / page).read_text() == made(Settings), f"{page} is stale: scripts/write_settings.py writes it anew"


def test_every_setting_is_on_both_pages():
    for name in Settings.model_fields:
        assert re.search(rf"^# {name.upper()}=", env_example(Settings), re.MULTILINE), name
        assert f"| `{name.upper()}` |" in settings_page(Settings), name


@pytest.mark.parametrize("name", FIXED)
def test_the_names_of_the_design_are_kept(name):
    assert name.lower() in Settings.model_fields


@pytest.mark.parametrize("name", ["DATABASE_URL", "STRIPE_SECRET_KEY", "SMS_URL", "GUILDER_MASTER_KEY", "SMTP_URL"])
def test_a_secret_is_called_one_whatever_else_is_asked_of_it(name):
    [row] = [line for line in settings_page(Settings).splitlines() if line.startswith(f"| `{name}` |")]
    assert row.endswith("*Secret.* |")


def test_what_is_no_secret_is_not_called_one():
    [row] = [line for line in settings_page(Settings).splitlines() if line.startswith("| `STRIPE_API_URL` |")]
    assert "*Secret.*" not in row
