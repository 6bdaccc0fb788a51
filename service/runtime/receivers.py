"""Addresses that somebody else's server is called at: the endpoints of events.

A person who may add an endpoint must not reach what only this machine can reach (server-side request forgery). So the
address is checked when it is added, and the IP address to which its name resolves is checked at each request.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from service.sentence import Sentence

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Networks: TypeAlias = Sequence[str]
MAX_URL: Final = 2_000
NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
ALLOWED_CHARACTERS: Final = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?[]!$&'()*+,;=%"
)


def receiver_problem(url: str, *, allowed: Networks = ()) -> Sentence | None:
    """Why no event may be sent to this address, None if one may be. `allowed`: private networks that are no problem.

    The name is not resolved: that is done, and checked, at each request.
    """
    if len(url) > MAX_URL or not ALLOWED_CHARACTERS.issuperset(url):
        return Sentence(
            "it has more than {most} characters, or one that must be encoded (a user name or # is not possible)",
            most=MAX_URL,
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return Sentence("it is not an address such as https://HOST/PATH")
    if parts.scheme not in ("https", "http") or not host or port == 0:
        return Sentence("it is not an address such as https://HOST/PATH")
    if parts.scheme == "http" and not allowed:
        return Sentence("it must start with https:// (http:// only for networks of EVENT_NETWORKS)")
    ip = parse_ip(host)
    if ip is not None and not may_connect(ip, allowed=allowed, is_encrypted=parts.scheme == "https"):
        return Sentence(
            "its host is in a private network: that is possible only for networks of EVENT_NETWORKS"
        )
    if ip is None and not any(char.isalpha() for char in host.rpartition(".")[2]):
        return Sentence(
            "its host is a number that some programs take for an IP address: write the address as 192.0.2.1"
        )
    return None


def may_connect(ip: IpAddress, *, allowed: Networks, is_encrypted: bool) -> bool:
    """Whether a request may go to this IP address: a public one, by https, or one of the allowed networks."""
    if any(ip in ipaddress.ip_network(network, strict=False) for network in allowed):
        return True
    return is_encrypted and is_public(ip)


def is_public(ip: IpAddress) -> bool:
    """Whether the address, and an IPv4 address within it, is one of the internet."""
    inner = _embedded(ip) if isinstance(ip, ipaddress.IPv6Address) else None
    return ip.is_global and not ip.is_multicast and (inner is None or is_public(inner))


def parse_ip(host: str) -> IpAddress | None:
    """The IP address that a host is, None for a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _embedded(ip: ipaddress.IPv6Address) -> IpAddress | None:
    """The IPv4 address to which routers may translate this one."""
    if ip in NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour
