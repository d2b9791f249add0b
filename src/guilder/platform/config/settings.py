"""Settings: every name the environment may give, typed, with what it is for.

The classes below are chapters; `Settings` is the book. Names in the environment are the fields in capitals.
An empty value is the same as none. What may authenticate or decrypt is a SecretStr, which never prints itself.
"""

import base64
import binascii
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from guilder.platform.config.addresses import Brokers, PostgresUrl, Sender, SigningSecret, StripeKey, TwilioUrl, WebUrl
from guilder.platform.config.lists import Names, Networks, Origins
from guilder.platform.config.pairs import refuse_halves

MASTER_KEY_BYTES = 32
# Places of master keys other than the setting itself.
FOLDER_PREFIX = "file://"
KMS_PREFIX = "kms:aws:"


class AppEnv(StrEnum):
    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


Port = Annotated[int, Field(ge=0, le=65_535)]
PerMinute = Annotated[int, Field(ge=1, le=1_000_000)]
AtOnce = Annotated[int, Field(ge=1, le=100_000)]


class ProcessSettings(BaseModel):
    """The process"""

    app_env: AppEnv = Field(
        AppEnv.DEVELOPMENT,
        description="`development` (open docs and metrics, demo data), `test`, or `production` (refuses demo keys, "
        "demo tenants and a missing master key).",
    )
    host: str = Field("127.0.0.1", description="Address to listen on; `0.0.0.0` in a container.")
    port: Port = Field(4000, description="Port of the API and of the pages that customers and staff open.")
    public_url: str | None = Field(
        None,
        description="Where customers reach this server, for payment links; unset, `http://localhost:PORT`.",
    )
    trusted_proxies: Networks = Field(
        (),
        description="Addresses or networks of proxies whose X-Forwarded-* headers are believed, by comma.",
    )
    cors_origin: Origins = Field(
        (), description="Origins allowed to call the API from a browser, by comma; none when unset."
    )
    guilder_data: Path = Field(
        Path(".data"),
        description="Folder for what this machine keeps: embedded PostgreSQL, documents, mailbox, development key.",
    )
    provider_port: Port = Field(4010, description="Port of the simulated payment provider (not in production).")
    provider_url: WebUrl | None = Field(
        None,
        description="Where a simulated payment provider runs that `guilder up` has not started, such as another "
        "container's; unset, this machine's at PROVIDER_PORT.",
    )

    @field_validator("public_url")
    @classmethod
    def _no_slash(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).hostname:
            raise ValueError("should be a URL such as https://billing.example.com")
        return value.rstrip("/")


class DatabaseSettings(BaseModel):
    """PostgreSQL"""

    database_url: PostgresUrl | None = Field(
        None,
        description="PostgreSQL 15 or later, several hosts by comma (the one that takes writes is found); unset, an embedded "
        "server is started in the data folder.",
    )
    database_direct_url: PostgresUrl | None = Field(
        None,
        description="The same database without the pooler that stands at DATABASE_URL (PgBouncer by the transaction), for "
        "listening and migrations; unset, DATABASE_URL.",
    )
    database_statements_kept: int | None = Field(
        None,
        ge=0,
        le=1_000,
        description="Prepared statements that each connection keeps; unset, 300, or none behind a pooler. PgBouncer since 1.21 "
        "with max_prepared_statements can keep them too.",
    )
    work_niceness: int = Field(
        5,
        ge=0,
        le=19,
        description="How far workers and schedulers stand back for the API where they share a machine, as `nice` has it: at 5 the "
        "API gets three times as much of a core that both want. While it answers, a billing run does half a batch at a time, too. "
        "0: neither.",
    )
    database_replica_url: PostgresUrl | None = Field(
        None,
        description="A read replica for what may lag: lists, histories, the event feed, documents; unset, DATABASE_URL.",
    )
    database_replica_lag_max_s: float = Field(
        10, ge=1, le=3_600, description="A replica further behind than this is left out, in seconds."
    )
    database_owner_url: PostgresUrl | None = Field(
        None,
        description="The role that owns the tables, for migrations; unset, DATABASE_DIRECT_URL, and else DATABASE_URL.",
    )
    database_doctor_url: PostgresUrl | None = Field(
        None, description="A login of the read-only role, for `guilder doctor`; unset, DATABASE_URL."
    )
    database_backup_url: PostgresUrl | None = Field(
        None,
        description="A login for `guilder backup`: one that may replicate has the whole server copied with its log, any "
        "other the content dumped; unset, DATABASE_OWNER_URL.",
    )
    database_pool_max: int | None = Field(
        None,
        ge=2,
        le=500,
        description="Most connections in the pool of one process; unset, by its role: docs/design/databases.md.",
    )


