"""Settings are read from the environment, or refused in one sentence that names the variable."""

import base64
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from guilder.platform.config import AppEnv, BadSettings, Settings, read_settings
from guilder.platform.config.pairs import PAIRS

KEY = base64.b64encode(bytes(32)).decode()


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch):
    for name in list(os.environ):
        if name.lower() in Settings.model_fields or name.startswith("GUILDER_"):
            monkeypatch.delenv(name)


def read(monkeypatch, **environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return read_settings(env_file=None)


def test_nothing_is_needed_in_development(monkeypatch):
    settings = read(monkeypatch)
    assert (settings.app_env, settings.port, settings.database_url) == (AppEnv.DEVELOPMENT, 4000, None)
    assert settings.base_url == "http://localhost:4000"
    assert settings.guilder_data == Path(".data")
    assert settings.log_style == "console"


def test_an_empty_value_is_none(monkeypatch):
    settings = read(monkeypatch, DATABASE_URL="", PORT="", CORS_ORIGIN="", GUILDER_MASTER_KEY="")
    assert (settings.database_url, settings.port, settings.cors_origin) == (None, 4000, ())


def test_lists_are_given_by_comma(monkeypatch):
    settings = read(
        monkeypatch, CLERK_AUTHORIZED_PARTIES="https://a.test, https://b.test,", TRUSTED_PROXIES="10.0.0.0/8,::1"
    )
    assert settings.clerk_authorized_parties == ("https://a.test", "https://b.test")
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1")


@pytest.mark.parametrize("said", ["foo", "*", "app.example.com", "https://app.example.com/", "https://a.test, b.test"])
def test_an_origin_is_what_a_browser_says(monkeypatch, said):
    with pytest.raises(BadSettings, match="CORS_ORIGIN"):
        read(monkeypatch, CORS_ORIGIN=said)
    assert read(monkeypatch, CORS_ORIGIN="http://localhost:5173").cors_origin == ("http://localhost:5173",)


def test_the_environment_wins_over_the_file(monkeypatch, tmp_path):
    file = tmp_path / ".env"
    file.write_text("PORT=4100\nMAIL_FROM=a@b.test\nSOMEBODY_ELSES=1\n")
    monkeypatch.setenv("PORT", "4200")
    settings = read_settings(env_file=file)
    assert (settings.port, settings.mail_from) == (4200, "a@b.test")


@pytest.mark.shows("I29", "ASVS 16.2.5")
def test_secrets_are_never_printed(monkeypatch):
    settings = read(
        monkeypatch,
        DATABASE_URL="postgresql://u:canary1@h/d",
        STRIPE_SECRET_KEY="sk_canary2",
        GUILDER_MASTER_KEY=KEY,
        SMTP_URL="smtp://u:canary3@h",
    )
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert "canary" not in shown
        assert KEY not in shown
    assert settings.stripe_secret_key.get_secret_value() == "sk_canary2"


def test_settings_do_not_change(monkeypatch):
    with pytest.raises(ValidationError):
        read(monkeypatch).port = 1


@pytest.mark.shows("fault J6", "API8")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "canary"),
        ("PORT", "70000"),
        ("APP_ENV", "canary"),
        ("LOG_LEVEL", "canary"),
        ("LOG_RETENTION_DAYS", "0"),
        ("PUBLIC_URL", "canary"),
        ("OIDC_ISSUER", "canary"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka-1,,canary"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka-1:9092,canary:abc"),
        ("TRUSTED_PROXIES", "canary"),
        ("GUILDER_MASTER_KEY", "canary!"),
        ("GUILDER_MASTER_KEY", base64.b64encode(b"canary too short").decode()),
        ("GUILDER_MASTER_KEY", f"new:{KEY},old:canary!"),
        ("GUILDER_CANARY", "x"),
        ("DATABASE_URL", "mysql://u@h/canary"),
        ("DATABASE_URL", "postgresql://u:p@h:canary/d"),
        ("DATABASE_REPLICA_URL", "postgresql://u:p@h:5432,i:canary/d"),
        ("STRIPE_SECRET_KEY", "pk_live_canary"),
        ("STRIPE_WEBHOOK_SECRET", "canary"),
        ("STRIPE_API_URL", "canary.example.com"),
        ("CLERK_ISSUER", "canary.example.com"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "canary:4318"),
        ("KAFKA_SASL_MECHANISM", "canary"),
        ("MAIL_FROM", "canary"),
        ("MAIL_FROM", "Guilder <canary>"),
        ("SMS_URL", "twilio://canary"),
        ("SMS_URL", "https://canary.example.com/sms"),
    ],
)
def test_a_bad_value_is_refused_by_a_sentence_that_names_the_variable_and_not_the_value(monkeypatch, name, value):
    with pytest.raises(BadSettings) as refusal:
        read(monkeypatch, **{name: value})
    said = str(refusal.value)
    assert said.startswith(name)
    assert "\n" not in said
    assert value not in said or len(value) == 1
    assert refusal.value.__cause__ is None


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@h/d",
        "postgres://u@a:5432,b:5433/d?sslmode=verify-full",
        "postgresql://u@[::1]:5432/d",
        "postgresql:///d?host=/var/run/postgresql",
    ],
)
def test_a_database_may_be_several_hosts_an_address_or_a_socket(monkeypatch, url):
    assert read(monkeypatch, DATABASE_URL=url).database_url.get_secret_value() == url


@pytest.mark.parametrize(("said", "missing"), [ordered for pair in PAIRS for ordered in (pair, pair[::-1])])
def test_half_of_a_pair_is_refused_and_the_other_half_named(monkeypatch, said, missing):
    with pytest.raises(BadSettings, match=f"^{missing.upper()} is required where {said.upper()} is set"):
        read(monkeypatch, **{said.upper(): "https://canary.test"})
    assert read(monkeypatch, **{missing.upper(): "https://canary.test"})


def test_brokers_may_be_several(monkeypatch):
    said = "kafka-1:9092, kafka-2,[::1]:9092"
    assert read(monkeypatch, KAFKA_BOOTSTRAP_SERVERS=said).kafka_bootstrap_servers == said


def test_a_misspelt_name_in_the_file_is_refused_as_well(tmp_path):
    file = tmp_path / ".env"
    file.write_text("GUILDER_MASTERKEY=abc\n")
    with pytest.raises(BadSettings, match=r"^GUILDER_MASTERKEY is not a setting.*GUILDER_MASTER_KEY"):
        read_settings(env_file=file)


def test_a_shell_that_holds_an_api_key_for_guilder_listen_starts_the_rest_as_well(monkeypatch):
    assert read(monkeypatch, GUILDER_API_KEY="gk_sandbox_x").base_url == "http://localhost:4000"
    with pytest.raises(BadSettings, match=r"^GUILDER_API_KEYS is not a setting"):
        read(monkeypatch, GUILDER_API_KEYS="gk_sandbox_x")


@pytest.mark.shows("ASVS 13.3.1", "API8", "PCI 2.2.2")
def test_production_needs_a_master_key(monkeypatch):
    with pytest.raises(BadSettings, match=r"^GUILDER_MASTER_KEY is required"):
        read(monkeypatch, APP_ENV="production")
    settings = read(monkeypatch, APP_ENV="production", GUILDER_MASTER_KEY=f"new:{KEY},old:{KEY}")
    assert settings.is_production
    assert settings.log_style == "json"
