"""The address of the store: which kind of servers there are, where they listen, and how to sign in."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from service.store.servers.errors import CertificateError

Kind = Literal["single", "sentinel", "cluster"]

SCHEMES: Final = (
    "redis",
    "rediss",
    "unix",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
)
TLS_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
DEFAULT_PORT: Final = 6379
DEFAULT_SENTINEL_PORT: Final = 26379
DEFAULT_SERVICE: Final = "mymaster"


class Endpoint(NamedTuple):
    """Where a server listens. A Unix socket has its path as the host, and port 0."""

    host: str
    port: int

    def __str__(self) -> str:
        if not self.port:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and a password. Without a user it is the server's default user."""

    username: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed REDIS_URL.

    `endpoints` are the server, the sentinels, or those nodes of the cluster that are asked first.
    """

    kind: Kind
    endpoints: tuple[Endpoint, ...]
    credentials: Credentials
    sentinel_credentials: Credentials
    db: int
    service: str  # the name of the primary, as the sentinels know it
    is_tls: bool
    tls_files: tuple[tuple[str, str], ...]  # option of `TLS_FILES` -> path

    def tls_context(self) -> ssl.SSLContext | None:
        """A context that checks certificates and names. None without TLS. Raises CertificateError for an unusable file."""
        if not self.is_tls:
            return None
        files = dict(self.tls_files)
        try:
            context = ssl.create_default_context(cafile=files.get("ssl_ca_certs"))
            if "ssl_certfile" in files:
                context.load_cert_chain(files["ssl_certfile"], files.get("ssl_keyfile"))
        except OSError as exc:
            raise CertificateError(f"of {', '.join(files.values())} one is unusable: {exc}") from exc
        return context


def parse_address(url: str) -> Address:
    """Parse `redis://[user:password@]host[:port]/[db]` and its relatives. Raises ValueError; the text shows no secret.

    - `unix:///path?db=1`: a Unix socket. - `rediss://`: TLS, with the files of `TLS_FILES` in the query.
    - `redis+sentinel://host,host/service/db?sentinel_username=…&sentinel_password=…`
    - `redis+cluster://host,host`: a cluster has no database but 0.
    An IPv6 address stands in brackets.
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise ValueError(f"the scheme is none of {', '.join(SCHEMES)}")
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    scheme, _, mode = parts.scheme.partition("+")
    user_info, _, hosts = parts.netloc.rpartition("@")
    username, _, password = user_info.partition(":")
    kind: Kind = "sentinel" if mode == "sentinel" else "cluster" if mode == "cluster" else "single"
    service, path = "", parts.path.strip("/")
    if kind == "sentinel":
        service, _, path = path.partition("/")
    if scheme == "unix":
        endpoints: tuple[Endpoint, ...] = (Endpoint(unquote(parts.path), 0),)
        path = ""
    else:
        port = DEFAULT_SENTINEL_PORT if kind == "sentinel" else DEFAULT_PORT
        endpoints = tuple(parse_endpoint(item, port) for item in hosts.split(",") if item)
    if not endpoints:
        raise ValueError("there is no host")
    if kind == "single" and len(endpoints) > 1:
        raise ValueError("several hosts need redis+sentinel:// or redis+cluster://")
    db = int(path or query.get("db", "0"))
    if kind == "cluster" and db:
        raise ValueError("a cluster has only database 0")
    return Address(
        kind=kind,
        endpoints=endpoints,
        credentials=Credentials(
            unquote(username) or query.get("username", ""), unquote(password) or query.get("password", "")
        ),
        sentinel_credentials=Credentials(
            query.get("sentinel_username", ""), query.get("sentinel_password", "")
        ),
        db=db,
        service=service or DEFAULT_SERVICE,
        is_tls=scheme == "rediss",
        tls_files=tuple((name, query[name]) for name in TLS_FILES if name in query),
    )


def parse_endpoint(text: str, default_port: int = DEFAULT_PORT) -> Endpoint:
    """An endpoint of `host`, `host:port`, `[address]:port` or, as nodes of a cluster write it, `address:port`."""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return Endpoint(host, to_port(port.removeprefix(":") or str(default_port)))
    host, _, port = text.rpartition(":") if ":" in text else (text, "", "")
    return Endpoint(host, to_port(port or str(default_port)))


def to_port(text: str) -> int:
    """The number of a port. Raises ValueError."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65_536):
        raise ValueError("a port is a number from 1 to 65535")
    return int(text)
