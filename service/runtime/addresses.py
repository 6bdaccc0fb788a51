"""Addresses that a token is sent to: Haravan's API of a shop, and the subscribe address.

One function checks them for the settings, for `tagger shops add` and for the subscription.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from service.sentence import Sentence

# Only this shape is read the same way by every library. `urlsplit` and an HTTP client may find different hosts in others.
_SHAPE: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?(?P<path>/[A-Za-z0-9._~/-]*)?"
)
_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_NUMBER: Final = re.compile(r"0[xX][0-9A-Fa-f]*|[0-9]+")
_PRIVATE_ENDINGS: Final = (".localhost", ".internal", ".local")  # no public name has them
MAX_ADDRESS: Final = 2_000
MAX_PORT: Final = 65_535


def address_problem(address: str) -> Sentence | None:
    """Why a token must not be sent to this address, None if it may be. The text does not show the address.

    Allowed is https:// with a name or an IP address, and http:// within this machine or a private network.
    """
    if not address.startswith(("https://", "http://")):
        return Sentence("it must start with https:// (http:// only for this machine or a private network)")
    if "@" in address:
        return Sentence("it contains an @: what follows it is the real host, and would get the token")
    if "?" in address or "#" in address:
        return Sentence("it must end with its path, without ? or #")
    shape = _SHAPE.fullmatch(address) if len(address) <= MAX_ADDRESS else None
    if shape is None:
        return Sentence(
            "it is not of the form https://HOST/PATH, with ASCII letters, digits and . - _ ~ / alone"
        )
    if shape["port"] is not None and not 0 < int(shape["port"]) <= MAX_PORT:
        return Sentence("its port is not a number from 1 to {most}", most=MAX_PORT)
    return _host_problem(shape["host"].lower(), is_encrypted=shape["scheme"] == "https")


def _host_problem(host: str, *, is_encrypted: bool) -> Sentence | None:
    try:
        ip = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return _name_problem(host, is_encrypted=is_encrypted)
    if ip.is_unspecified or ip.is_multicast or ip.is_link_local:
        return Sentence("its host is an address that belongs to no server of yours")
    if not is_encrypted and not (ip.is_loopback or ip.is_private):
        return Sentence("http:// would send the token unencrypted over the internet: write https://")
    return None


def _name_problem(host: str, *, is_encrypted: bool) -> Sentence | None:
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]) or host.startswith("["):
        return Sentence(
            "its host is a number that some programs take for an IP address: write the name, or the address as 192.0.2.1"
        )
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return Sentence("its host is not a valid name")
    is_private = len(labels) == 1 or host.endswith(
        _PRIVATE_ENDINGS
    )  # `localhost`, or a container such as `sandbox`
    if not is_encrypted and not is_private:
        return Sentence("http:// would send the token unencrypted over the internet: write https://")
    return None