class TransportSettings(BaseModel):
    """Redis and Kafka"""

    redis_url: SecretStr | None = Field(
        None,
        description="Shares rate limits and caches between processes; unset, each keeps its own. `redis://host/0`, "
        "`rediss://` (TLS), `redis+sentinel://host,host/master`, `redis+cluster://host,host`.",
    )
    answers_near_max: int = Field(
        10_000,
        ge=0,
        le=1_000_000,
        description="Answers that each process of the API keeps at hand for seconds, and forgets when they change; with 0 "
        "it remembers none, nor whose an API key is.",
    )
    kafka_bootstrap_servers: Brokers | None = Field(
        None, description="Carries the log over Apache Kafka; unset, PostgreSQL itself does."
    )
    kafka_topic_prefix: str = Field("", description="Put before every topic's name, where a cluster is shared.")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to speak to the brokers."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="`PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`."
    )
    kafka_sasl_username: str | None = Field(None, description="With a SASL protocol.")
    kafka_sasl_password: SecretStr | None = Field(None, description="With a SASL protocol.")
    kafka_ssl_ca_file: str | None = Field(
        None, description="Certificates that the brokers' are signed by, in PEM; unset, the system's."
    )


class SecretSettings(BaseModel):
    """Keys of this installation"""

    guilder_master_key: SecretStr | None = Field(
        None,
        description="Encrypts the keys that encrypt personal data and gateway secrets: 32 random bytes in base64 "
        "(`openssl rand -base64 32`), or a ring `id:base64,id:base64`, the key for new data first. Or where such a ring "
        "lies: `file:///folder`, whose file `master.key` nobody else may read, or `kms:aws:ARN`, keys in the database "
        "that only AWS KMS unwraps (needs the extra `aws`). Unset in development and test, a file in the data folder "
        "is made; production refuses to start. Lost, what it sealed is lost. `guilder master-keys` changes it.",
    )
    metrics_token: SecretStr | None = Field(
        None, description="Bearer token that opens /metrics in production; unset there, /metrics is closed."
    )

    @field_validator("guilder_master_key")
    @classmethod
    def _whole_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or value.get_secret_value().startswith((FOLDER_PREFIX + "/", KMS_PREFIX)):
            return value
        for part in value.get_secret_value().split(","):
            try:
                raw = base64.b64decode(part.strip().rpartition(":")[2], validate=True)
            except binascii.Error as error:
                raise ValueError("should be base64, such as `openssl rand -base64 32` prints") from error
            if len(raw) != MASTER_KEY_BYTES:
                raise ValueError(f"should be {MASTER_KEY_BYTES} bytes in base64; this is {len(raw)} bytes")
        return value


class GatewaySettings(BaseModel):
    """Payment providers, for the default tenant"""

    stripe_secret_key: StripeKey | None = Field(
        None, description="`sk_…` or `rk_…`; other tenants bring their own, by API."
    )
    stripe_webhook_secret: SigningSecret | None = Field(
        None,
        description="`whsec_…` of an endpoint /api/webhooks/stripe that you made at Stripe; unset, one is registered "
        "there by itself.",
    )
    stripe_api_url: WebUrl = Field("https://api.stripe.com", description="Stripe's API; another in tests.")
    paypal_client_id: str | None = Field(None, description="Of your app at PayPal; other tenants bring theirs, by API.")
    paypal_client_secret: SecretStr | None = Field(None, description="Of the same app.")
    paypal_environment: Literal["sandbox", "live"] = Field("sandbox", description="Which PayPal that app belongs to.")
    paypal_api_url: WebUrl | None = Field(None, description="PayPal's API in that environment; another in tests.")


class IdentitySettings(BaseModel):
    """Who signs users in, for the default tenant"""

    step_up_s: int = Field(
        600,
        ge=60,
        le=86_400,
        description="How lately a person must have proven who they are for what moves money, gives a right or shows a secret.",
    )
    clerk_secret_key: SecretStr | None = Field(None, description="Re-checks a member's role before sensitive actions.")
    clerk_jwt_key: SecretStr | None = Field(
        None, description="Clerk's public key in PEM: tokens are verified without any network call."
    )
    clerk_issuer: WebUrl | None = Field(
        None,
        description="`https://….clerk.accounts.dev` or your domain, as in the tokens' `iss`; "
        "needed for any Clerk token to be accepted. With no CLERK_JWT_KEY its key set is fetched.",
    )
    clerk_authorized_parties: Names = Field(
        (), description="Origins whose Clerk tokens are accepted (`azp`), by comma."
    )
    clerk_api_url: WebUrl = Field("https://api.clerk.com", description="Where Clerk's backend API is asked.")
    clerk_webhook_secret: SigningSecret | None = Field(None, description="`whsec_…` of /api/webhooks/clerk.")
    oidc_issuer: WebUrl | None = Field(None, description="Any OpenID Connect issuer, exactly as in its tokens' `iss`.")
    oidc_audience: str | None = Field(None, description="The `aud` that its access tokens must carry.")
    oidc_jwks_url: WebUrl | None = Field(None, description="Its key set; unset, found through its discovery document.")
    auth_introspection_url: WebUrl | None = Field(
        None, description="RFC 7662 endpoint of an external auth service, for tokens that are not JWT."
    )
    auth_introspection_client_id: str | None = Field(None, description="How this server identifies itself there.")
    auth_introspection_client_secret: SecretStr | None = Field(None, description="How it proves that.")


class OutsideSettings(BaseModel):
    """Mail, SMS and files"""

    smtp_url: SecretStr | None = Field(
        None,
        description="`smtp://user:password@host:587`, or smtps; over TLS unless it ends in `?starttls=never`; unset, mail goes "
        "to the readable mailbox.",
    )
    mail_from: Sender = Field("Guilder <billing@localhost>", description="Sender where a tenant has named none.")
    sms_url: TwilioUrl | None = Field(
        None, description="`twilio://sid:token@+15550100`; unset, SMS go to the readable mailbox."
    )
    files_url: str | None = Field(
        None, description="Where documents are kept: `s3://bucket/prefix` or `file:///…`; unset, the data folder."
    )
    aws_endpoint_url_s3: WebUrl | None = Field(
        None,
        description="Where a storage that speaks S3 but is not AWS is found (MinIO, Ceph, R2): browsers follow its links, so "
        "they must reach it there, too; unset, AWS.",
    )
    aws_region: str | None = Field(None, description="The bucket's region, such as `eu-central-1`.")
    aws_access_key_id: str | None = Field(
        None, description="Who writes to the bucket; unset, the role of this machine, task or pod."
    )
    aws_secret_access_key: SecretStr | None = Field(None, description="With it.")
    backup_url: str | None = Field(
        None,
        description="Where `guilder backup` puts backups: `s3://bucket/prefix` or a folder, best on another machine; "
        "unset, `backups` in the data folder.",
    )


