"""Odd settings: what is read, what is ignored with a warning, and what stops the start.

Neither a warning nor a message shows a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from service.errors import InvalidSettings
from service.settings import Settings, read_settings
from tests.hostile.verdict import Verdict

TABLE: Final = "settings"
SECRET: Final = "s3cr3t-of-the-app-0123456789abcdef"
KEY: Final = "k3y-0123456789abcdef0123456789abcdef"
WARNED: Final = ", warned"


@dataclass(frozen=True, slots=True)
class Row:
    """One variable. `expected` is `read` or `refused: …` with a part of the message, and `, warned` if it is warned of.

    `wanted` is the value that must be read; the default is `value`.
    """

    name: str
    variable: str
    value: str
    expected: str = "read"
    wanted: str | None = None


def slip_rows() -> Iterator[Row]:
    """Slips of copying around secrets: they are ignored."""
    secrets = "HARAVAN_WEBHOOK_SECRETS"
    slips = {
        "double quotes": f'"{SECRET}"',
        "single quotes": f"'{SECRET}'",
        "backticks": f"`{SECRET}`",
        "typographic quotes": f"“{SECRET}”",
        "single typographic quotes": f"‘{SECRET}’",
        "French quotes": f"« {SECRET} »",
        "quotes and blanks": f'  " {SECRET} "  ',
        "quotes with a line break inside": f'"{SECRET}\n"',
        "a byte-order mark in front": f"\ufeff{SECRET}",
        "a byte-order mark and quotes": f'\ufeff"{SECRET}"',
        "a zero-width space behind": f"{SECRET}\u200b",
        "a zero-width space inside": f"{SECRET[:8]}\u200b{SECRET[8:]}",
        "a soft hyphen inside": f"{SECRET[:8]}\u00ad{SECRET[8:]}",
        "a right-to-left mark": f"\u200f{SECRET}",
        "a NUL behind": f"{SECRET}\x00",
        "a line break inside": f"{SECRET[:8]}\n{SECRET[8:]}",
        "a carriage return inside": f"{SECRET[:8]}\r\n{SECRET[8:]}",
    }
    for name, value in slips.items():
        yield Row(f"a secret with {name}", secrets, value, "read" + WARNED, SECRET)
    silent = {
        "a line break behind": f"{SECRET}\n",
        "a carriage return behind": f"{SECRET}\r\n",
        "blanks around": f"  {SECRET}\t",
        "a no-break space behind": f"{SECRET}\u00a0",
        "a comma behind": f"{SECRET},",
        "commas and blanks": f" , {SECRET} ,, ",
    }
    for name, value in silent.items():
        yield Row(f"a secret with {name}", secrets, value, "read", SECRET)
    yield Row(
        "two secrets, each in quotes", secrets, f'"{SECRET}", "older"', "read" + WARNED, f"{SECRET},older"
    )
    yield Row(
        "two secrets in one pair of quotes", secrets, f'"{SECRET},older"', "read" + WARNED, f"{SECRET},older"
    )
    yield Row("a verify token in quotes", "HARAVAN_VERIFY_TOKEN", f'"{SECRET}"', "read" + WARNED, SECRET)
    yield Row("a key in quotes", "SECRET_KEY", f"'{KEY}'", "read" + WARNED, KEY)
    yield Row("a key with a byte-order mark", "SECRET_KEY", f"\ufeff{KEY}", "read" + WARNED, KEY)
    yield Row("an ops token in quotes", "OPS_TOKENS", f'an="{SECRET}"', "read" + WARNED, f"an={SECRET}")
    yield Row(
        "a metrics token with a blank inside",
        "METRICS_TOKEN",
        f"{SECRET[:8]} {SECRET[8:]}",
        "read" + WARNED,
        SECRET,
    )
    yield Row("an access token in quotes", "HARAVAN_ACCESS_TOKEN", f'"{SECRET}"', "read" + WARNED, SECRET)
    yield Row(
        "an access token with a blank inside",
        "HARAVAN_ACCESS_TOKEN",
        f"{SECRET[:8]} {SECRET[8:]}",
        "read" + WARNED,
        SECRET,
    )
    yield Row("a port in quotes", "PORT", '"8080"', "read" + WARNED, "8080")
    yield Row(
        "an address in quotes",
        "HARAVAN_API_URL",
        '"https://apis.haravan.com/com"',
        "read" + WARNED,
        "https://apis.haravan.com/com",
    )


def odd_rows() -> Iterator[Row]:
    """Values that may be meant: they are read as they are, some with a warning."""
    secrets = "HARAVAN_WEBHOOK_SECRETS"
    yield Row("a secret with a blank inside", secrets, "two words of a secret", "read" + WARNED)
    yield Row("a secret with a no-break space inside", secrets, "two\u00a0words", "read" + WARNED)
    yield Row("a secret with one quote", secrets, f'"{SECRET}', "read" + WARNED)
    yield Row("a secret with quotes of two kinds", secrets, f"\"{SECRET}'", "read" + WARNED)
    yield Row("a secret with a quote inside", secrets, "it's-a-secret", "read")
    yield Row("a secret with an equals sign", secrets, f"{SECRET}==", "read")
    yield Row("a secret with a hash sign", secrets, f"{SECRET}#1", "read")
    yield Row("a secret with a dollar sign", secrets, f"${SECRET}", "read")
    yield Row("a secret in Vietnamese", secrets, "bí-mật-của-cửa-hàng", "read")
    yield Row("a secret of 100,000 letters", secrets, "s" * 100_000, "read")
    yield Row("no secret", secrets, "", "read")
    yield Row("a secret of quotes alone", secrets, '""', "read" + WARNED, "")


def address_rows() -> Iterator[Row]:
    """Addresses to which a token would go."""
    addresses = {
        "https://apis.haravan.com/com": "read",
        "https://hai.myharavan.com/admin": "read",
        "http://127.0.0.1:8080/com": "read",
        "http://[::1]:8080/com": "read",
        "http://sandbox:8080/com": "read",
        "http://10.0.0.7/com": "read",
        "https://apis.haravan.com@evil.example": "refused: contains an @",
        "https://apis.haravan.com:443@evil.example/com": "refused: contains an @",
        "http://134744072": "refused: number",
        "https://0x08080808/com": "refused: number",
        "https://010.8.8.8/com": "refused: number",
        "http://apis.haravan.com/com": "refused: unencrypted",
        "http://8.8.8.8/com": "refused: unencrypted",
        "http://127.0.0.1.evil.example/com": "refused: unencrypted",
        "http://169.254.169.254/latest": "refused: no server of yours",
        "https://evil.example\\.haravan.com/com": "refused: form",
        "https://evil.example#.haravan.com": "refused: without ?",
        "https://apis.haravan.com/com?x=": "refused: without ?",
        "https://аpis.haravan.com/com": "refused: form",
        "https://apis.haravan.com:99999/com": "refused: port",
        "ftp://apis.haravan.com/com": "refused: must start with",
        "apis.haravan.com/com": "refused: must start with",
    }
    for address, expected in addresses.items():
        yield Row(f"the API at {address}", "HARAVAN_API_URL", address, expected)
    yield Row(
        "the subscribe address without TLS",
        "HARAVAN_SUBSCRIBE_URL",
        "http://webhook.haravan.com/api/subscribe",
        "refused: unencrypted",
    )
    yield Row(
        "the subscribe address of somebody else",
        "HARAVAN_SUBSCRIBE_URL",
        "https://webhook.haravan.com@evil.example/",
        "refused: contains an @",
    )


def wrong_rows() -> Iterator[Row]:
    """Values that no reading makes right: they stop the start."""
    yield Row("a short key", "SECRET_KEY", "k" * 31, "refused: 32 characters")
    yield Row("a short metrics token", "METRICS_TOKEN", "short", "refused: 16 or more")
    yield Row("a metrics token in other letters", "METRICS_TOKEN", "mã-số-liệu-0123456789", "refused: ASCII")
    yield Row("an access token in other letters", "HARAVAN_ACCESS_TOKEN", "mã-truy-cập", "refused: ASCII")
    yield Row("ops tokens without names", "OPS_TOKENS", SECRET, "refused: entry 1: write name=token")
    yield Row("a short ops token", "OPS_TOKENS", "an=short", "refused: entry 1: the token is shorter")
    yield Row("an org with letters", "HARAVAN_ORG_ID", "shop-1", "refused: digits only")
    yield Row("an org in Arabic digits", "HARAVAN_ORG_ID", "١٢٣", "refused: digits only")
    yield Row("port 0", "PORT", "0", "refused: 1 to 65535")
    yield Row("port 65536", "PORT", "65536", "refused: 1 to 65535")
    yield Row("a port of 5,000 digits", "PORT", "9" * 5_000, "refused: 1 to 65535")
    yield Row("a port in Arabic digits", "PORT", "٨٠٨٠", "refused: 1 to 65535")
    yield Row("a port with a fraction", "PORT", "8000.0", "refused: 1 to 65535")
    yield Row("retention without an end", "RETENTION_DAYS", "401", "refused: 3 to 400")
    yield Row("a host with a path", "HOST", "0.0.0.0/0", "refused: host name")
    yield Row("an unknown part", "SERVE", "webhooks,pages", "refused: webhooks, console")
    yield Row("an unknown durability", "DURABILITY", "always", "refused: fsync, everysec")
    yield Row("an unknown log format", "LOG_FORMAT", "JSON", "refused: json, console")
    yield Row("a rules file that is not there", "RULES_FILE", "/nowhere/rules.yaml", "refused: no such file")
    yield Row("a store of another kind", "REDIS_URL", "mysql://127.0.0.1/0", "refused: redis://")
    yield Row("a store without a host", "REDIS_URL", "redis://", "refused: redis://")
    yield Row("a store with half an IPv6 address", "REDIS_URL", "redis://[::1", "refused: redis://")


ROWS: Final = (*slip_rows(), *odd_rows(), *address_rows(), *wrong_rows())
WITH: Final = {  # what a variable needs beside it
    "HARAVAN_ACCESS_TOKEN": {"HARAVAN_ORG_ID": "1000000001", "SECRET_KEY": KEY},
    "HARAVAN_ORG_ID": {"HARAVAN_ACCESS_TOKEN": SECRET, "SECRET_KEY": KEY},
}


async def run(_: object, row: Row) -> Verdict:
    """Read the setting. Nobody else may notice: another setting beside it is read as it is, and no text has the value."""
    environ = {**WITH.get(row.variable, {}), row.variable: row.value, "ALERT_URLS": "json://127.0.0.1/a"}
    texts: list[str] = []
    harmed: list[str] = []
    try:
        settings = read_settings(environ)
    except InvalidSettings as exc:
        texts.append(str(exc))
        got = _refusal(str(exc), row)
    else:
        texts += [*settings.warnings, repr(settings)]
        wanted = row.value.strip() if row.wanted is None else row.wanted
        read = _value(settings, row.variable)
        got = "read" if read == wanted else "read as another value"
        got += WARNED if settings.warnings else ""
        if settings.alert_urls != ("json://127.0.0.1/a",):
            harmed.append("another setting")
    secret = SECRET in row.value or KEY in row.value
    if secret and any(SECRET in text or KEY in text for text in texts):
        harmed.append("the secret: it is shown")
    return Verdict(TABLE, row.name, row.expected, got, tuple(harmed))


def _refusal(message: str, row: Row) -> str:
    part = row.expected.removeprefix("refused: ")
    named = row.variable in message
    return row.expected if named and part in message else f"refused: {message.splitlines()[-1].strip()}"


def _value(settings: Settings, variable: str) -> str:
    values = {
        "HARAVAN_WEBHOOK_SECRETS": ",".join(settings.webhook_secrets),
        "HARAVAN_VERIFY_TOKEN": settings.verify_token,
        "HARAVAN_ACCESS_TOKEN": settings.access_token,
        "HARAVAN_API_URL": settings.api_url,
        "HARAVAN_SUBSCRIBE_URL": settings.subscribe_url,
        "SECRET_KEY": ",".join(settings.secret_keys),
        "OPS_TOKENS": ",".join(f"{name}={token}" for name, token in settings.ops_tokens.items()),
        "METRICS_TOKEN": settings.metrics_token,
        "PORT": str(settings.port),
    }
    return values[variable]
