"""Reads environment variables, and files that they name, as values of one kind each, and collects their problems."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from service.errors import InvalidSettings, MalformedData
from service.sentence import Sentence

if TYPE_CHECKING:
    from service.store.client import Durability

Part = Literal["webhooks", "console"]  # of the web process

QUEUE_SCHEMES: Final = (
    "redis",
    "rediss",
    "unix",
    "redis+sentinel",
    "rediss+sentinel",
)  # arq cannot use a cluster
REDIS_SCHEMES: Final = (*QUEUE_SCHEMES, "redis+cluster", "rediss+cluster")
MIN_KEY_VARIETY: Final = 8  # different characters; a random key of 32 hexadecimal digits has about 14
QUOTES: Final = {'"': '"', "'": "'", "`": "`", "“": "”", "‘": "’", "«": "»"}
HOST: Final = re.compile(r"[A-Za-z0-9.:_-]{1,253}")
LOOPBACK: Final = ("127.0.0.1", "::1")
MIN_TOKEN: Final = 16  # characters
MAX_FILE: Final = 64 * 1024  # bytes of a file with the value of a setting
TOKEN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


class SettingsReader:
    """Reads variables and collects their problems."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[Sentence] = []
        self.warnings: list[str] = []

    def text(self, name: str) -> str:
        """The value without slips, "" if neither the variable nor its file is set."""
        text, removed = clean_value(self._environ.get(name, ""))
        path, _ = clean_value(self._environ.get(_file_variable(name), ""))
        if text and path:
            self.problems.append(
                Sentence(
                    "{name} and {file} are both set: remove one of them", name=name, file=_file_variable(name)
                )
            )
        elif path:
            text, removed = clean_value(self._read_file(_file_variable(name), Path(path)))
        self._warn_removed(name, removed)
        return text

    def _read_file(self, variable: str, path: Path) -> str:
        """The text of the file that a variable names. A problem never shows what is in the file."""
        from service.runtime import read_text

        try:
            text = read_text(path) if path.stat().st_size <= MAX_FILE else None
        except OSError as exc:
            self.problems.append(
                Sentence(
                    "{name}: {path} cannot be read: {error}",
                    name=variable,
                    path=str(path),
                    error=exc.strerror or type(exc).__name__,
                )
            )
        except MalformedData:
            self.problems.append(Sentence("{name}: {path} is not UTF-8", name=variable, path=str(path)))
        else:
            if text is not None and text.strip():
                return text
            if text is None:
                self.problems.append(
                    Sentence(
                        "{name}: {path} has more than {most} bytes",
                        name=variable,
                        path=str(path),
                        most=MAX_FILE,
                    )
                )
            else:
                self.problems.append(Sentence("{name}: {path} is empty", name=variable, path=str(path)))
        return ""

    def items(self, name: str) -> tuple[str, ...]:
        """Values separated by commas. Quotes may be around each or around all."""
        cleaned = [clean_value(item) for item in self.text(name).split(",")]
        self._warn_removed(name, tuple(slip for _, removed in cleaned for slip in removed))
        return tuple(text for text, _ in cleaned if text)

    def secret(self, name: str) -> str:
        """A secret that a person may have chosen."""
        text = self.text(name)
        self._warn_odd(name, text)
        return text

    def secrets(self, name: str) -> tuple[str, ...]:
        """Secrets separated by commas."""
        secrets = self.items(name)
        self._warn_odd(name, *secrets)
        return secrets

    def token(self, name: str, *, min_length: int = 1) -> str:
        """A secret that is sent as `Authorization: Bearer`, so it contains no blank."""
        text = self.text(name)
        token = "".join(text.split())
        self._warn_removed(name, ("blanks",) if token != text else ())
        if token and not (token.isascii() and len(token) >= min_length):
            self.problems.append(
                Sentence(
                    "{name}: it needs {least} or more letters, digits or signs of ASCII",
                    name=name,
                    least=min_length,
                )
            )
        return token

    def _warn_removed(self, name: str, removed: tuple[str, ...]) -> None:
        if removed:
            what = " and ".join(dict.fromkeys(removed))
            self.warnings.append(f"{name}: {what} were ignored; write the value without them")

    def _warn_odd(self, name: str, *secrets: str) -> None:
        if any(char.isspace() for secret in secrets for char in secret):
            self.warnings.append(f"{name}: a blank inside the value counts as part of it; is it meant?")
        if any(secret[:1] in QUOTES or secret[-1:] in QUOTES.values() for secret in secrets if secret):
            self.warnings.append(
                f"{name}: a quote at one end of the value counts as part of it; is it meant?"
            )

    def keys(self, name: str) -> tuple[str, ...]:
        keys = self.secrets(name)
        if any(len(key) < 32 or len(set(key)) < MIN_KEY_VARIETY for key in keys):
            self.problems.append(
                Sentence(
                    "{name}: each key needs 32 characters or more, {different} of them different; make one with: openssl rand -hex 32",
                    name=name,
                    different=MIN_KEY_VARIETY,
                )
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
                Sentence(
                    "{name}: not an address that starts with {schemes}",
                    name=name,
                    schemes=" or ".join(s + "://" for s in schemes),
                )
            )
        return value

    def queue_url(self, name: str, redis_url: str) -> str:
        """The address of arq's Redis. A cluster needs one beside it."""
        is_cluster = "+cluster:" in redis_url
        if is_cluster and not self.text(name):
            self.problems.append(
                Sentence(
                    "{name} is missing: wake-ups need a single Redis server or Sentinel beside the cluster of REDIS_URL. It "
                    "needs neither a disk nor a replica, because nothing is lost with it",
                    name=name,
                )
            )
            return ""
        return self.url(name, redis_url, QUEUE_SCHEMES) if self.text(name) else ""

    def durability(self, name: str, redis_url: str) -> Durability:
        """What a 200 promises. With several servers it is by default that a replica has the webhook, too."""
        choices: tuple[Durability, ...] = ("fsync", "everysec", "replica")
        has_replicas = "+cluster:" in redis_url or "+sentinel:" in redis_url
        default: Durability = "replica" if has_replicas else "fsync"
        chosen = self.text(name) or default
        for choice in choices:
            if choice == chosen:
                return choice
        self.problems.append(Sentence("{name}: use one of {choices}", name=name, choices=", ".join(choices)))
        return default

    def optional_url(self, name: str) -> str:
        """A web address, or an empty text."""
        return self.url(name, "", ("http", "https")) if self.text(name) else ""

    def api_address(self, name: str, default: str) -> str:
        """An address that a token is sent to."""
        from service.runtime import address_problem

        value = self.text(name) or default
        problem = address_problem(value)
        if problem:
            self.problems.append(Sentence("{name}: {problem}", name=name, problem=problem))
        return value

    def org(self, name: str) -> str:
        value = self.text(name)
        if value and not (value.isascii() and value.isdigit()):
            self.problems.append(
                Sentence("{name}: an org id has digits only, as in X-Haravan-Org-Id", name=name)
            )
        return value

    def named(self, name: str) -> dict[str, str]:
        """Name and token of each `name=token`. A problem names the position in the list, never a token."""
        named: dict[str, str] = {}
        text = self.text(name)
        for position, entry in enumerate(text.split(",") if text else (), start=1):
            who, _, given = clean_value(entry)[0].partition("=")
            token, removed = clean_value(given)
            self._warn_removed(name, removed)
            problem = _token_problem(who.strip(), token, named)
            if problem:
                self.problems.append(
                    Sentence(
                        "{name}, entry {position}: {problem}", name=name, position=position, problem=problem
                    )
                )
            else:
                named[who.strip()] = token
        return named

    def networks(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        networks = self.items(name) or default
        if not all(map(_is_network, networks)):
            self.problems.append(
                Sentence("{name}: write addresses or networks, such as 10.0.0.5 or 10.0.0.0/8", name=name)
            )
        return networks

    def host(self, name: str, default: str) -> str:
        value = self.text(name) or default
        if not HOST.fullmatch(value):
            self.problems.append(
                Sentence("{name}: an address or a host name is needed, such as 127.0.0.1 or ::", name=name)
            )
        return value

    def number(self, name: str, default: int, low: int, high: int) -> int:
        value = self.text(name)
        if not value:
            return default
        if not (value.isascii() and value.isdigit() and len(value) < 10 and low <= int(value) <= high):
            self.problems.append(
                Sentence(
                    "{name}: a whole number from {low} to {high} is needed", name=name, low=low, high=high
                )
            )
            return default
        return int(value)

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        value = self.text(name) or choices[0]
        if value not in choices:
            self.problems.append(
                Sentence("{name}: use one of {choices}", name=name, choices=", ".join(choices))
            )
        return value

    def parts(self, name: str) -> frozenset[Part]:
        known: dict[str, Part] = {"webhooks": "webhooks", "console": "console"}
        given = self.items(name) or tuple(known)
        if not known.keys() >= set(given):
            self.problems.append(
                Sentence("{name}: name webhooks, console, or both with a comma between", name=name)
            )
        return frozenset(known[part] for part in given if part in known)

    def file(self, name: str) -> Path | None:
        value = self.text(name)
        if not value:
            return None
        path = Path(value)
        if not path.is_file():
            self.problems.append(Sentence("{name}: there is no such file", name=name))
        return path

    def finish(self) -> None:
        if self.problems:
            raise InvalidSettings(Sentence("The settings are wrong:"), problems=self.problems)


def is_set(environ: Mapping[str, str], name: str) -> bool:
    """Whether a setting has a value, directly or from a file."""
    return bool(environ.get(name) or environ.get(_file_variable(name)))


def _file_variable(name: str) -> str:
    """The variable that names a file with the value of a setting."""
    return f"{name}_FILE"


def clean_value(value: str) -> tuple[str, tuple[str, ...]]:
    """A value without what copying and quoting add to it, and the names of what was removed.

    Removed are characters that one cannot see, anywhere, and one pair of quotes around the value. Blanks around it are
    removed without a word. A blank inside stays, because a person may have chosen it.
    """
    removed: list[str] = []
    text = value.strip()
    if any(_is_invisible(char) for char in text):
        removed.append("invisible characters or line breaks")
        text = "".join(char for char in text if not _is_invisible(char)).strip()
    if len(text) >= 2 and QUOTES.get(text[0]) == text[-1] and text[0] not in text[1:-1]:
        removed.append("quotes")
        text = text[1:-1].strip()
    return text, tuple(removed)


def _is_invisible(char: str) -> bool:
    """Control and format characters, such as a byte-order mark, a zero-width space and a line break."""
    return unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp")


def _token_problem(who: str, token: str, named: Mapping[str, str]) -> Sentence | None:
    """What is wrong with an entry of OPS_TOKENS, or None. It shows no part of the entry, not even the name:
    somebody may have written token=name.
    """
    if not token:
        return Sentence("write name=token")
    if not TOKEN_NAME.fullmatch(who):
        return Sentence("the name has up to 40 letters A-Z, digits, dots, dashes and underscores")
    if not (token.isascii() and token.isprintable()) or " " in token:
        return Sentence(
            "the token has characters that a header cannot carry; make one with: openssl rand -hex 32"
        )
    if len(token) < MIN_TOKEN:
        return Sentence(
            "the token is shorter than {least} characters; make one with: openssl rand -hex 32",
            least=MIN_TOKEN,
        )
    if who in named:
        return Sentence(
            "the name is that of an earlier entry, and the audit log could not tell the two apart"
        )
    if token in named.values():
        return Sentence(
            "the token is that of an earlier entry, and the audit log could not tell the two apart"
        )
    return None


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True