class WatchingSettings(BaseModel):
    """Logs, traces and limits"""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least severe line written.")
    log_format: Literal["json", "console"] | None = Field(
        None, description="Unset: `console` in development, `json` elsewhere."
    )
    log_retention_days: int = Field(
        30, ge=1, le=3_650, description="How long announced events stay in the log, for replay and the event feed."
    )
    audit_days: int = Field(
        2_555, ge=1, le=36_500, description="How long a month of the audit is kept after its end, in days (7 years)."
    )
    audit_sandbox_days: int = Field(90, ge=1, le=36_500, description="The same of sandboxes.")
    metrics_port: Port | None = Field(
        None,
        description="Where a process without the API (`work`, `schedule`, `relay`) answers /metrics, /health and /ready; "
        "unset, it does not.",
    )
    doctor_every_minutes: int | None = Field(
        None,
        ge=0,
        le=10_080,
        description="How often a scheduler has the doctor look at everything, for /metrics; 0 is never. Unset, 60 in "
        "production and never elsewhere.",
    )
    otel_exporter_otlp_endpoint: WebUrl | None = Field(
        None, description="OpenTelemetry collector over HTTP; unset, tracing costs nothing. Needs the extra `otel`."
    )
    rate_limit_per_minute: PerMinute = Field(6_000, description="Requests a minute of one API key or user.")
    rate_limit_tenant_per_minute: PerMinute = Field(
        60_000, description="Requests a minute of all of a tenant's keys and users together."
    )
    rate_limit_anonymous_per_minute: PerMinute = Field(
        300, description="Requests a minute of one address without valid credentials."
    )
    rate_limit_failed_logins_per_minute: PerMinute = Field(
        20, description="Refused credentials a minute of one address."
    )
    requests_max: AtOnce = Field(
        256, description="Requests that one process serves at once; more are 503. Health and webhooks have their own."
    )
    requests_per_caller_max: AtOnce = Field(128, description="Of them, of one API key or user; more are 429.")
    requests_webhooks_max: AtOnce = Field(64, description="Providers' webhooks that one process takes at once.")
    requests_waiting_max: AtOnce = Field(
        128, description="Transactions that may wait for a connection before requests are answered 503."
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _capitals(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value


CHAPTERS: tuple[type[BaseModel], ...] = (
    ProcessSettings,
    DatabaseSettings,
    SecretSettings,
    GatewaySettings,
    IdentitySettings,
    TransportSettings,
    OutsideSettings,
    WatchingSettings,
)


class Settings(
    ProcessSettings,
    DatabaseSettings,
    SecretSettings,
    GatewaySettings,
    IdentitySettings,
    TransportSettings,
    OutsideSettings,
    WatchingSettings,
    BaseSettings,
):
    """All settings, read once at the start and passed on. Use `read_settings` for errors fit for a person."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, env_file=None, hide_input_in_errors=True
    )

    @model_validator(mode="after")
    def _fit_for_production(self) -> Self:
        if self.is_production and self.guilder_master_key is None:
            raise ValueError("GUILDER_MASTER_KEY is required where APP_ENV is production: `openssl rand -base64 32`")
        return self

    @model_validator(mode="after")
    def _whole(self) -> Self:
        refuse_halves(self)
        return self

    @property
    def is_production(self) -> bool:
        return self.app_env is AppEnv.PRODUCTION

    @property
    def is_development(self) -> bool:
        return self.app_env is AppEnv.DEVELOPMENT

    @property
    def base_url(self) -> str:
        """Return where customers reach this server, without a slash at the end."""
        return self.public_url or f"http://localhost:{self.port}"

    @property
    def simulated_url(self) -> str:
        """Return where the simulated provider is asked, without a slash at the end."""
        return (self.provider_url or f"http://127.0.0.1:{self.provider_port}").rstrip("/")

    @property
    def log_style(self) -> Literal["json", "console"]:
        return self.log_format or ("console" if self.is_development else "json")
