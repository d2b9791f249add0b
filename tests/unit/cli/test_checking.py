"""`guilder doctor --config`: what of settings is unsafe in production, and what stops its start."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from guilder.entrypoints.checking import Weight, findings, refuse_unsafe
from guilder.entrypoints.cli import app
from guilder.platform.config import BadSettings, read_settings

pytestmark = pytest.mark.usefixtures("elsewhere")

SAFE = {
    "APP_ENV": "production",
    "PUBLIC_URL": "https://billing.example.com",
    "DATABASE_URL": "postgresql://u:s3cret@db.example.com/guilder",
    "SMTP_URL": "smtp://u:s3cret@mail.example.com:587",
    "GUILDER_MASTER_KEY": "file:///run/keys",
    "TRUSTED_PROXIES": "10.0.0.0/8",
    "OIDC_ISSUER": "https://id.example.com",
    "OIDC_AUDIENCE": "guilder",
}
# What is set wrong, what is said of it, and whether production starts with it.
WRONG = [
    ("DATABASE_URL", "postgresql://u:s3cret@db.example.com/x?sslmode=disable", "DATABASE_URL", True),
    ("DATABASE_URL", "postgresql://u:s3cret@db.example.com/x?sslmode=prefer", "DATABASE_URL", True),
    ("DATABASE_URL", "postgresql://u:s3cret@db.example.com/x?sslmode=require", "DATABASE_URL", False),
    ("DATABASE_OWNER_URL", "postgresql://u:s3cret@db.example.com/x?sslmode=allow", "DATABASE_OWNER_URL", True),
    ("SMTP_URL", "smtp://u:s3cret@mail.example.com?starttls=never", "SMTP_URL", True),
    ("SMTP_URL", "smtp://mail.example.com?starttls=auto", "SMTP_URL", False),
    ("SMTP_URL", "s3cret.example.com:587", "SMTP_URL", True),
    ("SMTP_URL", "smtp://mail.example.com?starttls=s3cret", "SMTP_URL", True),
    ("PUBLIC_URL", "http://billing.example.com", "PUBLIC_URL", True),
    ("PUBLIC_URL", "", "PUBLIC_URL", False),
    ("TRUSTED_PROXIES", "0.0.0.0/0", "TRUSTED_PROXIES", True),
    ("TRUSTED_PROXIES", "10.0.0.1,::/0", "TRUSTED_PROXIES", True),
    ("CORS_ORIGIN", "http://app.example.com", "CORS_ORIGIN", False),
    ("METRICS_TOKEN", "s3cret", "METRICS_TOKEN", False),
    ("STRIPE_SECRET_KEY", "sk_" + "test_s3cret", "STRIPE_SECRET_KEY", False),
    ("REDIS_URL", "redis://u:s3cret@cache.example.com", "REDIS_URL", False),
    ("KAFKA_BOOTSTRAP_SERVERS", "k1.example.com:9092", "KAFKA_SECURITY_PROTOCOL", False),
    ("OIDC_ISSUER", "http://id.example.com", "OIDC_ISSUER", False),
]


def with_settings(monkeypatch, **over: str):
    for name, value in (SAFE | over).items():
        monkeypatch.setenv(name, value)
    return read_settings(env_file=None)


@pytest.mark.shows("API8", "ASVS 12.3.1")
def test_safe_settings_start_and_nothing_is_said_of_them(monkeypatch):
    settings = with_settings(monkeypatch)
    refuse_unsafe(settings)
    assert findings(settings) == []


@pytest.mark.shows("API8")
@pytest.mark.parametrize(("name", "value", "said", "stops"), WRONG)
def test_each_unsafe_setting_is_named_and_never_its_secret(monkeypatch, name: str, value: str, said: str, stops: bool):
    settings = with_settings(monkeypatch, **{name: value})
    found = [each for each in findings(settings) if each.weight is not Weight.NOTE]
    assert [each.setting for each in found] == [said]
    assert "s3cret" not in found[0].what
    if not stops:
        refuse_unsafe(settings)
        return
    with pytest.raises(BadSettings, match=said) as told:
        refuse_unsafe(settings)
    assert "s3cret" not in str(told.value)


@pytest.mark.shows("ASVS 13.3.1")
def test_a_key_or_an_environment_that_others_may_read_is_told(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("master.key", ".env"):
        (tmp_path / name).touch(0o644)
    settings = with_settings(monkeypatch, GUILDER_MASTER_KEY=f"file://{tmp_path}")
    assert [(each.weight, each.setting) for each in findings(settings)] == [
        (Weight.STOPS, "GUILDER_MASTER_KEY"),
        (Weight.UNSAFE, ".env"),
    ]
    for name in ("master.key", ".env"):
        (tmp_path / name).chmod(0o600)
    assert findings(settings) == []


def test_development_starts_with_whatever_it_has(monkeypatch):
    refuse_unsafe(with_settings(monkeypatch, APP_ENV="development", TRUSTED_PROXIES="0.0.0.0/0"))


@pytest.mark.parametrize(("proxies", "code"), [("10.0.0.0/8", 0), ("0.0.0.0/0", 1)])
def test_the_command_says_so_by_its_exit_code(monkeypatch, tmp_path, proxies: str, code: int):
    monkeypatch.chdir(tmp_path)
    with_settings(monkeypatch, TRUSTED_PROXIES=proxies)
    said = CliRunner().invoke(app, ["doctor", "--config"])
    assert said.exit_code == code, said.output
    assert ("TRUSTED_PROXIES" in said.output) is bool(code)


@pytest.mark.shows("PCI eligibility", "I29")
def test_no_command_and_no_setting_takes_a_card_number(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(app, ["tenant", "create", "4242 4242 4242 4242"])
    assert said.exit_code != 0
    assert "4242" not in said.output
    monkeypatch.setenv("MAIL_FROM", "4242-4242-4242-4242 <a@example.com>")
    with pytest.raises(BadSettings, match="MAIL_FROM") as told:
        read_settings(env_file=None)
    assert "4242" not in str(told.value)


@pytest.mark.shows("ASVS 12.3.2", "ASVS 12.2.1")
def test_nowhere_is_a_certificate_left_unchecked():
    source = Path(__file__).parents[3] / "src"
    unchecked = re.compile(
        r"verify\s*=\s*False|verify_mode\s*=|CERT_NONE|check_hostname\s*=\s*False|_create_unverified"
    )
    found = [str(path) for path in source.rglob("*.py") if unchecked.search(path.read_text())]
    assert found == []
