"""The settings: every environment variable of deploy/env.example, read once and checked at the start."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from service.errors import InvalidSettings

if TYPE_CHECKING:  # importing redis-py and structlog would slow down every command of the CLI
    from service.runtime import LogFormat
    from service.store.client import Durability

Part = Literal["webhooks", "console"]  # of the web process

DEFAULT_REDIS_URL: Final = "redis://127.0.0.1:6379/0"
DEFAULT_API_URL: Final = "https://apis.haravan.com/com"
DEFAULT_SUBSCRIBE_URL: Final = "https://webhook.haravan.com/api/subscribe"
DEFAULT_HOST: Final = "0.0.0.0"  # noqa: S104  # a service in a container is called from outside
REDIS_SCHEMES: Final = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
MIN_KEY_VARIETY: Final = 8  # different characters; a random key of 32 hexadecimal digits has about 14
HOST: Final = re.compile(r"[A-Za-z0-9.:_-]{1,253}")
LOOPBACK: Final = ("127.0.0.1", "::1")
MIN_TOKEN: Final = 16  # characters
TOKEN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. Secrets are left out of `repr`."""

    redis_url: str = field(default=DEFAULT_REDIS_URL, repr=False)  # may carry a password
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
    durability: Durability = "fsync"
    alert_urls: tuple[str, ...] = field(default=(), repr=False)
    api_reserve: int = 0  # calls of the API rate limit that are left to the merchant's other apps
    retention_days: int = 30  # of delivery records


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. Raises InvalidSettings, whose message names every problem and shows no value."""
    reader = _Reader(os.environ if environ is None else environ)
    settings = Settings(
        redis_url=reader.url("REDIS_URL", DEFAULT_REDIS_URL, REDIS_SCHEMES),
        webhook_secrets=reader.items("HARAVAN_WEBHOOK_SECRETS"),
        verify_token=reader.text("HARAVAN_VERIFY_TOKEN"),
        api_url=reader.url("HARAVAN_API_URL", DEFAULT_API_URL, ("https", "http")).rstrip("/"),
        subscribe_url=reader.url("HARAVAN_SUBSCRIBE_URL", DEFAULT_SUBSCRIBE_URL, ("https", "http")),
        org_id=reader.org("HARAVAN_ORG_ID"),
        access_token=reader.text("HARAVAN_ACCESS_TOKEN"),
        secret_keys=reader.keys("SECRET_KEY"),
        ops_tokens=reader.named("OPS_TOKENS"),
        host=reader.host("HOST", DEFAULT_HOST),
        port=reader.number("PORT", 8000, 1, 65535),
        trusted_proxies=reader.networks("TRUSTED_PROXIES", LOOPBACK),
        serve=reader.parts("SERVE"),
        log_format="console" if reader.choice("LOG_FORMAT", ("json", "console")) == "console" else "json",
        rules_file=reader.file("RULES_FILE"),
        durability="everysec"
        if reader.choice("DURABILITY", ("fsync", "everysec")) == "everysec"
        else "fsync",
        alert_urls=reader.items("ALERT_URLS"),
        api_reserve=reader.number("API_RESERVE", 0, 0, 30),
        retention_days=reader.number("RETENTION_DAYS", 30, 3, 400),
    )
    if bool(settings.org_id) != bool(settings.access_token):
        reader.problems.append("HARAVAN_ORG_ID and HARAVAN_ACCESS_TOKEN belong together: set both or neither")
    if settings.access_token and not settings.secret_keys:
        reader.problems.append("SECRET_KEY is missing: tokens are encrypted with it before they are stored")
    reader.finish()
    return settings


def find_gaps(settings: Settings) -> list[str]:
    """The settings without which the service starts and does nothing yet, each with what that means."""
    gaps = []
    if not settings.webhook_secrets:
        gaps.append(
            "HARAVAN_WEBHOOK_SECRETS: every webhook is rejected, except of shops with their own secret"
        )
    if not settings.verify_token:
        gaps.append("HARAVAN_VERIFY_TOKEN: Haravan's handshake is refused, so no shop can subscribe")
    if not settings.org_id:
        gaps.append("HARAVAN_ORG_ID and HARAVAN_ACCESS_TOKEN: there is only the shops of: tagger shops add")
    return gaps


def _token_problem(who: str, token: str, named: Mapping[str, str]) -> str:
    """What is wrong with an entry of OPS_TOKENS, or an empty text. It shows no part of the entry, not even the name:
    somebody may have written token=name.
    """
    if not token:
        return "write name=token"
    if not TOKEN_NAME.fullmatch(who):
        return "the name has up to 40 letters A-Z, digits, dots, dashes and underscores"
    if not (token.isascii() and token.isprintable()) or " " in token:
        return "the token has characters that a header cannot carry; make one with: openssl rand -hex 32"
    if len(token) < MIN_TOKEN:
        return f"the token is shorter than {MIN_TOKEN} characters; make one with: openssl rand -hex 32"
    if who in named:
        return "the name is that of an earlier entry, and the audit log could not tell the two apart"
    if token in named.values():
        return "the token is that of an earlier entry, and the audit log could not tell the two apart"
    return ""


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


class _Reader:
    """Reads variables and collects their problems."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def text(self, name: str) -> str:
        return self._environ.get(name, "").strip()

    def items(self, name: str) -> tuple[str, ...]:
        return tuple(item.strip() for item in self.text(name).split(",") if item.strip())

    def keys(self, name: str) -> tuple[str, ...]:
        keys = self.items(name)
        if any(len(key) < 32 or len(set(key)) < MIN_KEY_VARIETY for key in keys):
            self.problems.append(
                f"{name}: each key needs 32 characters or more, {MIN_KEY_VARIETY} of them different; "
                "make one with: openssl rand -hex 32"
            )
        return keys

    def url(self, name: str, default: str, schemes: tuple[str, ...]) -> str:
        value = self.text(name) or default
        try:
            parts = urlsplit(value)
            usable = parts.scheme in schemes and bool(parts.netloc or (parts.scheme == "unix" and parts.path))
        except ValueError:
            usable = False
        if not usable:
            self.problems.append(
                f"{name}: not an address that starts with {' or '.join(s + '://' for s in schemes)}"
            )
        return value

    def org(self, name: str) -> str:
        value = self.text(name)
        if value and not (value.isascii() and value.isdigit()):
            self.problems.append(f"{name}: an org id has digits only, as in X-Haravan-Org-Id")
        return value

    def named(self, name: str) -> dict[str, str]:
        """Name and token of each `name=token`. A problem names the position in the list, never a token."""
        named: dict[str, str] = {}
        for position, item in enumerate(self.text(name).split(",") if self.text(name) else (), start=1):
            who, _, token = (part.strip() for part in item.partition("="))
            problem = _token_problem(who, token, named)
            if problem:
                self.problems.append(f"{name}, entry {position}: {problem}")
            else:
                named[who] = token
        return named

    def networks(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        networks = self.items(name) or default
        if not all(map(_is_network, networks)):
            self.problems.append(f"{name}: write addresses or networks, such as 10.0.0.5 or 10.0.0.0/8")
        return networks

    def host(self, name: str, default: str) -> str:
        value = self.text(name) or default
        if not HOST.fullmatch(value):
            self.problems.append(f"{name}: an address or a host name is needed, such as 127.0.0.1 or ::")
        return value

    def number(self, name: str, default: int, low: int, high: int) -> int:
        value = self.text(name)
        if not value:
            return default
        if not (value.isascii() and value.isdigit() and low <= int(value) <= high):
            self.problems.append(f"{name}: a whole number from {low} to {high} is needed")
            return default
        return int(value)

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        value = self.text(name) or choices[0]
        if value not in choices:
            self.problems.append(f"{name}: use one of {', '.join(choices)}")
        return value

    def parts(self, name: str) -> frozenset[Part]:
        known: dict[str, Part] = {"webhooks": "webhooks", "console": "console"}
        given = self.items(name) or tuple(known)
        if not known.keys() >= set(given):
            self.problems.append(f"{name}: name webhooks, console, or both with a comma between")
        return frozenset(known[part] for part in given if part in known)

    def file(self, name: str) -> Path | None:
        value = self.text(name)
        if not value:
            return None
        path = Path(value)
        if not path.is_file():
            self.problems.append(f"{name}: there is no such file")
        return path

    def finish(self) -> None:
        if self.problems:
            raise InvalidSettings(
                "The settings are wrong:\n" + "\n".join(f"  - {problem}" for problem in self.problems)
            )
