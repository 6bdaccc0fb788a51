"""The settings of the service and their defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from service.sentence import Sentence
from service.settings.reader import LOOPBACK, MIN_TOKEN, REDIS_SCHEMES, Part, SettingsReader

if TYPE_CHECKING:  # importing redis-py and structlog would slow down every command of the CLI
    from service.runtime import LogFormat
    from service.store.client import Durability

DEFAULT_REDIS_URL: Final = "redis://127.0.0.1:6379/0"
DEFAULT_API_URL: Final = "https://apis.haravan.com/com"
DEFAULT_SUBSCRIBE_URL: Final = "https://webhook.haravan.com/api/subscribe"
DEFAULT_HOST: Final = "0.0.0.0"  # noqa: S104  # a service in a container is called from outside


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. Secrets are left out of `repr`."""

    redis_url: str = field(default=DEFAULT_REDIS_URL, repr=False)  # may carry a password
    queue_url: str = field(
        default="", repr=False
    )  # arq's Redis, which has only wake-ups; "" = that of `redis_url`
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    verify_token: str = field(default="", repr=False)
    api_url: str = DEFAULT_API_URL
    subscribe_url: str = DEFAULT_SUBSCRIBE_URL
    org_id: str = ""
    access_token: str = field(default="", repr=False)
    secret_keys: tuple[str, ...] = field(default=(), repr=False)
    ops_tokens: Mapping[str, str] = field(default_factory=dict, repr=False)  # name -> token
    host: str = DEFAULT_HOST
    port: int = 8000
    trusted_proxies: tuple[str, ...] = LOOPBACK  # addresses and networks
    serve: frozenset[Part] = frozenset({"webhooks", "console"})
    log_format: LogFormat = "json"
    rules_file: Path | None = None
    event_networks: tuple[str, ...] = ()  # private networks that endpoints of events may be in
    durability: Durability = "fsync"
    alert_urls: tuple[str, ...] = field(default=(), repr=False)
    api_reserve: int = 0  # calls of the API rate limit that are left to the merchant's other apps
    retention_days: int = 30  # of delivery records
    metrics_token: str = field(default="", repr=False)
    otlp_endpoint: str = field(default="", repr=False)  # may carry a password
    sentry_dsn: str = field(default="", repr=False)
    is_development: bool = False
    warnings: tuple[str, ...] = ()  # slips in secrets, one text for each; no text shows a value
    shop_max_waiting: int = 100_000  # customers of one shop that wait for a drain
    shop_max_deliveries: int = 1_000_000  # of one shop that are kept


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. Raises InvalidSettings, whose message names every problem and shows no value."""
    reader = SettingsReader(os.environ if environ is None else environ)
    redis_url = reader.url("REDIS_URL", DEFAULT_REDIS_URL, REDIS_SCHEMES)
    settings = Settings(
        redis_url=redis_url,
        queue_url=reader.queue_url("QUEUE_URL", redis_url),
        webhook_secrets=reader.secrets("HARAVAN_WEBHOOK_SECRETS"),
        verify_token=reader.secret("HARAVAN_VERIFY_TOKEN"),
        api_url=reader.api_address("HARAVAN_API_URL", DEFAULT_API_URL).rstrip("/"),
        subscribe_url=reader.api_address("HARAVAN_SUBSCRIBE_URL", DEFAULT_SUBSCRIBE_URL),
        org_id=reader.org("HARAVAN_ORG_ID"),
        access_token=reader.token("HARAVAN_ACCESS_TOKEN"),
        secret_keys=reader.keys("SECRET_KEY"),
        ops_tokens=reader.named("OPS_TOKENS"),
        host=reader.host("HOST", DEFAULT_HOST),
        port=reader.number("PORT", 8000, 1, 65535),
        trusted_proxies=reader.networks("TRUSTED_PROXIES", LOOPBACK),
        serve=reader.parts("SERVE"),
        log_format="console" if reader.choice("LOG_FORMAT", ("json", "console")) == "console" else "json",
        rules_file=reader.file("RULES_FILE"),
        event_networks=reader.networks("EVENT_NETWORKS", ()),
        durability=reader.durability("DURABILITY", redis_url),
        alert_urls=reader.items("ALERT_URLS"),
        api_reserve=reader.number("API_RESERVE", 0, 0, 30),
        retention_days=reader.number("RETENTION_DAYS", 30, 3, 400),
        metrics_token=reader.token("METRICS_TOKEN", min_length=MIN_TOKEN),
        otlp_endpoint=reader.optional_url("OTEL_EXPORTER_OTLP_ENDPOINT"),
        sentry_dsn=reader.optional_url("SENTRY_DSN"),
        is_development=reader.choice("DEVELOPMENT", ("no", "yes")) == "yes",
        shop_max_waiting=reader.number("SHOP_MAX_WAITING", 100_000, 1, 100_000_000),
        shop_max_deliveries=reader.number("SHOP_MAX_DELIVERIES", 1_000_000, 1, 1_000_000_000),
    )
    if bool(settings.org_id) != bool(settings.access_token):
        reader.problems.append(
            Sentence("HARAVAN_ORG_ID and HARAVAN_ACCESS_TOKEN belong together: set both or neither")
        )
    if settings.access_token and not settings.secret_keys:
        reader.problems.append(
            Sentence("SECRET_KEY is missing: tokens are encrypted with it before they are stored")
        )
    reader.finish()
    return replace(settings, warnings=tuple(reader.warnings))


def log_warnings(settings: Settings) -> None:
    """Log the slips in the settings. Called once at the start of a process."""
    import structlog

    for text in settings.warnings:
        structlog.get_logger().warning("settings_warning", text=text)


def find_gaps(settings: Settings) -> list[Sentence]:
    """The settings without which the service starts and does nothing yet, each with what that means."""
    gaps: list[Sentence] = []
    if not settings.webhook_secrets:
        gaps.append(
            Sentence(
                "HARAVAN_WEBHOOK_SECRETS: every webhook is rejected, except of shops with their own secret"
            )
        )
    if not settings.verify_token:
        gaps.append(
            Sentence("HARAVAN_VERIFY_TOKEN: Haravan's handshake is refused, so no shop can subscribe")
        )
    if not settings.org_id:
        gaps.append(
            Sentence(
                "HARAVAN_ORG_ID and HARAVAN_ACCESS_TOKEN: there are only the shops that were added with: tagger shops add"
            )
        )
    return gaps
